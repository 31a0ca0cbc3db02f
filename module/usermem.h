/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copying between user memory and slots.
 *
 * The plain copies below bypass the checks of hardened usercopy, which walk the tree
 * of vmalloc areas under a global lock: more work than the copy of a short line. What
 * they would check holds by construction: the callers copy within line_max + 1 bytes
 * of one slot.
 *
 * A line that is written has to be searched for newlines, so it goes word by word and
 * is looked at on the way. To the user, short lines go word by word because below
 * MEMCPY_MIN that is cheaper than the machine's string instruction.
 */
#ifndef LASTLINE_USERMEM_H
#define LASTLINE_USERMEM_H

#include <linux/instrumented.h>
#include <linux/kconfig.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "compat.h"
#include "splitter.h"

/**
 * struct usermem - a plain buffer, or an iterator if there is one
 * @buf:  the buffer
 * @len:  bytes
 * @iter: the iterator, or NULL
 */
struct usermem {
	char __user *buf;
	size_t len;
	struct iov_iter *iter;
};

#define MEMCPY_MIN	256	/* bytes from which on the string instruction wins */

/* Copies @len bytes from offset @skip. Leaves an iterator where it was. */
static inline bool usermem_read(const struct usermem *from, size_t skip, char *to, size_t len)
{
	size_t copied;

	if (!from->iter)
		return !copy_from_user(to, from->buf + skip, len);

	iov_iter_advance(from->iter, skip);
	copied = copy_from_iter(to, len, from->iter);
	iov_iter_revert(from->iter, skip + copied);
	return copied == len;
}

/**
 * usermem_read_all - copy all bytes, whatever they are
 * @from: where they are
 * @to:   where to
 *
 * Leaves an iterator where it was. Page faults may be disabled.
 *
 * Return: false if the bytes are not all there; @to is undefined then.
 */
static inline bool usermem_read_all(const struct usermem *from, char *to)
{
	unsigned long left;

	if (from->iter)
		return usermem_read(from, 0, to, from->len);
	if (!access_ok(from->buf, from->len))
		return false;
	instrument_copy_from_user_before(to, from->buf, from->len);
	left = raw_copy_from_user(to, from->buf, from->len);
	instrument_copy_from_user_after(to, from->buf, from->len, left);
	return !left;
}

#define WORD		sizeof(unsigned long)
#define BLOCK		(4 * WORD)

/* Copies the word at offset @i from the user and leaves it in @word. */
#define read_word(word, to, from, i, fault) do {				\
	unsafe_get_user(word, (const unsigned long __user *)((from) + (i)), fault);	\
	put_unaligned(word, (unsigned long *)((to) + (i)));			\
} while (0)

/* Copies a block, and leaves in @newlines whether there are any. */
#define read_block(newlines, to, from, i, fault) do {				\
	unsigned long a, b, c, d;						\
										\
	read_word(a, to, from, i, fault);					\
	read_word(b, to, from, (i) + WORD, fault);				\
	read_word(c, to, from, (i) + 2 * WORD, fault);				\
	read_word(d, to, from, (i) + 3 * WORD, fault);				\
	newlines = 0;								\
	if (unlikely(!splitter_is_text(a, b, c, d)))				\
		newlines = splitter_newlines(a) | splitter_newlines(b) |	\
			   splitter_newlines(c) | splitter_newlines(d);		\
} while (0)

/*
 * As usermem_read_line(), from a plain buffer. Whole blocks, and what is left but
 * for the final byte as a block that overlaps the one before it; less than a block
 * goes by words and bytes.
 */
static __always_inline bool read_words(const char __user *from, char *to, u32 len,
				       u32 *searched)
{
	size_t end = len - 1, i = 0;
	u32 last = 0;
	unsigned long newlines;
	char byte;

	*searched = 0;
	if (!user_read_access_begin(from, len))
		return false;
	/* First, or bytes would be copied in vain that nobody is to see. */
	unsafe_get_user(byte, from + end, fault);
	if (byte != '\n')
		goto fault;
	*searched = len;
	to[end] = byte;
	if (end >= BLOCK) {
		const size_t final = end - BLOCK;

		do {
			read_block(newlines, to, from, i, fault);
			i += BLOCK;
			if (newlines)
				last = i;
		} while (i <= final);
		if (i < end) {
			read_block(newlines, to, from, final, fault);
			if (newlines)
				last = end;
		}
	} else {
		for (; i + WORD <= end; i += WORD) {
			read_word(newlines, to, from, i, fault);
			if (splitter_newlines(newlines))
				last = i + WORD;
		}
		for (; i < end; i++) {
			unsafe_get_user(byte, from + i, fault);
			to[i] = byte;
			if (byte == '\n')
				last = i + 1;
		}
	}
	user_read_access_end();
	*searched = last;
	return true;

fault:
	user_read_access_end();
	return false;
}

/**
 * usermem_read_line - copy bytes that end a line
 * @from:     where they are
 * @skip:     bytes of @from to leave out
 * @to:       where to
 * @len:      how many, at least 1
 * @searched: gets an offset: behind it is no newline but the final byte. After a
 *            failure, how many bytes of @to may have been written
 *
 * Leaves an iterator where it was. Page faults may be disabled.
 *
 * Return: false if the bytes are not all there or the final one is no newline;
 * @to is undefined then.
 */
static __always_inline bool usermem_read_line(const struct usermem *from, size_t skip,
					      char *to, u32 len, u32 *searched)
{
	if (!from->iter && IS_ENABLED(CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS))
		return read_words(from->buf + skip, to, len, searched);

	*searched = len;
	if (!usermem_read(from, skip, to, len) || to[len - 1] != '\n')
		return false;
	*searched = len - 1;
	return true;
}

/* Copies the word at offset @i to the user. */
#define write_word(to, from, i, fault)						\
	unsafe_put_user(get_unaligned((const unsigned long *)((from) + (i))),	\
			(unsigned long __user *)((to) + (i)), fault)

#define write_block(to, from, i, fault) do {					\
	write_word(to, from, i, fault);						\
	write_word(to, from, (i) + WORD, fault);				\
	write_word(to, from, (i) + 2 * WORD, fault);				\
	write_word(to, from, (i) + 3 * WORD, fault);				\
} while (0)

/* As usermem_write(), to a plain buffer, in the same way as read_words(). */
static __always_inline bool write_words(char __user *to, const char *from, u32 len)
{
	size_t i = 0;

	if (!user_write_access_begin(to, len))
		return false;
	if (len >= BLOCK) {
		const size_t last = len - BLOCK;

		do {
			write_block(to, from, i, fault);
			i += BLOCK;
		} while (i <= last);
		if (i < len)
			write_block(to, from, last, fault);
	} else {
		for (; i + WORD <= len; i += WORD)
			write_word(to, from, i, fault);
		for (; i < len; i++)
			unsafe_put_user(from[i], to + i, fault);
	}
	user_write_access_end();
	return true;

fault:
	user_write_access_end();
	return false;
}

/**
 * usermem_write - copy bytes to the user
 * @to:   where to; an iterator is advanced
 * @from: where they are
 * @len:  how many, not more than @to has room for
 *
 * Page faults may be disabled.
 *
 * Return: false if not all could be written; an iterator is where it was then.
 */
static __always_inline bool usermem_write(const struct usermem *to, const char *from,
					  u32 len)
{
	size_t copied;

	if (!to->iter) {
		if (len < MEMCPY_MIN && IS_ENABLED(CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS))
			return write_words(to->buf, from, len);
		if (!access_ok(to->buf, len))
			return false;
		instrument_copy_to_user(to->buf, from, len);
		return !raw_copy_to_user(to->buf, from, len);
	}
	copied = copy_to_iter(from, len, to->iter);
	if (copied == len)
		return true;
	iov_iter_revert(to->iter, copied);
	return false;
}

/* Takes back the last usermem_write(). */
static __always_inline void usermem_unwrite(const struct usermem *to, u32 len)
{
	if (to->iter)
		iov_iter_revert(to->iter, len);
}

/* May @to be written with a lock held? Filling a pipe allocates memory. */
static __always_inline bool usermem_is_atomic(const struct usermem *to)
{
	return !to->iter || user_backed_iter(to->iter);
}

#endif /* LASTLINE_USERMEM_H */
