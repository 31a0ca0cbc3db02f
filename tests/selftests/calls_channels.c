// SPDX-License-Identifier: GPL-2.0-only
/*
 * The operations of a program by which channels, descriptors and mappings come and go,
 * see calls_exact.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest.h"
#include "calls_exact.h"

/*
 * Descriptors that come and go
 */

const char *node(int number)
{
	static char path[32];

	snprintf(path, sizeof(path), "/dev/lastline%d", number);
	return path;
}

/* Mostly one that is there. */
static int draw_number(uint32_t arg)
{
	unsigned int count = 0, i;
	int numbers[MODEL_CHANNELS];

	for (i = 0; i < model.channel_count; i++) {
		if (!model.channels[i].removed)
			numbers[count++] = model.channels[i].add.number;
	}
	if (!count || arg % 16 == 0)
		return FIRST_NUMBER + arg / 16 % NUMBERS;
	return numbers[arg / 16 % count];
}

static int draw_flags(uint32_t arg, bool there)
{
	static const int modes[] = { O_RDONLY, O_RDONLY, O_WRONLY, O_WRONLY, O_RDWR, O_RDWR,
				     O_RDWR, O_ACCMODE };
	static const int more[] = { O_APPEND, O_TRUNC, O_SYNC, O_DSYNC, O_CLOEXEC, O_NOFOLLOW,
				    O_CREAT, O_NOCTTY };
	static const int bad[] = { O_DIRECT, O_DIRECTORY, O_CREAT | O_EXCL, O_PATH };
	int flags = modes[arg % 8] | (arg / 8 % 2 ? O_NONBLOCK : 0);

	if (arg / 32 % 4 == 0)
		flags |= more[arg / 128 % 8];
	if (arg / 1024 % 8 == 0)
		flags |= bad[arg / 8192 % 4];
	/* It would make a file. */
	return there ? flags : flags & ~(O_CREAT | O_EXCL);
}

/*
 * The kernel's word on devices that are to be directories, and made if they are not
 * there: ENOTDIR before 6.4 and its backports, EINVAL since.
 */
static long made_directory_error(void)
{
	return open("/dev/null", O_CREAT | O_DIRECTORY, 0) < 0 ? -errno : 0;
}

static long model_open_error(const struct channel *channel, int flags, uid_t uid)
{
	if (!channel)
		return -ENOENT;
	if (flags & O_PATH)
		return 0;
	if (flags & O_EXCL)
		return -EEXIST;
	if (flags & O_DIRECTORY)
		return flags & O_CREAT ? made_directory_error() : -ENOTDIR;
	if (!model_may_open(channel, flags, uid))
		return -EACCES;
	return flags & O_DIRECT ? -EINVAL : 0;
}

/* It may take the place of another one, which goes when the new one is there. */
static void keep(struct descriptor *d, int fd, struct channel *channel, int flags)
{
	struct descriptor new = { .fd = fd };

	if (!(flags & O_PATH))
		new.file = model_open(channel, flags & (O_ACCMODE | SETTABLE));
	if (d->fd >= 0)
		close(d->fd);
	forget(d);
	*d = new;
}

/* open: descriptor, channel, flags; another process closes it at once */
void run_open(const struct op *op)
{
	struct descriptor *d = &descriptors[op->arg[0] % DESCRIPTORS];
	int number = draw_number(op->arg[1]), fd;
	struct channel *channel = model_channel(number);
	int flags = draw_flags(op->arg[2], channel);
	long want = model_open_error(channel, flags, by_of(op) == BY_NOBODY ? NOBODY : 0);

	describe("open(lastline%d, %#o) as #%d", number, flags, slot_of(d));
	fd = result(open(node(number), flags, 0600));
	if (!expect(fd < 0 ? fd : 0, want) || fd < 0 || in_child) {
		/* It had seen nothing and left nothing. */
		close(fd);
		return;
	}
	keep(d, fd, channel, flags);
}

void close_one(struct descriptor *d)
{
	describe("close(#%d)", slot_of(d));
	expect(result(close(d->fd)), d->fd >= 0 ? 0 : -EBADF);
	forget(d);
}

/* close: descriptor */
void run_close(const struct op *op)
{
	close_one(pick(op->arg[0], NULL));
}

/* dup: descriptor, number of the copy */
void run_dup(const struct op *op)
{
	struct descriptor *d = pick(op->arg[0], NULL);
	struct descriptor *copy = &descriptors[op->arg[1] % DESCRIPTORS];
	struct descriptor new = *d;
	long got;

	describe("dup(#%d) as #%d", slot_of(d), slot_of(copy));
	if (copy->fd >= 0 && d->fd >= 0) {
		expect(result(dup2(d->fd, copy->fd)), copy->fd);
		if (copy == d)
			return;
		new.fd = copy->fd;
	} else {
		got = result(dup(d->fd));
		if (!expect(got < 0 ? got : 0, d->fd < 0 ? -EBADF : 0) || got < 0)
			return;
		new.fd = got;
	}
	if (new.file)
		new.file->users++;
	forget(copy);
	*copy = new;
}

/*
 * Mappings
 */

void unmap(struct view *view)
{
	if (!view->map)
		return;
	munmap((void *)view->map, view->size);
	model_close(view->file);
	*view = (struct view) {};
}

static long model_map_error(const struct file *file, int prot, int flags, off_t offset,
			    size_t size)
{
	bool is_shared = (flags & MAP_TYPE) == MAP_SHARED;

	if (offset % 4096)
		return -EINVAL;
	if (!file)
		return -EBADF;
	if (!size)
		return -EINVAL;
	if (is_shared && prot & PROT_WRITE && !model_can_write(file))
		return -EACCES;
	if (!model_can_read(file))
		return -EACCES;
	if (file->channel->removed)
		return -ENODEV;
	if (prot & (PROT_WRITE | PROT_EXEC))
		return -EPERM;
	if (!is_shared || offset || size > model_map_size(file->channel))
		return -EINVAL;
	return 0;
}

/* mmap: descriptor, view, protection and flags, size and offset */
void run_mmap(const struct op *op)
{
	static const int prots[] = { PROT_READ, PROT_READ, PROT_READ, PROT_READ, PROT_READ,
				     PROT_NONE, PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC };
	struct descriptor *d = pick(op->arg[0], model_can_read);
	struct view *view = &views[op->arg[1] % VIEWS];
	int prot = prots[op->arg[2] % 8], flags = op->arg[2] / 8 % 8 ? MAP_SHARED : MAP_PRIVATE;
	size_t whole = d->file ? model_map_size(d->file->channel) : 4096, size = whole;
	off_t offset = op->arg[3] / 8 % 8 ? 0 : (off_t)(op->arg[3] / 64 % 4) * 2048;
	void *map;
	long want, got;

	if (op->arg[3] % 8 == 0)
		size = whole - 4096 + op->arg[3] / 256 % 4 * 2048;
	/* A device that is gone says so, unless its directory has no programs (noexec). */
	if (d->file && d->file->channel->removed)
		prot &= ~PROT_EXEC;
	want = model_map_error(d->file, prot, flags, offset, size);
	describe("mmap(%zu bytes, prot %d, flags %d, #%d, %ld) as view %ld", size, prot,
		 flags, slot_of(d), (long)offset, view - views);
	map = mmap(NULL, size, prot, flags, d->fd, offset);
	got = result((long)map);
	if (!expect(map == MAP_FAILED ? got : 0, want) || want) {
		if (map != MAP_FAILED)
			munmap(map, size);
		return;
	}
	/* Before the old one goes: that may be what publishes. */
	d->file->users++;
	unmap(view);
	*view = (struct view) {
		.map = map,
		.size = size,
		.readable = prot & PROT_READ && size > whole - 4096,
		.file = d->file,
	};
}

/* protect: view, protection */
void run_protect(const struct op *op)
{
	static const int prots[] = { PROT_READ, PROT_NONE, PROT_READ, PROT_WRITE,
				     PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC };
	struct view *view = &views[op->arg[0] % VIEWS];
	int prot = prots[op->arg[1] % ARRAY_SIZE(prots)];
	long want = prot & (PROT_WRITE | PROT_EXEC) ? -EACCES : 0;

	if (!view->map)
		return;
	describe("mprotect(view %ld, %d)", view - views, prot);
	if (!expect(result(mprotect((void *)view->map, view->size, prot)), want) || want)
		return;
	/* What was cut or dropped stays so. */
	view->readable = view->readable && prot & PROT_READ;
}

/* unmap: view, how */
void run_unmap(const struct op *op)
{
	struct view *view = &views[op->arg[0] % VIEWS];
	void *map = (void *)view->map;

	if (!map)
		return;
	switch (op->arg[1] % 4) {
	case 0:
		describe("mremap(view %ld) to grow", view - views);
		expect(result((long)mremap(map, view->size, view->size + 8192, MREMAP_MAYMOVE)),
		       -EFAULT);
		break;
	case 1:
		/* Its pages are gone for good. */
		describe("madvise(view %ld, MADV_DONTNEED)", view - views);
		if (expect(result(madvise(map, view->size, MADV_DONTNEED)), 0))
			view->readable = false;
		break;
	default:
		describe("munmap(view %ld)", view - views);
		expect(result(munmap(map, view->size)), 0);
		model_close(view->file);
		*view = (struct view) {};
	}
}

/*
 * Channels
 */

static int lowest_free(void)
{
	int number = 0;

	while (numbers_taken[number] || model_channel(number))
		number++;
	return number;
}

static void draw_name(char *name, uint32_t arg)
{
	static const char *const bad[] = { ".", "..", "a b", "a/b", "a\nb", "\xe4" };

	switch (arg % 8) {
	case 0:
	case 1:
	case 2:
		sprintf(name, "calls.%u", arg / 8 % 4);
		break;
	case 3:
		if (arg / 8 % 2)
			strcpy(name, bad[arg / 16 % ARRAY_SIZE(bad)]);
		else
			memset(name, 'x', LASTLINE_NAME_MAX - arg / 16 % 2);
		break;
	default:
		break;
	}
}

static void draw_add(struct lastline_add *add, const struct op *op)
{
	static const __u32 limits[] = { 64, 65, 100, 512, 513, 1000, 4096, 5000, 0, 2000, 64, 64 };
	static const __u32 bad_limits[] = { 1, 63, 1048577, -1 };
	uint32_t a = op->arg[0], b = op->arg[1], d = op->arg[3];

	*add = (struct lastline_add) {
		.number = a % 8 ? FIRST_NUMBER + (int)(a / 8 % NUMBERS) : -1,
		.mode = b % 3 ? LASTLINE_MODE_LINE : LASTLINE_MODE_RECORD,
		.line_max = limits[b / 3 % ARRAY_SIZE(limits)],
		.permissions = d / 16 % 4 ? 0666 : d / 64 % 01000,
		.uid = d / 64 % 8 ? 0 : NOBODY,
		.gid = d / 512 % 8 ? 0 : NOBODY,
	};
	/* The model has no room for all that the module may be loaded with. */
	if (model.default_limit > MODEL_LINE_MAX && !add->line_max)
		add->line_max = LASTLINE_LINE_MAX_MIN;
	draw_name(add->name, op->arg[2]);
	/* One thing is wrong. */
	switch (d % 32) {
	case 0:
		add->number = d / 32 % 2 ? LASTLINE_CHANNELS_MAX : -2;
		break;
	case 1:
		add->mode = 2 + d / 32;
		break;
	case 2:
		add->line_max = bad_limits[d / 32 % 4];
		break;
	case 3:
		add->permissions = 01000 << d / 32 % 8;
		break;
	case 4:
		add->uid = -1;
		break;
	case 5:
		add->gid = -1;
		break;
	case 6:
		add->spare[d / 32 % 5] = 1ULL << d / 160 % 64;
		break;
	}
}

/* A mapping of our own that shows what becomes of a channel. */
static void observe(struct channel *channel)
{
	struct view *view = views + VIEWS;
	int fd;

	while (view < views + ARRAY_SIZE(views) && view->map)
		view++;
	if (view == views + ARRAY_SIZE(views))
		return;
	fd = open(node(channel->add.number), O_RDONLY | O_CLOEXEC);
	view->size = model_map_size(channel);
	view->map = mmap(NULL, view->size, PROT_READ, MAP_SHARED, fd, 0);
	if (view->map == MAP_FAILED) {
		view->map = NULL;
		fail(ABOUT_RESULT, "the new channel cannot be mapped: %s", strerror(errno));
	} else {
		view->readable = true;
		view->file = model_open(channel, O_RDONLY);
	}
	close(fd);
}

/* add: number, mode and limit, name, permissions or what is wrong */
void run_add(const struct op *op)
{
	enum where where = draw_where(op->arg[0] / 64);
	struct lastline_add add;
	struct place place;
	long want, got;

	if (model.channel_count == MODEL_CHANNELS || where == COMES_LATE || where == KERNEL)
		where = NOWHERE;
	draw_add(&add, op);
	place = draw_place(&from, where, sizeof(add) - 1, op->arg[0] / 1024);
	want = by_of(op) == BY_NOBODY ? -EPERM : -EFAULT;
	if (op->by != BY_NOBODY && place.good >= sizeof(add))
		want = model_add(&add, lowest_free());
	describe("ADD(%d, mode %u, %u bytes, %#o, uid %u, gid %u, '%.64s'%s)", add.number,
		 add.mode, add.line_max, add.permissions, add.uid, add.gid, add.name,
		 where_text(where));
	memcpy(place.at ? place.at : from.start, &add,
	       place.good < sizeof(add) ? place.good : sizeof(add));
	make_absent(&from, &place);
	got = result(ioctl(control, LASTLINE_CTL_ADD, place.at));
	if (!expect(got, want) && got >= 0)
		ioctl(control, LASTLINE_CTL_REMOVE, got);
	else if (got >= 0 && op->arg[1] / 36 % 4)
		observe(model_channel(got));
}

/* remove: channel */
void run_remove(const struct op *op)
{
	static const unsigned long beyond[] = { LASTLINE_CHANNELS_MAX, -1UL, 1UL << 20,
		1UL << (8 * sizeof(long) - 1) };
	unsigned long number = draw_number(op->arg[0]);
	long want;

	if (op->arg[1] % 16 == 0)
		number = beyond[op->arg[1] / 16 % 4];
	want = by_of(op) == BY_NOBODY ? -EPERM : model_remove(number);
	describe("REMOVE(%lu)", number);
	expect(result(ioctl(control, LASTLINE_CTL_REMOVE, number)), want);
}

/* find: name, place */
void run_find(const struct op *op)
{
	char name[LASTLINE_NAME_MAX] = "";
	enum where where = draw_where(op->arg[1]);
	struct place place;
	long want;

	draw_name(name, op->arg[0]);
	if (where == COMES_LATE)
		where = THERE;
	place = draw_place(&from, where, sizeof(name) - 1, op->arg[1] / 16);
	want = place.good >= sizeof(name) ? model_find(name) : -EFAULT;
	if (by_of(op) == BY_NOBODY)
		want = -EPERM;
	describe("FIND('%.64s'%s)", name, where_text(where));
	if (place.good)
		memcpy(place.at, name, place.good < sizeof(name) ? place.good : sizeof(name));
	make_absent(&from, &place);
	expect(result(ioctl(control, LASTLINE_CTL_FIND, place.at)), want);
}
