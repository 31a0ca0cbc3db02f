/* SPDX-License-Identifier: GPL-2.0-only */
/* JSON metrics of a mapping */
#ifndef LASTLINE_METRICS_H
#define LASTLINE_METRICS_H

#include <jansson.h>

#include "mqtt.h"

/**
 * struct metric - a number that --status prints
 * @name:  JSON key; NULL ends an array
 * @value: the number
 */
struct metric {
	const char *name;
	json_int_t value;
};

void metrics_append(json_t *array, const struct mapping *mapping, bool exists,
		    const struct metric *metrics);

#endif /* LASTLINE_METRICS_H */
