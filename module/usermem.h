/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copying between user memory and slots.
 *
 * The plain copies below bypass hardened usercopy, which walks the tree of vmalloc areas
 * under a global lock and costs more than copying a short line. What it would check holds
 * by construction: callers copy at most line_max + 1 bytes within one slot.
 *
 * A line that is written must be searched for newlines, so it is copied and searched word
 * by word. A line that is read is copied word by word below MEMCPY_MIN, where that is
 * faster than the machine's string instruction.
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
 * struct usermem - user memory: an iterator, or a plain buffer
 * @buf:  the buffer; unused if @iter is not NULL
 * @len:  number of bytes
 * @iter: the iterator, or NULL
 */
struct usermem {
	char __user *buf;
	size_t len;
	struct iov_iter *iter;
};

#define MEMCPY_MIN	256	/* bytes; from here on the string instruction is faster */

/* Copies @len bytes from offset @skip. Does not move the iterator. */
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
 * usermem_read_all - copy all bytes from the user
 * @from: source
 * @to:   destination
 *
 * Does not move the iterator. Page faults may be disabled.
 *
 * Return: false on a fault; @to is undefined then.
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

/* Copies the word at offset @i from the user to @to, and to @word. */
#define read_word(word, to, from, i, fault) do {				\
	unsafe_get_user(word, (const unsigned long __user *)((from) + (i)), fault);	\
	put_unaligned(word, (unsigned long *)((to) + (i)));			\
} while (0)

/* Copies a block. Sets @newlines to 0 if it has none, otherwise to another value. */
#define read_block(newlines, to, from, i, fault) do {				\
	unsigned long a, b, c, d;						\
										\
	read_word(a, to, from, i, fault);					\
	read_word(b, to, from, (i) + WORD, fault);				\
	read_word(c, to, from, (i) + 2 * WORD, fault);				\
	read_word(d, to, from, (i) + 3 * WORD, fault);				\
	newlines = 0;								\
	if (unlikely(!lastline_splitter_is_text(a, b, c, d))) {			\
		newlines = lastline_splitter_newlines(a) |			\
			   lastline_splitter_newlines(b) |			\
			   lastline_splitter_newlines(c) |			\
			   lastline_splitter_newlines(d);			\
	}									\
} while (0)

/*
 * usermem_read_line() from a plain buffer. Copies whole blocks; the last block, before the
 * final byte, may overlap the one before it. Less than a block is copied by words and bytes.
 */
static __always_inline bool read_words(const char __user *from, char *to, u32 len,
				       u32 *tail, u32 *dirty)
{
	size_t end = len - 1, i = 0;
	unsigned long newlines, word;
	u32 last = 0;
	char byte;

	*dirty = 0;
	if (!user_read_access_begin(from, len))
		return false;
	/* The final byte first: if it is not a newline, the slot is not touched. */
	unsafe_get_user(byte, from + end, fail);
	if (byte != '\n')
		goto fail;
	*dirty = len;
	to[end] = byte;
	if (end >= BLOCK) {
		const size_t final = end - BLOCK;

		do {
			read_block(newlines, to, from, i, fail);
			i += BLOCK;
			if (newlines)
				last = i;
		} while (i <= final);
		if (i < end) {
			read_block(newlines, to, from, final, fail);
			if (newlines)
				last = end;
		}
	} else {
		/* unlikely() keeps the constants of the search out of the path of short lines. */
		while (unlikely(i + WORD <= end)) {
			read_word(word, to, from, i, fail);
			i += WORD;
			if (lastline_splitter_newlines(word))
				last = i;
		}
		for (; i < end; i++) {
			unsafe_get_user(byte, from + i, fail);
			to[i] = byte;
			if (byte == '\n')
				last = i + 1;
		}
	}
	user_read_access_end();
	*tail = last;
	return true;

fail:
	user_read_access_end();
	return false;
}

/**
 * usermem_read_line - copy bytes that end in a newline from the user
 * @from:     source
 * @skip:     offset in the source
 * @to:       destination
 * @len:      number of bytes, at least 1
 * @tail:     on success, an offset in @to: only bytes before it, and the final one, may be
 *            newlines
 * @dirty:    on failure, the number of bytes of @to that may have been written
 *
 * Does not move the iterator. Page faults may be disabled.
 *
 * Return: false on a fault, or if the final byte is not a newline; @to is undefined then.
 */
static __always_inline bool usermem_read_line(const struct usermem *from, size_t skip,
					      char *to, u32 len, u32 *tail,
					      u32 *dirty)
{
	if (!from->iter && IS_ENABLED(CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS))
		return read_words(from->buf + skip, to, len, tail, dirty);

	*dirty = len;
	if (!usermem_read(from, skip, to, len) || to[len - 1] != '\n')
		return false;
	*tail = len - 1;
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

/* usermem_write() to a plain buffer, by blocks as in read_words(). */
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
 * @to:   destination; an iterator is advanced
 * @from: source
 * @len:  number of bytes, at most the size of @to
 *
 * Page faults may be disabled.
 *
 * Return: false on a fault; an iterator has not moved then.
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

/* Undoes the last usermem_write(): moves the iterator back. */
static __always_inline void usermem_revert(const struct usermem *to, u32 len)
{
	if (to->iter)
		iov_iter_revert(to->iter, len);
}

#endif /* LASTLINE_USERMEM_H */
