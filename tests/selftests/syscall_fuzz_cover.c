// SPDX-License-Identifier: GPL-2.0-only
/*
 * Coverage feedback by KCOV: whether a program reached something new in the driver. The
 * driver must be built with KCOV_INSTRUMENT=y.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/kcov.h>

#include "syscall_fuzz.h"

#define AREA_WORDS	131072
#define PAIRS		65536

/* One for this process, one for its children, of which at most one runs at a time. */
static struct area {
	int fd;
	unsigned long *words;
} self, child;

static unsigned char pairs[PAIRS], singles[PAIRS];
static unsigned long base;	/* of the driver's code, so that a seed repeats */

static bool set_up_area(struct area *area)
{
	area->fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);
	if (area->fd < 0 || ioctl(area->fd, KCOV_INIT_TRACE, AREA_WORDS))
		return false;
	area->words = mmap(NULL, AREA_WORDS * sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED,
			   area->fd, 0);
	return area->words != MAP_FAILED;
}

/* Returns false if this kernel has no KCOV. */
bool cover_set_up(void)
{
	FILE *section = fopen("/sys/module/lastline/sections/.text", "r");

	if (section) {
		if (fscanf(section, "%lx", &base) != 1)
			base = 0;
		fclose(section);
	}
	return set_up_area(&self) && set_up_area(&child) &&
	       !ioctl(self.fd, KCOV_ENABLE, KCOV_TRACE_PC);
}

void cover_begin(void)
{
	__atomic_store_n(&self.words[0], 0, __ATOMIC_RELAXED);
	__atomic_store_n(&child.words[0], 0, __ATOMIC_RELAXED);
}

/* A child calls this; KCOV ends with the process. */
void cover_child(void)
{
	if (child.words)
		ioctl(child.fd, KCOV_ENABLE, KCOV_TRACE_PC);
}

static bool mark(unsigned char *map, unsigned long what)
{
	unsigned char *entry = &map[(__u64)what * 0x9e3779b97f4a7c15ULL >> 48];
	bool new = !*entry;

	*entry = 1;
	return new;
}

static bool look_at(const struct area *area)
{
	unsigned long count = __atomic_load_n(&area->words[0], __ATOMIC_RELAXED), i, place;
	unsigned long before = 0;
	bool new = false;

	for (i = 0; i < count && i < AREA_WORDS - 1; i++) {
		place = area->words[i + 1] - base;
		shared->places += mark(singles, place);
		new |= mark(pairs, place ^ before << 20);
		before = place;
	}
	return new;
}

/* Returns true if the program reached some place from another one for the first time. */
bool cover_end(void)
{
	bool new = look_at(&self);

	return look_at(&child) || new;
}
