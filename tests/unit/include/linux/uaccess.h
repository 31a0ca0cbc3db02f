/* SPDX-License-Identifier: GPL-2.0-only */
/* User memory is memory of the program. A test can make addresses invalid, or bytes fault. */
#ifndef UNIT_LINUX_UACCESS_H
#define UNIT_LINUX_UACCESS_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <linux/compiler.h>
#include <linux/types.h>

extern struct user_memory {
	const char *fault_from;	/* first byte whose access faults */
	const char *fault_to;	/* after the last one */
	bool bad;		/* access_ok() fails for every address */
	bool open;		/* between user_access_begin() and user_access_end() */
	bool write;		/* opened for writing */
	const char *from;	/* first byte that may be accessed */
	const char *to;		/* after the last one */
} user_memory;

static inline bool access_ok(const void *ptr, size_t len)
{
	return !user_memory.bad;
}

static inline bool user_access_open(const void *ptr, size_t len, bool write)
{
	if (user_memory.open)
		abort();
	if (user_memory.bad)
		return false;
	user_memory.open = true;
	user_memory.write = write;
	user_memory.from = ptr;
	user_memory.to = user_memory.from + len;
	return true;
}

static inline void user_access_close(bool write)
{
	if (!user_memory.open || user_memory.write != write)
		abort();
	user_memory.open = false;
}

#define user_read_access_begin(ptr, len)	user_access_open(ptr, len, false)
#define user_read_access_end()			user_access_close(false)
#define user_write_access_begin(ptr, len)	user_access_open(ptr, len, true)
#define user_write_access_end()			user_access_close(true)

/* The number of bytes before the first one that faults, at most @len. */
static inline size_t user_present(const void *ptr, size_t len)
{
	const char *from = ptr, *to = from + len;

	if (to <= user_memory.fault_from || from >= user_memory.fault_to)
		return len;
	return from < user_memory.fault_from ? user_memory.fault_from - from : 0;
}

/* Checks one access, for which user memory must be open. */
static inline bool user_faults(const void *ptr, size_t len, bool write)
{
	const char *from = ptr;

	if (!user_memory.open || user_memory.write != write ||
	    from < user_memory.from || from + len > user_memory.to)
		abort();
	return user_present(ptr, len) < len;
}

#define unsafe_get_user(x, ptr, label) do {					\
	__typeof__(ptr) user_ptr = (ptr);					\
										\
	static_assert(sizeof(x) == sizeof(*user_ptr), "not a copy of the same size");	\
	if (user_faults(user_ptr, sizeof(*user_ptr), false))			\
		goto label;							\
	memcpy(&(x), user_ptr, sizeof(*user_ptr));				\
} while (0)

#define unsafe_put_user(x, ptr, label) do {					\
	__typeof__(ptr) user_ptr = (ptr);					\
	__typeof__(*user_ptr) user_value = (x);					\
										\
	if (user_faults(user_ptr, sizeof(*user_ptr), true))			\
		goto label;							\
	memcpy(user_ptr, &user_value, sizeof(user_value));			\
} while (0)

/* These return the number of bytes that were not copied. */
static inline unsigned long raw_copy_to_user(void *to, const void *from, unsigned long len)
{
	size_t present = user_present(to, len);

	memcpy(to, from, present);
	return len - present;
}

static inline unsigned long raw_copy_from_user(void *to, const void *from, unsigned long len)
{
	size_t present = user_present(from, len);

	memcpy(to, from, present);
	return len - present;
}

static inline unsigned long copy_from_user(void *to, const void *from, unsigned long len)
{
	size_t present = access_ok(from, len) ? user_present(from, len) : 0;

	memcpy(to, from, present);
	return len - present;
}

#endif /* UNIT_LINUX_UACCESS_H */
