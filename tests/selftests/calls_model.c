// SPDX-License-Identifier: GPL-2.0-only
/* See calls_model.h. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kselftest.h"
#include "calls_model.h"

struct model model;

/*
 * Channels
 */

struct line *model_latest(struct channel *channel)
{
	return &channel->lines[channel->newest % LASTLINE_MAP_SLOTS];
}

/* The channel that has this number now, or NULL. */
struct channel *model_channel(int number)
{
	unsigned int i;

	for (i = 0; i < model.channel_count; i++) {
		if (!model.channels[i].removed && model.channels[i].add.number == number)
			return &model.channels[i];
	}
	return NULL;
}

struct channel *model_named(const char *name)
{
	unsigned int i;

	for (i = 0; i < model.channel_count; i++) {
		if (!model.channels[i].removed && *name &&
		    !strcmp(model.channels[i].add.name, name))
			return &model.channels[i];
	}
	return NULL;
}

static bool is_good_name(const char *name)
{
	size_t i, len = strnlen(name, LASTLINE_NAME_MAX);

	if (len == LASTLINE_NAME_MAX || !strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	for (i = 0; i < len; i++) {
		if (!isalnum(name[i]) && !strchr("._-", name[i]))
			return false;
	}
	return true;
}

static bool is_valid(const struct lastline_add *add)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(add->spare); i++) {
		if (add->spare[i])
			return false;
	}
	return add->number >= -1 && add->number < LASTLINE_CHANNELS_MAX &&
	       add->mode <= LASTLINE_MODE_RECORD && add->permissions <= 0777 &&
	       (!add->line_max || (add->line_max >= LASTLINE_LINE_MAX_MIN &&
				   add->line_max <= LASTLINE_LINE_MAX_MAX)) &&
	       add->uid != (__u32)-1 && add->gid != (__u32)-1 && is_good_name(add->name);
}

/* @lowest: the lowest number that is free. */
int model_add(const struct lastline_add *add, int lowest)
{
	struct channel *channel;
	int number = add->number;

	if (!is_valid(add))
		return -EINVAL;
	if (number < 0)
		number = lowest;
	if (model_channel(number) || model_named(add->name))
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
	unsigned int i;

	for (i = 0; i < MODEL_FILES; i++) {
		if (model.files[i].users && model.files[i].channel == channel &&
		    model.files[i].flags & O_ASYNC)
			model.signalled = true;
	}
}

int model_remove(unsigned long number)
{
	struct channel *channel = number < LASTLINE_CHANNELS_MAX ? model_channel(number) : NULL;

	if (!channel)
		return -ENODEV;
	channel->removed = true;
	signal_readers(channel);
	return number;
}

int model_find(const char *name)
{
	struct channel *channel;

	if (strnlen(name, LASTLINE_NAME_MAX) == LASTLINE_NAME_MAX)
		return -EINVAL;
	channel = model_named(name);
	return channel ? channel->add.number : -ENODEV;
}

/* As for any node; root may do all. */
bool model_may_open(const struct channel *channel, int flags, uid_t uid)
{
	unsigned int bits = channel->add.permissions, wanted = 0;

	if (!uid)
		return true;
	if (channel->add.uid == uid)
		bits >>= 6;
	else if (channel->add.gid == uid)
		bits >>= 3;
	if ((flags & O_ACCMODE) != O_WRONLY)
		wanted |= 4;
	if ((flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC)
		wanted |= 2;
	return (bits & wanted) == wanted;
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
	file->passed = channel->newest;
	channel->readers += model_can_read(file);
	channel->writers += model_can_write(file);
	return file;
}

static void publish(struct channel *channel, const char *a, size_t a_len, const char *b,
		    size_t b_len)
{
	struct line *line;

	channel->newest++;
	line = model_latest(channel);
	line->generation = channel->newest;
	line->since = model.now;
	line->length = a_len + b_len;
	memcpy(line->bytes, a, a_len);
	memcpy(line->bytes + a_len, b, b_len);
	signal_readers(channel);
}

/* One descriptor or mapping less. */
void model_close(struct file *file)
{
	struct channel *channel = file->channel;

	if (--file->users)
		return;
	if (file->unfinished && file->unfinished < channel->add.line_max && !channel->removed)
		publish(channel, file->begun, file->unfinished, "\n", 1);
	channel->readers -= model_can_read(file);
	channel->writers -= model_can_write(file);
}

/* What a killed process wrote the end of is dropped. */
void model_killed(pid_t pid)
{
	unsigned int i;

	for (i = 0; i < MODEL_FILES; i++) {
		if (model.files[i].users && model.files[i].writer == pid)
			model.files[i].unfinished = 0;
	}
}

/* Bytes of one line that a read would get now. */
size_t model_readable(const struct file *file)
{
	if (file->left)
		return file->left;
	return file->channel->newest == file->seen ? 0 : model_latest(file->channel)->length;
}

static void take(struct file *file, const struct line *line, size_t len)
{
	__u64 missed = line->generation - file->passed;

	file->left = line->length - len;
	memcpy(file->remainder, line->bytes + len, file->left);
	file->taken.missed_last = missed ? missed - 1 : 0;
	file->taken.missed += file->taken.missed_last;
	file->taken.generation = line->generation;
	file->since = line->since;
	file->seen = line->generation;
	file->passed = line->generation;
}

/* Into a buffer of @size bytes, of which @good are there. */
ssize_t model_read(struct file *file, size_t size, size_t good, char *to)
{
	struct line *line = model_latest(file->channel);
	size_t len = model_readable(file);

	if (file->channel->removed)
		return -ENODEV;
	if (!size)
		return 0;
	if (!len) {
		/* A line that was cleared away counts as seen, but not as missed. */
		file->seen = file->channel->newest;
		file->passed = file->channel->newest;
		return -EAGAIN;
	}
	if (len > size)
		len = size;
	if (len > good)
		return -EFAULT;
	if (file->left) {
		memcpy(to, file->remainder, len);
		file->left -= len;
		memmove(file->remainder, file->remainder + len, file->left);
	} else {
		memcpy(to, line->bytes, len);
		take(file, line, len);
	}
	return len;
}

static ssize_t write_lines(struct file *file, const char *data, size_t len)
{
	static char all[MODEL_LINE_MAX * 8];
	size_t limit = file->channel->add.line_max, all_len = file->unfinished + len;
	size_t line = 0, end = 0, i;

	memcpy(all, file->begun, file->unfinished);
	memcpy(all + file->unfinished, data, len);
	for (i = 0; i < all_len; i++) {
		if (all[i] == '\n') {
			line = end;
			end = i + 1;
		}
	}
	if (end - line > limit || all_len - end > limit)
		return -EMSGSIZE;
	if (end)
		publish(file->channel, all + line, end - line, "", 0);
	file->unfinished = all_len - end;
	memcpy(file->begun, all + end, file->unfinished);
	if (file->unfinished)
		file->writer = model.actor;
	return len;
}

/* Of a write that is larger than two lines and a byte, @data is the end. */
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
	publish(file->channel, data, len, "", 0);
	return len;
}

int model_finish(struct file *file)
{
	if (file->channel->removed)
		return -ENODEV;
	if (file->unfinished == file->channel->add.line_max)
		return -EMSGSIZE;
	if (file->unfinished)
		publish(file->channel, file->begun, file->unfinished, "\n", 1);
	file->unfinished = 0;
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
	/* There is none to be taken away. */
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
	/* The kernel knows whence up to SEEK_HOLE and does not ask for more. */
	if (whence < 0 || whence > SEEK_HOLE)
		return -EINVAL;
	if (file->channel->removed)
		return -ENODEV;
	if (whence == SEEK_CUR)
		return -ESPIPE;
	if (offset || (whence != SEEK_SET && whence != SEEK_END))
		return -EINVAL;
	file->left = 0;
	file->seen = 0;
	if (whence == SEEK_END) {
		file->seen = file->channel->newest;
		file->passed = file->channel->newest;
	}
	return 0;
}
