/* SPDX-License-Identifier: GPL-2.0-only */
/* An iterator over one user buffer. */
#ifndef UNIT_LINUX_UIO_H
#define UNIT_LINUX_UIO_H

#include <linux/uaccess.h>

struct iov_iter {
	char *at;	/* the next byte */
	size_t count;	/* bytes from there on */
};

static inline void iov_iter_advance(struct iov_iter *iter, size_t bytes)
{
	if (bytes > iter->count)
		abort();
	iter->at += bytes;
	iter->count -= bytes;
}

static inline void iov_iter_revert(struct iov_iter *iter, size_t bytes)
{
	iter->at -= bytes;
	iter->count += bytes;
}

/* These return the number of bytes copied, and advance by it. */
static inline size_t copy_from_iter(void *to, size_t len, struct iov_iter *iter)
{
	size_t copied;

	if (len > iter->count)
		len = iter->count;
	copied = len - copy_from_user(to, iter->at, len);
	iov_iter_advance(iter, copied);
	return copied;
}

static inline size_t copy_to_iter(const void *from, size_t len, struct iov_iter *iter)
{
	size_t copied;

	if (len > iter->count)
		len = iter->count;
	copied = len - raw_copy_to_user(iter->at, from, len);
	iov_iter_advance(iter, copied);
	return copied;
}

#endif /* UNIT_LINUX_UIO_H */
