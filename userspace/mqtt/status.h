/* SPDX-License-Identifier: GPL-2.0-only */
/* The metrics of a bridge that runs. */
#ifndef LASTLINE_STATUS_H
#define LASTLINE_STATUS_H

#include "mqtt.h"

struct status *status_serve(struct bridge *bridge, bool first);
void status_end(struct status *status);
int status_print(const struct settings *settings);

#endif /* LASTLINE_STATUS_H */
