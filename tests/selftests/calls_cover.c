// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which places in the driver a program reached, and in what order, by KCOV. Of its
 * places the driver must have been built with KCOV_INSTRUMENT=y; nothing else is.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/kcov.h>

#include "calls.h"

#define AREA_WORDS	131072
#define PAIRS		65536

/* Of this process, and of the children that it has one after the other. */
static struct area {
	int fd;
	unsigned long *words;
} self = { .fd = -1 }, child = { .fd = -1 };

static unsigned long base;		/* of the driver, so that places have one number */
static unsigned char pairs[PAIRS / 8], singles[PAIRS / 8];
static unsigned int place_count;

static bool set_up(struct area *area)
{
	area->fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);
	if (area->fd < 0 || ioctl(area->fd, KCOV_INIT_TRACE, AREA_WORDS))
		return false;
	area->words = mmap(NULL, AREA_WORDS * sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED,
			   area->fd, 0);
	return area->words != MAP_FAILED;
}

/* False if this kernel has no KCOV. */
bool cover_set_up(void)
{
	FILE *section = fopen("/sys/module/lastline/sections/.text", "r");

	if (section) {
		if (fscanf(section, "%lx", &base) != 1)
			base = 0;
		fclose(section);
	}
	return set_up(&self) && set_up(&child) && !ioctl(self.fd, KCOV_ENABLE, KCOV_TRACE_PC);
}

void cover_begin(void)
{
	if (!self.words)
		return;
	__atomic_store_n(&self.words[0], 0, __ATOMIC_RELAXED);
	__atomic_store_n(&child.words[0], 0, __ATOMIC_RELAXED);
}

/* In a child, which hands it back when it ends. */
void cover_child(void)
{
	if (child.words)
		ioctl(child.fd, KCOV_ENABLE, KCOV_TRACE_PC);
}

static bool mark(unsigned char *map, unsigned long what)
{
	unsigned int bit = what * 0x9e3779b97f4a7c15UL >> 48;
	bool new = !(map[bit / 8] & 1 << bit % 8);

	map[bit / 8] |= 1 << bit % 8;
	return new;
}

static bool look_at(const struct area *area)
{
	unsigned long count = __atomic_load_n(&area->words[0], __ATOMIC_RELAXED), i, place;
	unsigned long before = 0;
	bool new = false;

	for (i = 0; i < count && i < AREA_WORDS - 1; i++) {
		place = area->words[i + 1] - base;
		place_count += mark(singles, place);
		new |= mark(pairs, place ^ before << 20);
		before = place;
	}
	return new;
}

/* Did the program reach a place from another one than any before? */
bool cover_end(void)
{
	bool new;

	if (!self.words)
		return false;
	new = look_at(&self);
	return look_at(&child) || new;
}

unsigned int cover_places(void)
{
	return place_count;
}
