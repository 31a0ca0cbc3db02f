// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sizes, places and numbers that programs have compiled in, for 64-bit ones and 32-bit
 * ones of x86. To be compiled, not to be run.
 */
#include <assert.h>
#include <stddef.h>

#include <lastline.h>

#define SIZE(structure, bytes)							\
	static_assert(sizeof(struct structure) == (bytes), #structure)
#define AT(structure, member, bytes)						\
	static_assert(offsetof(struct structure, member) == (bytes), #structure "." #member)
#define IS(name, value)								\
	static_assert((name) == (value), #name)

/* Of the library; a pointer and a size_t depend on the word size. */
#define WORD	sizeof(void *)

SIZE(lastline_line, 2 * WORD + 48);
AT(lastline_line, data, 0);
AT(lastline_line, size, WORD);
AT(lastline_line, generation, 2 * WORD);
AT(lastline_line, monotonic_ns, 2 * WORD + 8);
AT(lastline_line, realtime_ns, 2 * WORD + 16);
AT(lastline_line, missed, 2 * WORD + 24);
AT(lastline_line, spare, 2 * WORD + 32);

SIZE(lastline_status, 128);
AT(lastline_status, generation, 0);
AT(lastline_status, monotonic_ns, 8);
AT(lastline_status, line_max, 16);
AT(lastline_status, readers, 20);
AT(lastline_status, writers, 24);
AT(lastline_status, mode, 28);
AT(lastline_status, name, 32);
AT(lastline_status, spare, 96);

/* Of the driver; they do not. */
SIZE(lastline_info, 64);
AT(lastline_info, generation, 0);
AT(lastline_info, monotonic_ns, 8);
AT(lastline_info, realtime_ns, 16);
AT(lastline_info, line_max, 24);
AT(lastline_info, readers, 28);
AT(lastline_info, writers, 32);
AT(lastline_info, sleepers, 36);
AT(lastline_info, map_size, 40);
AT(lastline_info, number, 48);
AT(lastline_info, mode, 52);
AT(lastline_info, spare, 56);

SIZE(lastline_taken, 64);
AT(lastline_taken, generation, 0);
AT(lastline_taken, monotonic_ns, 8);
AT(lastline_taken, realtime_ns, 16);
AT(lastline_taken, missed, 24);
AT(lastline_taken, missed_last, 32);
AT(lastline_taken, spare, 40);

SIZE(lastline_take, 96);
AT(lastline_take, buf, 0);
AT(lastline_take, deadline_ns, 8);
AT(lastline_take, size, 16);
AT(lastline_take, left, 20);
AT(lastline_take, spare, 24);
AT(lastline_take, taken, 32);

SIZE(lastline_add, 128);
AT(lastline_add, number, 0);
AT(lastline_add, mode, 4);
AT(lastline_add, line_max, 8);
AT(lastline_add, permissions, 12);
AT(lastline_add, uid, 16);
AT(lastline_add, gid, 20);
AT(lastline_add, name, 24);
AT(lastline_add, spare, 88);

SIZE(lastline_map, 64);
AT(lastline_map, generation, 0);
AT(lastline_map, version, 8);
AT(lastline_map, stride, 12);
AT(lastline_map, line_max, 16);
AT(lastline_map, flags, 20);
AT(lastline_map, spare, 24);

SIZE(lastline_slot, 24);
AT(lastline_slot, generation, 0);
AT(lastline_slot, monotonic_ns, 8);
AT(lastline_slot, offset, 16);
AT(lastline_slot, length, 20);
AT(lastline_slot, data, 24);

IS(LASTLINE_IOC_INFO, 0x8040be00);
IS(LASTLINE_IOC_TAKEN, 0x8040be01);
IS(LASTLINE_IOC_CLEAR, 0xbe02);
IS(LASTLINE_IOC_TAKE, 0xc060be03);
IS(LASTLINE_CTL_ADD, 0x4080be10);
IS(LASTLINE_CTL_REMOVE, 0xbe11);
IS(LASTLINE_CTL_FIND, 0x4040be12);

IS(LASTLINE_FOREVER, 0xffffffffffffffff);
IS(LASTLINE_MODE_LINE, 0);
IS(LASTLINE_MODE_RECORD, 1);
IS(LASTLINE_NAME_MAX, 64);
IS(LASTLINE_CHANNELS_MAX, 4096);
IS(LASTLINE_LINE_MAX_MIN, 64);
IS(LASTLINE_LINE_MAX_MAX, 1048576);
IS(LASTLINE_MAP_VERSION, 1);
IS(LASTLINE_MAP_SLOTS, 4);
IS(LASTLINE_MAP_FILLING, 0xffffffffffffffff);
IS(LASTLINE_MAP_REMOVED, 1);
