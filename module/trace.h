/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM lastline

#if !defined(LASTLINE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define LASTLINE_TRACE_H

#include <linux/tracepoint.h>

#include "channel.h"

/* A line was published. */
TRACE_EVENT(lastline_publish,
	TP_PROTO(const struct lastline_channel *channel, u64 generation, u32 length),
	TP_ARGS(channel, generation, length),
	TP_STRUCT__entry(
		__field(u64, generation)
		__field(u32, minor)
		__field(u32, length)
	),
	TP_fast_assign(
		__entry->generation = generation;
		__entry->minor = lastline_channel_number(channel);
		__entry->length = length;
	),
	TP_printk("lastline%u generation=%llu length=%u",
		  __entry->minor, __entry->generation, __entry->length)
);

/* An open file read a line. @missed: lines missed since its previous line. */
TRACE_EVENT(lastline_read,
	TP_PROTO(const struct lastline_channel *channel, u64 generation, u64 missed),
	TP_ARGS(channel, generation, missed),
	TP_STRUCT__entry(
		__field(u64, generation)
		__field(u64, missed)
		__field(u32, minor)
	),
	TP_fast_assign(
		__entry->generation = generation;
		__entry->missed = missed;
		__entry->minor = lastline_channel_number(channel);
	),
	TP_printk("lastline%u generation=%llu missed=%llu",
		  __entry->minor, __entry->generation, __entry->missed)
);

/* A read starts to sleep. @generation: the newest line that this open file has seen. */
TRACE_EVENT(lastline_wait,
	TP_PROTO(const struct lastline_channel *channel, u64 generation),
	TP_ARGS(channel, generation),
	TP_STRUCT__entry(
		__field(u64, generation)
		__field(u32, minor)
	),
	TP_fast_assign(
		__entry->generation = generation;
		__entry->minor = lastline_channel_number(channel);
	),
	TP_printk("lastline%u generation=%llu", __entry->minor, __entry->generation)
);

#endif /* LASTLINE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
