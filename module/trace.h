/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM lastline

#if !defined(LASTLINE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define LASTLINE_TRACE_H

#include <linux/tracepoint.h>

#include "channel.h"

/* A line became the latest one. */
TRACE_EVENT(publish,
	TP_PROTO(const struct channel *channel, u64 generation, u32 length),
	TP_ARGS(channel, generation, length),
	TP_STRUCT__entry(
		__field(u64, generation)
		__field(u32, minor)
		__field(u32, length)
	),
	TP_fast_assign(
		__entry->generation = generation;
		__entry->minor = channel_minor(channel);
		__entry->length = length;
	),
	TP_printk("lastline%u generation=%llu length=%u",
		  __entry->minor, __entry->generation, __entry->length)
);

/* An open file took a line, having missed so many since the one before it. */
TRACE_EVENT(read,
	TP_PROTO(const struct channel *channel, u64 generation, u64 missed),
	TP_ARGS(channel, generation, missed),
	TP_STRUCT__entry(
		__field(u64, generation)
		__field(u64, missed)
		__field(u32, minor)
	),
	TP_fast_assign(
		__entry->generation = generation;
		__entry->missed = missed;
		__entry->minor = channel_minor(channel);
	),
	TP_printk("lastline%u generation=%llu missed=%llu",
		  __entry->minor, __entry->generation, __entry->missed)
);

/* A read goes to sleep until there is something newer than this generation. */
TRACE_EVENT(wait,
	TP_PROTO(const struct channel *channel, u64 generation),
	TP_ARGS(channel, generation),
	TP_STRUCT__entry(
		__field(u64, generation)
		__field(u32, minor)
	),
	TP_fast_assign(
		__entry->generation = generation;
		__entry->minor = channel_minor(channel);
	),
	TP_printk("lastline%u generation=%llu", __entry->minor, __entry->generation)
);

#endif /* LASTLINE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
