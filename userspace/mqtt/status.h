/* SPDX-License-Identifier: GPL-2.0-only */
/* Metrics of a running bridge, for --status */
#ifndef LASTLINE_STATUS_H
#define LASTLINE_STATUS_H

#include "mqtt.h"

struct status *status_start(struct bridge *bridge, bool first);
void status_stop(struct status *status);
int status_print(const struct settings *settings);

#endif /* LASTLINE_STATUS_H */
