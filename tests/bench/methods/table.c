// SPDX-License-Identifier: GPL-2.0-only
/*
 * All methods that need no library.
 */
#include "bench.h"

const struct method *const methods[] = {
	&method_lastline,
	&method_mapped,
	&method_pipe,
	&method_fifo_reopen,
	&method_fifo_drop,
	&method_eventfd,
	&method_mq,
	&method_unix,
	&method_rename,
	&method_tmpfs,
	&method_seqlock,
	&method_null_zero,
	&method_getppid,
	NULL,
};
