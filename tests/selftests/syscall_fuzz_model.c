// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "kselftest.h"
#include "syscall_fuzz_model.h"

struct model model;

/*
 * Channels
 */

struct line *model_latest(struct channel *channel)
{
	return &channel->lines[channel->newest % LASTLINE_MAP_SLOTS];
}

/* Returns the existing channel with this number or name, or NULL. */
struct channel *model_channel(int number, const char *name)
{
	struct channel *channel;

	for (channel = model.channels; channel < model.channels + model.channel_count; channel++) {
		if (!channel->removed && (channel->add.number == number ||
					  (*name && !strcmp(channel->add.name, name))))
			return channel;
	}
	return NULL;
}

int model_add(const struct lastline_add *add, int lowest_free)
{
	int number = add->number < 0 ? lowest_free : add->number;
	struct channel *channel;

	if (model_channel(number, add->name))
		return -EEXIST;
	channel = &model.channels[model.channel_count++];
	memset(channel, 0, sizeof(*channel));
	channel->add = *add;
	channel->add.number = number;
	if (!add->line_max)
		channel->add.line_max = model.default_limit;
	return number;
}

static void signal_readers(const struct channel *channel)
{
	const struct file *file;

	for (file = model.files; file < model.files + MODEL_FILES; file++) {
		if (file->users && file->channel == channel && file->flags & O_ASYNC)
			model.signalled = true;
	}
}

int model_remove(unsigned long number)
{
	struct channel *channel = NULL;

	if (number < LASTLINE_CHANNELS_MAX)
		channel = model_channel(number, "");
	if (!channel)
		return -ENODEV;
	channel->removed = true;
	signal_readers(channel);
	return number;
}

size_t model_map_size(const struct channel *channel)
{
	size_t slot = (channel->add.line_max + 25 + 63) / 64 * 64;
	size_t page = sysconf(_SC_PAGESIZE);

	return (64 + LASTLINE_MAP_SLOTS * slot + page - 1) / page * page;
}

/*
 * Open files
 */

bool model_can_read(const struct file *file)
{
	return (file->flags & O_ACCMODE) == O_RDONLY || (file->flags & O_ACCMODE) == O_RDWR;
}

bool model_can_write(const struct file *file)
{
	return (file->flags & O_ACCMODE) == O_WRONLY || (file->flags & O_ACCMODE) == O_RDWR;
}

struct file *model_open(struct channel *channel, int flags)
{
	struct file *file = model.files;

	while (file->users)
		file++;
	memset(file, 0, sizeof(*file));
	file->users = 1;
	file->channel = channel;
	file->flags = flags;
	file->missed_base = channel->newest;
	channel->readers += model_can_read(file);
	channel->writers += model_can_write(file);
	return file;
}

static void publish(struct channel *channel, const char *bytes, size_t length)
{
	struct line *line;

	channel->newest++;
	line = model_latest(channel);
	line->generation = channel->newest;
	line->since = model.now;
	line->length = length;
	memcpy(line->bytes, bytes, length);
	signal_readers(channel);
}

static void publish_partial(struct file *file)
{
	file->partial[file->partial_len] = '\n';
	if (file->partial_len)
		publish(file->channel, file->partial, file->partial_len + 1);
	file->partial_len = 0;
}

/* Closes one descriptor or mapping of @file. */
void model_close(struct file *file)
{
	struct channel *channel = file->channel;

	if (--file->users)
		return;
	if (file->partial_len < channel->add.line_max && !channel->removed)
		publish_partial(file);
	channel->readers -= model_can_read(file);
	channel->writers -= model_can_write(file);
}

/* Discards each partial line whose end was written by the killed process. */
void model_process_killed(pid_t pid)
{
	struct file *file;

	for (file = model.files; file < model.files + MODEL_FILES; file++) {
		if (file->users && file->partial_owner == pid)
			file->partial_len = 0;
	}
}

static void skip_all(struct file *file)
{
	file->seen_gen = file->channel->newest;
	file->missed_base = file->channel->newest;
}

/* Returns the number of bytes that a read with a large buffer returns now. */
size_t model_readable(const struct file *file)
{
	if (file->rest_len)
		return file->rest_len;
	return file->channel->newest == file->seen_gen ? 0 : model_latest(file->channel)->length;
}

static void consume_line(struct file *file, const struct line *line)
{
	__u64 missed = line->generation - file->missed_base;

	file->rest_len = line->length;
	memcpy(file->rest, line->bytes, line->length);
	file->taken.missed_last = missed ? missed - 1 : 0;
	file->taken.missed += file->taken.missed_last;
	file->taken.generation = line->generation;
	file->since = line->since;
	file->seen_gen = line->generation;
	file->missed_base = line->generation;
}

/* Reads into a buffer of @size bytes. Only the first @accessible of them are writable. */
ssize_t model_read(struct file *file, size_t size, size_t accessible, char *to)
{
	size_t len = model_readable(file);

	if (file->channel->removed)
		return -ENODEV;
	if (!size)
		return 0;
	if (!len) {
		/* A cleared line counts as seen, and not as missed. */
		skip_all(file);
		return -EAGAIN;
	}
	if (len > size)
		len = size;
	if (len > accessible)
		return -EFAULT;
	if (!file->rest_len)
		consume_line(file, model_latest(file->channel));
	memcpy(to, file->rest, len);
	file->rest_len -= len;
	memmove(file->rest, file->rest + len, file->rest_len);
	return len;
}

static ssize_t write_lines(struct file *file, const char *data, size_t len)
{
	static char all[MODEL_LINE_MAX * 8];
	size_t limit = file->channel->add.line_max, all_len = file->partial_len + len;
	size_t line = 0, end = 0, i;

	memcpy(all, file->partial, file->partial_len);
	memcpy(all + file->partial_len, data, len);
	for (i = 0; i < all_len; i++) {
		if (all[i] == '\n') {
			line = end;
			end = i + 1;
		}
	}
	if (end - line > limit || all_len - end > limit)
		return -EMSGSIZE;
	if (end)
		publish(file->channel, all + line, end - line);
	file->partial_len = all_len - end;
	memcpy(file->partial, all + end, file->partial_len);
	if (file->partial_len)
		file->partial_owner = model.caller;
	return len;
}

ssize_t model_write(struct file *file, const char *data, size_t len)
{
	if (file->channel->removed)
		return -ENODEV;
	if (!len)
		return 0;
	if (file->channel->add.mode == LASTLINE_MODE_LINE)
		return write_lines(file, data, len);
	if (len > file->channel->add.line_max)
		return -EMSGSIZE;
	publish(file->channel, data, len);
	return len;
}

int model_fsync(struct file *file)
{
	if (file->channel->removed)
		return -ENODEV;
	if (file->partial_len == file->channel->add.line_max)
		return -EMSGSIZE;
	publish_partial(file);
	return 0;
}

int model_clear(struct file *file)
{
	struct channel *channel = file->channel;
	unsigned int i;

	if (channel->removed)
		return -ENODEV;
	if (!model_can_write(file))
		return -EBADF;
	if (!model_latest(channel)->length)
		return 0;
	channel->newest++;
	for (i = 0; i < LASTLINE_MAP_SLOTS; i++) {
		channel->lines[i].generation = 0;
		channel->lines[i].since = 0;
		channel->lines[i].length = 0;
	}
	model_latest(channel)->generation = channel->newest;
	return 0;
}

int model_seek(struct file *file, off_t offset, int whence)
{
	/* For an unknown whence, the kernel does not call the driver. */
	if (whence < 0 || whence > SEEK_HOLE)
		return -EINVAL;
	if (file->channel->removed)
		return -ENODEV;
	if (whence == SEEK_CUR || !model_can_read(file))
		return -ESPIPE;
	if (offset || (whence != SEEK_SET && whence != SEEK_END))
		return -EINVAL;
	file->rest_len = 0;
	file->seen_gen = 0;
	if (whence == SEEK_END)
		skip_all(file);
	return 0;
}
