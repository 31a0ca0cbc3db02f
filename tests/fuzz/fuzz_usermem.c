// SPDX-License-Identifier: GPL-2.0-only
/*
 * One copy from or to user memory, of any length and alignment, with or without a byte that
 * faults, compared with memcpy() and memrchr(). The memory is exactly as large as the copy.
 */
#include <assert.h>
#include <string.h>

#include <linux/types.h>

#include "fuzz.h"
#include "usermem.h"

#define MAX_LEN		512	/* more than MEMCPY_MIN */
#define UNTOUCHED	0x55

struct user_memory user_memory;

struct copy {
	char *user;
	char *kernel;
	u32 len;		/* bytes to copy, at least 1 */
	u32 skip;		/* bytes of @user before them */
	struct iov_iter iter;	/* over @user */
	struct usermem mem;	/* @user, or @iter */
};

static bool is_present(const struct copy *copy)
{
	return !user_memory.bad && user_present(copy->user + copy->skip, copy->len) == copy->len;
}

/* The start of the line whose newline is the final byte. */
static u32 line_start(const char *data, u32 len)
{
	const char *newline = memrchr(data, '\n', len - 1);

	return newline ? newline + 1 - data : 0;
}

static void check_read(struct copy *copy)
{
	const char *data = copy->user + copy->skip;
	u32 start = line_start(data, copy->len), tail = ~0U, dirty = ~0U;
	bool has_newline = data[copy->len - 1] == '\n', ret;

	ret = usermem_read_line(&copy->mem, copy->skip, copy->kernel, copy->len, &tail, &dirty);
	assert(ret == (is_present(copy) && has_newline));
	assert(!user_memory.open);
	assert(copy->iter.at == copy->user);
	if (!ret) {
		assert(has_newline || !dirty || copy->mem.iter);	/* no useless copy */
		/* The caller zeroes only @dirty bytes. */
		while (dirty < copy->len)
			assert(copy->kernel[dirty++] == '\n');
		return;
	}
	assert(!memcmp(copy->kernel, data, copy->len));
	assert(tail < copy->len);
	assert(start <= tail);
	assert(start || !tail || copy->mem.iter);	/* no useless search */
	assert(lastline_splitter_line_start(copy->kernel, tail) == start);
}

/* The bytes that a read skips are after those of a write, which must not change them. */
static void check_write(struct copy *copy)
{
	u32 after = copy->skip, i;
	bool ret;

	copy->skip = 0;
	ret = usermem_write(&copy->mem, copy->kernel, copy->len);
	assert(ret == is_present(copy));
	assert(!user_memory.open);
	for (i = 0; i < after; i++)
		assert(copy->user[copy->len + i] == UNTOUCHED);
	if (ret) {
		assert(!memcmp(copy->user, copy->kernel, copy->len));
		assert(!copy->mem.iter || copy->iter.at == copy->user + copy->len);
		usermem_revert(&copy->mem, copy->len);
	}
	assert(copy->iter.at == copy->user);
}

/* Most copies have no fault. The kernel makes no iterator over an invalid address. */
static void draw_fault(struct input *in, const struct copy *copy)
{
	u32 fault = draw_byte(in), at = draw_wide(in, copy->skip + copy->len);

	user_memory = (struct user_memory){ .bad = fault == 0xff && !copy->mem.iter };
	if (fault > 0xc0 && fault < 0xff) {
		user_memory.fault_from = copy->user + at;
		user_memory.fault_to = user_memory.fault_from + 1;
	}
}

/* Repeats an input that is too short. */
static void draw_bytes(struct input *in, char *to, u32 len)
{
	const struct input all = *in;
	u32 i;

	for (i = 0; i < len; i++) {
		if (!in->left)
			*in = all;
		to[i] = draw_text(in);
	}
}

static void run_copy(struct input *in, struct copy *copy, u32 how)
{
	copy->iter = (struct iov_iter){ copy->user, copy->skip + copy->len };
	copy->mem = (struct usermem){ copy->user, copy->iter.count,
				      how & 1 ? &copy->iter : NULL };
	draw_fault(in, copy);
	if (how & 2) {
		draw_bytes(in, copy->kernel, copy->len);
		check_write(copy);
		return;
	}
	draw_bytes(in, copy->user, copy->skip + copy->len);
	if (how & 4)
		copy->user[copy->skip + copy->len - 1] = '\n';
	check_read(copy);
}

int fuzz_input(const unsigned char *data, size_t size)
{
	struct input in = { data, size };
	u32 how = draw_byte(&in), aligns = draw_byte(&in);
	struct copy copy = {
		.len = 1 + draw_wide(&in, MAX_LEN),
		.skip = draw(&in, 64),
	};
	u32 user_align = aligns / 16, kernel_align = aligns % 16;
	char *user = malloc(user_align + copy.skip + copy.len);
	char *kernel = malloc(kernel_align + copy.len);

	memset(user, UNTOUCHED, user_align + copy.skip + copy.len);
	/* A newline from before the copy must not count. */
	memset(kernel, '\n', kernel_align + copy.len);
	copy.user = user + user_align;
	copy.kernel = kernel + kernel_align;
	run_copy(&in, &copy, how);
	free(user);
	free(kernel);
	return 0;
}
