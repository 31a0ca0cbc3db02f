/* SPDX-License-Identifier: GPL-2.0-only */
/* Small numbers from the input that libFuzzer passes to a fuzzer. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <linux/types.h>

/* libFuzzer calls this for each input. */
int fuzz_input(const unsigned char *data, size_t size) __asm__("LLVMFuzzerTestOneInput");

struct input {
	const unsigned char *next;
	size_t left;
};

/* The next byte; 0 at the end of the input, so that a fuzzer can finish its current step. */
static inline u32 draw_byte(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->next++;
}

/* A number from 0 to @below - 1; @below is 256 at most. */
static inline u32 draw(struct input *in, u32 below)
{
	return draw_byte(in) % below;
}

/* As draw(); @below is 65536 at most. */
static inline u32 draw_wide(struct input *in, u32 below)
{
	u32 high = draw_byte(in);

	return (high << 8 | draw_byte(in)) % below;
}

/* A byte of a line. One in eight is a newline, which would otherwise be too rare. */
static inline char draw_text(struct input *in)
{
	u32 byte = draw_byte(in);

	return byte >= 0x20 && byte < 0x40 ? '\n' : byte;
}

#endif /* FUZZ_FUZZ_H */
