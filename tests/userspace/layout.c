// SPDX-License-Identifier: GPL-2.0-only
/* Sizes, offsets and numbers of the ABI, for 64-bit and x86 32-bit programs. Not run. */
#include <assert.h>
#include <stddef.h>

#include <lastline.h>

#define SIZE(bytes)	(sizeof(struct STRUCT) == (bytes))
#define AT(member, bytes)	(offsetof(struct STRUCT, member) == (bytes))
#define REQUIRE(...)	static_assert(__VA_ARGS__, "the ABI changed")

/* The library. Pointers and size_t depend on the machine. */
#define WORD	sizeof(void *)

#define STRUCT lastline_line
REQUIRE(SIZE(2 * WORD + 48) && AT(data, 0) && AT(size, WORD) && AT(generation, 2 * WORD) &&
	AT(monotonic_ns, 2 * WORD + 8) && AT(realtime_ns, 2 * WORD + 16) &&
	AT(missed, 2 * WORD + 24) && AT(spare, 2 * WORD + 32));
#undef STRUCT
#define STRUCT lastline_status
REQUIRE(SIZE(128) && AT(generation, 0) && AT(monotonic_ns, 8) && AT(line_max, 16) &&
	AT(readers, 20) && AT(writers, 24) && AT(mode, 28) && AT(name, 32) && AT(spare, 96));
#undef STRUCT

/* The driver, the same on all machines. */
#define STRUCT lastline_info
REQUIRE(SIZE(64) && AT(generation, 0) && AT(monotonic_ns, 8) && AT(realtime_ns, 16) &&
	AT(line_max, 24) && AT(readers, 28) && AT(writers, 32) && AT(sleepers, 36) &&
	AT(map_size, 40) && AT(number, 48) && AT(mode, 52) && AT(reserved, 56));
#undef STRUCT
#define STRUCT lastline_taken
REQUIRE(SIZE(64) && AT(generation, 0) && AT(monotonic_ns, 8) && AT(realtime_ns, 16) &&
	AT(missed, 24) && AT(missed_last, 32) && AT(reserved, 40));
#undef STRUCT
#define STRUCT lastline_take
REQUIRE(SIZE(96) && AT(buf, 0) && AT(deadline_ns, 8) && AT(size, 16) && AT(left, 20) &&
	AT(reserved, 24) && AT(taken, 32));
#undef STRUCT
#define STRUCT lastline_add
REQUIRE(SIZE(128) && AT(number, 0) && AT(mode, 4) && AT(line_max, 8) && AT(permissions, 12) &&
	AT(uid, 16) && AT(gid, 20) && AT(name, 24) && AT(reserved, 88));
#undef STRUCT
#define STRUCT lastline_map
REQUIRE(SIZE(64) && AT(generation, 0) && AT(version, 8) && AT(stride, 12) && AT(line_max, 16) &&
	AT(flags, 20) && AT(reserved, 24));
#undef STRUCT
#define STRUCT lastline_slot
REQUIRE(SIZE(24) && AT(generation, 0) && AT(monotonic_ns, 8) && AT(offset, 16) &&
	AT(length, 20) && AT(data, 24));
#undef STRUCT

REQUIRE(LASTLINE_IOC_INFO == 0x8040be00 && LASTLINE_IOC_TAKEN == 0x8040be01 &&
	LASTLINE_IOC_CLEAR == 0xbe02 && LASTLINE_IOC_TAKE == 0xc060be03 &&
	LASTLINE_CTL_ADD == 0x4080be10 && LASTLINE_CTL_REMOVE == 0xbe11 &&
	LASTLINE_CTL_FIND == 0x4040be12);
REQUIRE(LASTLINE_FOREVER == 0xffffffffffffffff && LASTLINE_MODE_LINE == 0 &&
	LASTLINE_MODE_RECORD == 1 && LASTLINE_NAME_MAX == 64 && LASTLINE_CHANNELS_MAX == 4096 &&
	LASTLINE_LINE_MAX_MIN == 64 && LASTLINE_LINE_MAX_MAX == 1048576 &&
	LASTLINE_MAP_VERSION == 1 && LASTLINE_MAP_SLOTS == 4 &&
	LASTLINE_MAP_FILLING == 0xffffffffffffffff && LASTLINE_MAP_REMOVED == 1);
