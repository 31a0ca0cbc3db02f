// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a channel's slots promise, one sentence per test.
 *
 * A test that needs to be overtaken at an exact place does not race for it.
 * Either it takes through a copy of struct latest, which shows it an older
 * generation, as a reader would see it who was interrupted right after reading
 * that. Or it is interrupted: the accesses of latest.c are counted.
 */
#include <pthread.h>
#include <sched.h>

#include <linux/compiler.h>
#include <linux/types.h>

#include "kselftest_harness.h"
#include "latest.h"

/* Memory for the slots, exactly as large and as clean as the contract wants it. */
static void set_up(struct latest *latest, u32 line_max)
{
	memset(latest, 0xff, sizeof(*latest));
	latest_init(latest, line_max);
	latest_attach(latest, calloc(1, latest_area_size(latest)));
}

static void tear_down(struct latest *latest)
{
	free(latest->area);
}

/* The number of slots is nobody else's business, but it shows. */
static u32 slots_of(const struct latest *latest)
{
	return latest_area_size(latest) / latest->stride;
}

#define LINE_MAX	64
#define SLOTS		slots_of(&self->latest)

FIXTURE(latest)
{
	struct latest latest;
};

FIXTURE_SETUP(latest)
{
	set_up(&self->latest, LINE_MAX);
}

FIXTURE_TEARDOWN(latest)
{
	tear_down(&self->latest);
}

/* Publishes "<n>\n" at an offset of its own and at time n + 1000. */
static u64 publish(struct latest *latest, u64 n)
{
	const u32 offset = n % 32;
	char *room;
	u64 ret;
	int len;

	spin_lock(&latest->lock);
	room = latest_begin(latest);
	len = snprintf(room + offset, LINE_MAX + 1 - offset, "%llu\n", (unsigned long long)n);
	ret = latest_publish(latest, offset, len, n + 1000);
	spin_unlock(&latest->lock);
	return ret;
}

/* Fills all of the next slot and publishes nothing. */
static void give_up(struct latest *latest)
{
	spin_lock(&latest->lock);
	memset(latest_begin(latest), 'x', LINE_MAX + 1);
	spin_unlock(&latest->lock);
}

/* Is @line what publish() made of @n? */
static bool says(const struct latest_line *line, u64 n)
{
	char text[LINE_MAX];
	u32 len = snprintf(text, sizeof(text), "%llu\n", (unsigned long long)n);

	return line->length == len && !memcmp(line->data, text, len) &&
	       line->time_ns == n + 1000;
}

TEST_F(latest, generation_0_means_that_nothing_was_published)
{
	EXPECT_EQ(0U, latest_generation(&self->latest));
}

TEST_F(latest, line_max_can_be_looked_up)
{
	EXPECT_EQ((u32)LINE_MAX, self->latest.line_max);
}

TEST_F(latest, the_generation_needs_no_slots)
{
	struct latest latest;

	memset(&latest, 0xff, sizeof(latest));
	latest_init(&latest, LINE_MAX);
	EXPECT_EQ(NULL, latest.area);
	EXPECT_EQ(0U, latest_generation(&latest));
}

TEST_F(latest, each_publication_counts_one_generation)
{
	u64 n;

	for (n = 1; n <= 3 * SLOTS; n++) {
		EXPECT_EQ(n, publish(&self->latest, n));
		EXPECT_EQ(n, latest_generation(&self->latest));
	}
}

TEST_F(latest, a_taken_line_is_the_latest)
{
	struct latest_line line;
	u64 n;

	for (n = 1; n <= 3 * SLOTS; n++) {
		publish(&self->latest, n);
		ASSERT_TRUE(latest_take(&self->latest, &line));
		EXPECT_EQ(n, line.generation);
		EXPECT_TRUE(says(&line, n));
		EXPECT_TRUE(latest_intact(&line));
	}
}

TEST_F(latest, the_latest_line_can_be_taken_again)
{
	struct latest_line first, second;

	publish(&self->latest, 7);
	ASSERT_TRUE(latest_take(&self->latest, &first));
	ASSERT_TRUE(latest_take(&self->latest, &second));
	EXPECT_EQ(first.data, second.data);
	EXPECT_EQ(first.generation, second.generation);
	EXPECT_TRUE(says(&second, 7));
}

TEST_F(latest, the_lock_can_be_taken_after_init)
{
	EXPECT_EQ(0, pthread_mutex_trylock(&self->latest.lock));
	spin_unlock(&self->latest.lock);
}

TEST_F(latest, there_are_slots_enough_to_copy_a_line_while_others_are_published)
{
	EXPECT_LE(4U, SLOTS);
}

/* Whichever slot it lies in. */
TEST_F(latest, a_line_is_intact_until_its_slot_is_filled_again)
{
	struct latest_line line;
	u64 turn, n;

	for (turn = 0; turn < SLOTS; turn++) {
		publish(&self->latest, 1);
		ASSERT_TRUE(latest_take(&self->latest, &line));
		for (n = 2; n <= SLOTS; n++) {
			publish(&self->latest, n);
			EXPECT_TRUE(latest_intact(&line));
			EXPECT_TRUE(says(&line, 1));
		}
		latest_begin(&self->latest);
		EXPECT_FALSE(latest_intact(&line));
		publish(&self->latest, n);
		EXPECT_FALSE(latest_intact(&line));
	}
}

TEST_F(latest, a_lapped_line_is_never_intact_again)
{
	struct latest_line line;
	u64 n;

	publish(&self->latest, 1);
	ASSERT_TRUE(latest_take(&self->latest, &line));
	for (n = 1; n < SLOTS; n++)
		publish(&self->latest, 1);
	for (n = 0; n < 4 * SLOTS; n++) {
		publish(&self->latest, 1);
		EXPECT_FALSE(latest_intact(&line));
	}
}

TEST_F(latest, a_line_is_not_intact_when_the_same_slot_is_2_to_the_32_generations_on)
{
	const u64 lap = 1ULL << 32;
	struct latest_line line;

	publish(&self->latest, 1);
	ASSERT_TRUE(latest_take(&self->latest, &line));
	atomic64_set(&self->latest.generation, lap);
	EXPECT_EQ(lap + 1, publish(&self->latest, 2));
	EXPECT_FALSE(latest_intact(&line));
}

TEST_F(latest, generations_have_64_bits)
{
	const u64 start = (1ULL << 32) - 3;
	struct latest_line line;
	u64 n;

	atomic64_set(&self->latest.generation, start);
	for (n = start + 1; n < start + 3 * SLOTS; n++) {
		EXPECT_EQ(n, publish(&self->latest, n));
		ASSERT_TRUE(latest_take(&self->latest, &line));
		EXPECT_EQ(n, line.generation);
		EXPECT_TRUE(says(&line, n));
	}
}

TEST_F(latest, a_slot_being_filled_is_not_taken)
{
	struct latest_line line;
	struct latest stale;
	u64 n;

	publish(&self->latest, 1);
	stale = self->latest;
	for (n = 2; n <= SLOTS; n++) {
		publish(&self->latest, n);
		EXPECT_TRUE(latest_take(&stale, &line));
		EXPECT_TRUE(says(&line, 1));
	}
	latest_begin(&self->latest);
	EXPECT_FALSE(latest_take(&stale, &line));
}

/* Neither for the line that was in it nor for the one that was to be. */
TEST_F(latest, a_slot_that_was_given_up_is_not_taken)
{
	struct latest_line line;
	struct latest other;
	u64 n;

	publish(&self->latest, 1);
	other = self->latest;
	for (n = 2; n <= SLOTS; n++)
		publish(&self->latest, n);
	give_up(&self->latest);
	EXPECT_FALSE(latest_take(&other, &line));
	atomic64_set(&other.generation, SLOTS + 1);
	EXPECT_FALSE(latest_take(&other, &line));
}

TEST_F(latest, a_slot_that_holds_a_newer_line_is_not_taken_for_the_older_one)
{
	struct latest_line line;
	struct latest stale;
	u64 n;

	publish(&self->latest, 1);
	stale = self->latest;
	for (n = 1; n <= SLOTS; n++)
		publish(&self->latest, 1);
	EXPECT_FALSE(latest_take(&stale, &line));
}

TEST_F(latest, giving_up_leaves_the_latest_line_intact)
{
	struct latest_line before, after;
	u64 turn, i;

	for (turn = 1; turn <= SLOTS; turn++) {
		EXPECT_EQ(turn, publish(&self->latest, turn));
		ASSERT_TRUE(latest_take(&self->latest, &before));
		for (i = 0; i < 2 * SLOTS; i++)
			give_up(&self->latest);
		EXPECT_EQ(turn, latest_generation(&self->latest));
		EXPECT_TRUE(latest_intact(&before));
		EXPECT_TRUE(says(&before, turn));
		ASSERT_TRUE(latest_take(&self->latest, &after));
		EXPECT_EQ(before.data, after.data);
	}
}

TEST_F(latest, giving_up_ends_only_the_oldest_line)
{
	struct latest_line *lines = calloc(SLOTS, sizeof(*lines));
	u64 n;

	for (n = 0; n < SLOTS; n++) {
		publish(&self->latest, n);
		ASSERT_TRUE(latest_take(&self->latest, &lines[n]));
	}
	give_up(&self->latest);
	EXPECT_FALSE(latest_intact(&lines[0]));
	for (n = 1; n < SLOTS; n++) {
		EXPECT_TRUE(latest_intact(&lines[n]));
		EXPECT_TRUE(says(&lines[n], n));
	}
	free(lines);
}

TEST_F(latest, a_line_follows_one_that_was_given_up)
{
	struct latest_line line;

	publish(&self->latest, 1);
	give_up(&self->latest);
	EXPECT_EQ(2U, publish(&self->latest, 20));
	ASSERT_TRUE(latest_take(&self->latest, &line));
	EXPECT_EQ(2U, line.generation);
	EXPECT_TRUE(says(&line, 20));
}

TEST_F(latest, a_line_lies_where_it_was_put)
{
	struct latest_line line;
	u32 offset;
	char *room;

	for (offset = 0; offset <= LINE_MAX; offset++) {
		room = latest_begin(&self->latest);
		latest_publish(&self->latest, offset, LINE_MAX + 1 - offset, ~0ULL - offset);
		ASSERT_TRUE(latest_take(&self->latest, &line));
		EXPECT_EQ(room + offset, line.data);
		EXPECT_EQ(LINE_MAX + 1 - offset, line.length);
		EXPECT_EQ(~0ULL - offset, line.time_ns);
	}
}

static bool holds(const struct latest_line *line, char byte)
{
	u32 i;

	for (i = 0; i < line->length; i++) {
		if (line->data[i] != byte)
			return false;
	}
	return true;
}

/* Fills each slot to its end; the slots beside it must not notice. */
static bool longest_lines_fit(u32 line_max)
{
	struct latest_line *lines;
	struct latest latest;
	u32 n, other, slots;
	bool fit = true;

	set_up(&latest, line_max);
	slots = slots_of(&latest);
	lines = calloc(slots, sizeof(*lines));
	for (n = 0; n < 3 * slots; n++) {
		memset(latest_begin(&latest), 'a' + n, line_max + 1);
		latest_publish(&latest, 1, line_max, n);
		fit = fit && latest_take(&latest, &lines[n % slots]);
		for (other = n < slots ? 0 : n + 1 - slots; fit && other <= n; other++) {
			fit = lines[other % slots].length == line_max &&
			      lines[other % slots].time_ns == other &&
			      holds(&lines[other % slots], 'a' + other) &&
			      latest_intact(&lines[other % slots]);
		}
	}
	free(lines);
	tear_down(&latest);
	return fit;
}

TEST(the_longest_line_and_the_byte_before_it_fit)
{
	u32 line_max;

	for (line_max = 64; line_max <= 64 + 4 * sizeof(u64); line_max++) {
		EXPECT_TRUE(longest_lines_fit(line_max)) {
			TH_LOG("line_max %u", line_max);
		}
	}
	EXPECT_TRUE(longest_lines_fit(1 << 20));
	EXPECT_TRUE(longest_lines_fit((1 << 20) - 1));
}

TEST(generations_and_times_are_aligned_in_every_slot)
{
	struct latest latest;
	u32 line_max;

	for (line_max = 64; line_max <= 64 + 4 * sizeof(u64); line_max++) {
		latest_init(&latest, line_max);
		EXPECT_EQ(0U, latest.stride % __alignof__(atomic64_t));
	}
}

/*
 * Readers and writers at the same time. Everything about a line derives from its
 * generation, so that a reader can tell whether all of it belongs together.
 */

#define MIXED_MAX	256	/* line_max */

static u64 mix(u64 generation)
{
	u64 z = generation * 0x9e3779b97f4a7c15;

	return z ^ z >> 29;
}

static u32 length_of(u64 generation)
{
	return 1 + mix(generation) % MIXED_MAX;
}

static u32 offset_of(u64 generation)
{
	return (mix(generation) >> 32) % (MIXED_MAX + 2 - length_of(generation));
}

static char byte_of(u64 generation, u32 i)
{
	return (mix(generation) >> 8 * (i % 8)) + i;
}

static void write_line(struct latest *latest, bool give_up)
{
	u64 generation;
	u32 length, i;
	char *room;

	spin_lock(&latest->lock);
	generation = latest_generation(latest) + 1;
	length = length_of(generation);
	room = latest_begin(latest) + offset_of(generation);
	for (i = 0; i < length; i++)
		WRITE_ONCE(room[i], byte_of(give_up ? ~generation : generation, i));
	if (!give_up)
		latest_publish(latest, offset_of(generation), length, mix(generation));
	spin_unlock(&latest->lock);
}

/* Has the slot of @generation certainly been opened again? */
static bool is_lapped(const struct latest *latest, u64 generation)
{
	return latest_generation(latest) >= generation + slots_of(latest);
}

/* Has the slot of @generation perhaps been opened again, by now? */
static bool may_be_lapped(const struct latest *latest, u64 generation)
{
	/* Looks at the generation only after latest_intact() looked at the slot. */
	smp_rmb();
	return latest_generation(latest) + 1 >= generation + slots_of(latest);
}

static bool is_whole(const struct latest_line *line, const char *copy)
{
	u32 i;

	for (i = 0; i < line->length; i++) {
		if (copy[i] != byte_of(line->generation, i))
			return false;
	}
	return true;
}

/**
 * struct reader - one who reads
 * @latest:    what it reads
 * @view:      a copy of @latest, in which it sets an older generation
 * @last:      generation of the latest line that it took
 * @until:     it may stop when this generation was published
 * @intact:    lines that it took whole, without the lock
 * @torn:      lines that it dropped because they had been overwritten
 * @complaint: what went wrong; NULL if all is well
 */
struct reader {
	struct latest *latest;
	struct latest view;
	u64 last;
	u64 until;
	u32 intact;
	u32 torn;
	const char *complaint;
};

/* Copies a line; if @dawdle, stops half way until somebody else has lapped it. */
static void copy_line(const struct reader *reader, const struct latest_line *line, char *copy,
		      bool dawdle)
{
	u32 i;

	for (i = 0; i < line->length; i++) {
		while (dawdle && i == line->length / 2 &&
		       !is_lapped(reader->latest, line->generation) &&
		       latest_generation(reader->latest) != reader->until)
			sched_yield();
		copy[i] = READ_ONCE(line->data[i]);
	}
}

/* Takes the latest line, or the one that was it @lag publications ago. */
static bool take_line(struct reader *reader, u32 lag, struct latest_line *line)
{
	u64 generation = latest_generation(reader->latest);

	if (!lag || generation <= lag)
		return latest_take(reader->latest, line);
	atomic64_set(&reader->view.generation, generation - lag);
	return latest_take(&reader->view, line);
}

static const char *read_unlocked(struct reader *reader, u32 lag, bool dawdle)
{
	const struct latest *latest = reader->latest;
	char copy[MIXED_MAX];
	struct latest_line line;
	bool lapped;

	if (!take_line(reader, lag, &line)) {
		reader->torn++;
		if (!may_be_lapped(latest, line.generation))
			return "a line was not to be had though nobody overwrote it";
		return NULL;
	}
	if (line.length != length_of(line.generation) || line.time_ns != mix(line.generation))
		return "length or time of another line";
	if (!lag && line.generation < reader->last)
		return "an older line after a newer one";

	copy_line(reader, &line, copy, dawdle);
	lapped = is_lapped(latest, line.generation);
	if (!latest_intact(&line)) {
		reader->torn++;
		if (!may_be_lapped(latest, line.generation))
			return "a line was not intact though nobody overwrote it";
		return NULL;
	}
	if (lapped)
		return "a line was intact though it had been overwritten";
	if (!is_whole(&line, copy))
		return "a torn line was intact";
	reader->intact++;
	if (!lag)
		reader->last = line.generation;
	return NULL;
}

static const char *read_locked(struct reader *reader)
{
	struct latest *latest = reader->latest;
	const char *complaint = NULL;
	char copy[MIXED_MAX];
	struct latest_line line;

	spin_lock(&latest->lock);
	if (!latest_take(latest, &line)) {
		complaint = "a line was not to be had under the lock";
	} else {
		copy_line(reader, &line, copy, false);
		if (!latest_intact(&line))
			complaint = "a line was overwritten under the lock";
		else if (!is_whole(&line, copy))
			complaint = "a torn line under the lock";
		else if (line.generation < reader->last)
			complaint = "an older line after a newer one, under the lock";
		reader->last = line.generation;
	}
	spin_unlock(&latest->lock);
	return complaint;
}

static void set_up_mixed(struct latest *latest, u32 publications)
{
	u32 i;

	set_up(latest, MIXED_MAX);
	for (i = 0; i < publications; i++)
		write_line(latest, false);
}

/*
 * One thread, interrupted before each single access in turn
 */

/* More than it takes to read or write the longest line. */
#define ACCESSES	(MIXED_MAX + 32)

/**
 * struct interrupt - what shall happen, and before which access
 * @accesses_left: accesses until then; 0: it happened, or nothing shall
 * @handler:       called with @arg
 * @arg:           for @handler
 */
static __thread struct interrupt {
	u32 accesses_left;
	void (*handler)(void *arg);
	void *arg;
} interrupt;

/**
 * struct notes - the kinds of the accesses, in their order
 * @kinds: as before_access() has them; a string
 * @len:   of that
 * @on:    note them down
 */
static __thread struct notes {
	char kinds[32];
	u32 len;
	bool on;
} notes;

void before_access(char what)
{
	if (notes.on && notes.len < sizeof(notes.kinds) - 1)
		notes.kinds[notes.len++] = what;
	if (interrupt.accesses_left && !--interrupt.accesses_left)
		interrupt.handler(interrupt.arg);
}

/* Calls @handler before one of the next accesses; 1 is the very next. */
static void interrupt_before(u32 access, void (*handler)(void *arg), void *arg)
{
	interrupt = (struct interrupt){ access, handler, arg };
}

static void do_not_interrupt(void)
{
	interrupt.accesses_left = 0;
}

static void begin_notes(void)
{
	notes = (struct notes){ .on = true };
}

static bool notes_end_with(const char *kinds)
{
	u32 len = strlen(kinds);

	return notes.len >= len && !strcmp(notes.kinds + notes.len - len, kinds);
}

/*
 * The machines that run this may never show what a missing barrier does, so it
 * is to be noticed in this way if one goes. The letters are before_access()'s.
 */
TEST(barriers_stand_where_other_machines_need_them)
{
	struct latest_line line;
	struct latest latest;

	set_up_mixed(&latest, 1);

	/* Whatever is read of the slot comes behind. */
	begin_notes();
	latest_generation(&latest);
	EXPECT_STREQ("a", notes.kinds);

	/* The same, and what was read of it comes before the look at its generation. */
	begin_notes();
	EXPECT_TRUE(latest_take(&latest, &line));
	EXPECT_EQ('a', notes.kinds[0]);
	EXPECT_TRUE(notes_end_with("Rr"));

	/* The caller's copying comes before. */
	begin_notes();
	latest_intact(&line);
	EXPECT_STREQ("Rr", notes.kinds);

	/* The caller's bytes come behind. */
	begin_notes();
	latest_begin(&latest);
	EXPECT_TRUE(notes_end_with("wW"));

	/* All that belongs to the slot comes before. */
	begin_notes();
	latest_publish(&latest, 0, 1, 0);
	EXPECT_TRUE(notes_end_with("l"));

	tear_down(&latest);
}

struct lines_to_write {
	struct latest *latest;
	u32 publications;
	bool give_up;
};

static void write_lines(void *arg)
{
	const struct lines_to_write *lines = arg;
	u32 i;

	for (i = 0; i < lines->publications; i++)
		write_line(lines->latest, false);
	if (lines->give_up)
		write_line(lines->latest, true);
}

TEST(a_reader_that_is_overtaken_at_any_access_takes_nothing_torn)
{
	struct lines_to_write lines;
	struct reader reader = {};
	struct latest latest;
	u32 access, turn;

	set_up_mixed(&latest, 1);
	reader.latest = &latest;
	lines.latest = &latest;
	for (access = 1; access <= ACCESSES; access++) {
		for (turn = 0; turn < 64; turn++) {
			lines.publications = turn % 16;
			lines.give_up = turn & 16;
			write_line(&latest, false);
			interrupt_before(access, write_lines, &lines);
			ASSERT_EQ(NULL, read_unlocked(&reader, 0, false)) {
				TH_LOG("access %u, %u publications", access, lines.publications);
			}
			do_not_interrupt();
		}
	}
	EXPECT_LT(0U, reader.intact);
	EXPECT_LT(0U, reader.torn);
	tear_down(&latest);
}

/* Reads each line that may still be there; the latest one must be. */
static void read_lines(void *arg)
{
	struct reader *reader = arg;
	u64 generation = latest_generation(reader->latest);
	u32 lag, intact = reader->intact;

	for (lag = 0; lag <= slots_of(reader->latest) && !reader->complaint; lag++) {
		reader->complaint = read_unlocked(reader, lag, false);
		if (!lag && !reader->complaint &&
		    (reader->intact == intact || reader->last != generation))
			reader->complaint = "the latest line was not to be had";
	}
}

TEST(a_writer_that_is_interrupted_at_any_access_leaves_the_latest_line_to_be_taken)
{
	struct reader reader = {};
	struct latest latest;
	u32 access, turn;

	set_up_mixed(&latest, 16);
	reader.latest = &latest;
	reader.view = latest;
	for (access = 1; access <= ACCESSES; access++) {
		for (turn = 0; turn < 64; turn++) {
			interrupt_before(access, read_lines, &reader);
			write_line(&latest, turn % 4 == 0);
			do_not_interrupt();
			ASSERT_EQ(NULL, reader.complaint) {
				TH_LOG("access %u: %s", access, reader.complaint);
			}
		}
	}
	EXPECT_LT(0U, reader.intact);
	EXPECT_LT(0U, reader.torn);
	tear_down(&latest);
}

/*
 * Threads
 */

#define WRITERS		2
#define READERS		3
#define PUBLICATIONS	100000	/* by each writer */
#define LAST		(1ULL + WRITERS * PUBLICATIONS)	/* the main thread publishes one */

static void *writer_main(void *arg)
{
	struct latest *latest = arg;
	u32 i;

	for (i = 0; i < PUBLICATIONS; i++) {
		if (i % 8 == 0)
			write_line(latest, true);
		write_line(latest, false);
		/* Else few CPUs would show the readers few of the lines. */
		if (i % 16 == 0)
			sched_yield();
	}
	return NULL;
}

static void *reader_main(void *arg)
{
	struct reader *reader = arg;
	u32 i, slots = slots_of(reader->latest);

	for (i = 0; reader->last < LAST && !reader->complaint; i++) {
		if (i % 64 == 63)
			reader->complaint = read_locked(reader);
		else
			reader->complaint = read_unlocked(reader, i % slots, i % 32 == 0);
	}
	return NULL;
}

TEST(readers_never_take_a_torn_line_for_intact_nor_an_older_one_after_a_newer)
{
	pthread_t threads[READERS + WRITERS];
	struct reader readers[READERS] = {};
	struct latest latest;
	u32 torn = 0;
	int i;

	set_up_mixed(&latest, 1);
	for (i = 0; i < READERS; i++) {
		readers[i].latest = &latest;
		readers[i].view = latest;
		readers[i].until = LAST;
	}
	for (i = 0; i < READERS; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, reader_main, &readers[i]));
	for (; i < READERS + WRITERS; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, writer_main, &latest));
	for (i = 0; i < READERS + WRITERS; i++)
		pthread_join(threads[i], NULL);

	EXPECT_EQ(LAST, latest_generation(&latest));
	for (i = 0; i < READERS; i++) {
		TH_LOG("reader %d: %u intact, %u torn", i, readers[i].intact, readers[i].torn);
		EXPECT_EQ(NULL, readers[i].complaint) {
			TH_LOG("reader %d, after generation %llu: %s", i,
			       (unsigned long long)readers[i].last, readers[i].complaint);
		}
		EXPECT_LT(0U, readers[i].intact);
		torn += readers[i].torn;
	}
	EXPECT_LT(0U, torn);
	tear_down(&latest);
}

TEST_HARNESS_MAIN
