/* SPDX-License-Identifier: GPL-2.0-only */
/* Defaults for new channels, and valid names. */
#ifndef LASTLINE_NEW_CHANNEL_H
#define LASTLINE_NEW_CHANNEL_H

#include "lastline.h"

struct lastline_add new_channel_defaults(void);
const char *channel_name_error(const char *name);

#endif /* LASTLINE_NEW_CHANNEL_H */
