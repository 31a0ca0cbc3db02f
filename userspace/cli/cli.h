/* SPDX-License-Identifier: GPL-2.0-only */
/* The subcommands of lastline(1), and what they use. */
#ifndef LASTLINE_CLI_H
#define LASTLINE_CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "deadline.h"
#include "errors.h"
#include "lastline.h"
#include "options.h"
#include "output.h"
#include "parse.h"
#include "util.h"

extern const struct command list_command, info_command, get_command, watch_command,
	pub_command, add_command, remove_command, clear_command, top_command, bench_command;

#endif /* LASTLINE_CLI_H */
