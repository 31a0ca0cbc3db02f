// SPDX-License-Identifier: GPL-2.0-only
/* Operations that create and destroy channels, descriptors and mappings. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest.h"
#include "syscall_fuzz_run.h"

const char *node_path(int number)
{
	static char path[32];

	snprintf(path, sizeof(path), "/dev/lastline%d", number);
	return path;
}

/* Mostly the number of an existing channel. */
static int pick_number(uint32_t arg)
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

static int random_flags(uint32_t arg)
{
	static const int modes[] = { O_RDONLY, O_RDONLY, O_WRONLY, O_WRONLY, O_RDWR, O_RDWR,
				     O_RDWR, O_ACCMODE };
	static const int more[] = { O_APPEND, O_TRUNC, O_DSYNC, O_DIRECT };

	return modes[arg % 8] | (arg / 8 % 2 ? O_NONBLOCK : 0) |
	       (arg / 32 % 4 ? 0 : more[arg / 128 % 4]);
}

/* Arguments: descriptor, channel, flags. Another process closes the file immediately. */
void run_open(const struct op *op)
{
	struct descriptor *d = &descriptors[op->arg[0] % DESCRIPTORS], new;
	int number = pick_number(op->arg[1]), flags = random_flags(op->arg[2]), fd;
	struct channel *channel = model_channel(number, "");
	long want = !channel ? -ENOENT : flags & O_DIRECT ? -EINVAL : 0;

	describe_call("open(lastline%d, %#o) as #%d", number, flags, index_of(d));
	fd = result(open(node_path(number), flags));
	if (!expect(fd < 0 ? fd : 0, want) || fd < 0 || in_child) {
		close(fd);
		return;
	}
	/* The new file is open before the old one is closed. */
	new = (struct descriptor) { fd, model_open(channel, flags & (O_ACCMODE | SETTABLE)) };
	if (d->fd >= 0)
		close(d->fd);
	reset_descriptor(d);
	*d = new;
}

void close_one(struct descriptor *d)
{
	describe_call("close(#%d)", index_of(d));
	expect(result(close(d->fd)), d->fd >= 0 ? 0 : -EBADF);
	reset_descriptor(d);
}

/* Arguments: descriptor */
void run_close(const struct op *op)
{
	close_one(pick_descriptor(op->arg[0], NULL));
}

/* Arguments: descriptor, number of the copy */
void run_dup(const struct op *op)
{
	struct descriptor *d = pick_descriptor(op->arg[0], NULL);
	struct descriptor *copy = &descriptors[op->arg[1] % DESCRIPTORS];
	bool replaces = copy->fd >= 0;
	struct descriptor new = *d;

	if (!d->file || copy == d)
		return;
	describe_call("dup(#%d) as #%d", index_of(d), index_of(copy));
	new.fd = result(replaces ? dup2(d->fd, copy->fd) : dup(d->fd));
	if (!expect(new.fd < 0 ? new.fd : 0, 0))
		return;
	new.file->users++;
	reset_descriptor(copy);
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
	if (!file)
		return -EBADF;
	if (flags == MAP_SHARED && prot & PROT_WRITE && !model_can_write(file))
		return -EACCES;
	if (!model_can_read(file))
		return -EACCES;
	if (file->channel->removed)
		return -ENODEV;
	if (prot & (PROT_WRITE | PROT_EXEC))
		return -EPERM;
	if (flags != MAP_SHARED || offset || size > model_map_size(file->channel))
		return -EINVAL;
	return 0;
}

/* Arguments: descriptor, view, protection and flags, size and offset */
void run_mmap(const struct op *op)
{
	static const int prots[] = { PROT_READ, PROT_READ, PROT_READ, PROT_READ, PROT_READ,
				     PROT_NONE, PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC };
	struct descriptor *d = pick_descriptor(op->arg[0], model_can_read);
	struct view *view = &views[op->arg[1] % VIEWS];
	int prot = prots[op->arg[2] % 8], flags = op->arg[2] / 8 % 8 ? MAP_SHARED : MAP_PRIVATE;
	size_t whole = d->file ? model_map_size(d->file->channel) : 4096, size = whole;
	off_t offset = op->arg[3] / 8 % 8 ? 0 : 4096;
	void *map;
	long want, got;

	if (op->arg[3] % 8 == 0)
		size = whole - 2048 + op->arg[3] / 256 % 4 * 2048;
	/* The kernel rejects PROT_EXEC itself if the file system is mounted noexec. */
	if (d->file && d->file->channel->removed)
		prot &= ~PROT_EXEC;
	want = model_map_error(d->file, prot, flags, offset, size);
	describe_call("mmap(%zu bytes, prot %d, flags %d, #%d, %ld) as view %ld", size, prot,
		      flags, index_of(d), (long)offset, view - views);
	map = mmap(NULL, size, prot, flags, d->fd, offset);
	got = result((long)map);
	if (!expect(map == MAP_FAILED ? got : 0, want) || want) {
		if (map != MAP_FAILED)
			munmap(map, size);
		return;
	}
	/* Removing the old mapping may close its file, which publishes the partial line. */
	d->file->users++;
	unmap(view);
	*view = (struct view) { map, size, prot & PROT_READ, d->file };
}

/* Arguments: view, call, protection. No call makes a view larger, writable or executable. */
void run_remap(const struct op *op)
{
	static const int prots[] = { PROT_READ, PROT_NONE, PROT_READ, PROT_WRITE,
				     PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC };
	struct view *view = &views[op->arg[0] % VIEWS];
	int prot = prots[op->arg[2] % ARRAY_SIZE(prots)];
	void *map = (void *)view->map;
	long want;

	if (!map)
		return;
	switch (op->arg[1] % 8) {
	case 0:
		describe_call("mremap(view %ld) to grow", view - views);
		expect(result((long)mremap(map, view->size, view->size + 8192, MREMAP_MAYMOVE)),
		       -EFAULT);
		break;
	case 1:
		/* The driver does not handle page faults, so the pages stay missing. */
		describe_call("madvise(view %ld, MADV_DONTNEED)", view - views);
		expect(result(madvise(map, view->size, MADV_DONTNEED)), 0);
		view->readable = false;
		break;
	case 2:
	case 3:
		want = prot & (PROT_WRITE | PROT_EXEC) ? -EACCES : 0;
		describe_call("mprotect(view %ld, %d)", view - views, prot);
		if (expect(result(mprotect(map, view->size, prot)), want) && prot == PROT_NONE)
			view->readable = false;
		break;
	default:
		describe_call("munmap(view %ld)", view - views);
		unmap(view);
	}
}

static int lowest_free(void)
{
	int number = 0;

	while (numbers_taken[number] || model_channel(number, ""))
		number++;
	return number;
}

static void random_add(struct lastline_add *add, const struct op *op)
{
	static const __u32 limits[] = { 64, 65, 100, 512, 513, 1000, 4096, 5000, 0, 2000, 64, 64 };
	uint32_t a = op->arg[0], b = op->arg[1];

	*add = (struct lastline_add) {
		.number = a % 8 ? FIRST_NUMBER + (int)(a / 8 % NUMBERS) : -1,
		.mode = b % 3 ? LASTLINE_MODE_LINE : LASTLINE_MODE_RECORD,
		.line_max = limits[b / 3 % ARRAY_SIZE(limits)],
		.permissions = 0600,
	};
	/* The default may be larger than the lines of the model. */
	if (model.default_limit > MODEL_LINE_MAX && !add->line_max)
		add->line_max = LASTLINE_LINE_MAX_MIN;
	if (op->arg[2] % 2)
		sprintf(add->name, "fuzz.%u", op->arg[2] / 2 % 4);
}

/* Maps a new channel, so that check_all() checks its slots after each operation. */
static void map_new_channel(struct channel *channel)
{
	struct view *view = views + VIEWS;
	void *map;
	int fd;

	while (view < views + ARRAY_SIZE(views) && view->map)
		view++;
	if (view == views + ARRAY_SIZE(views))
		return;
	fd = open(node_path(channel->add.number), O_RDONLY | O_CLOEXEC);
	map = mmap(NULL, model_map_size(channel), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		fail("the new channel cannot be mapped: %s", strerror(errno));
	else
		*view = (struct view) { map, model_map_size(channel), true,
					model_open(channel, O_RDONLY) };
}

/* Arguments: number, mode and limit, name */
void run_add(const struct op *op)
{
	enum placement placement = random_placement(op->arg[0] / 64);
	struct lastline_add add;
	struct buffer buffer;
	long want = -EFAULT, got;

	if (model.channel_count == MODEL_CHANNELS || placement == KERNEL)
		placement = UNMAPPED;
	random_add(&add, op);
	buffer = random_buffer(&input, placement, sizeof(add) - 1, op->arg[0] / 1024);
	if (buffer.accessible >= sizeof(add))
		want = model_add(&add, lowest_free());
	describe_call("ADD(%d, mode %u, %u bytes, '%s'%s)", add.number, add.mode, add.line_max,
		      add.name, placement_text(placement));
	fill_buffer(&input, &buffer, &add, sizeof(add));
	got = result(ioctl(control, LASTLINE_CTL_ADD, buffer.addr));
	if (!expect(got, want) && got >= 0)
		ioctl(control, LASTLINE_CTL_REMOVE, got);
	else if (got >= 0 && op->arg[1] / 36 % 4)
		map_new_channel(model_channel(got, ""));
}

/* Arguments: channel */
void run_remove(const struct op *op)
{
	static const unsigned long invalid[] = { LASTLINE_CHANNELS_MAX, -1UL, 1UL << 20,
		1UL << (8 * sizeof(long) - 1) };
	unsigned long number = pick_number(op->arg[0]);
	long want;

	if (op->arg[1] % 16 == 0)
		number = invalid[op->arg[1] / 16 % 4];
	want = model_remove(number);
	describe_call("REMOVE(%lu)", number);
	expect(result(ioctl(control, LASTLINE_CTL_REMOVE, number)), want);
}
