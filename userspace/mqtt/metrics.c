// SPDX-License-Identifier: GPL-2.0-only
#include "metrics.h"

/**
 * metrics_append - append the metrics of a mapping to a JSON array
 * @array:   the array
 * @mapping: the mapping
 * @exists:  its channel exists
 * @metrics: its numbers
 */
void metrics_append(json_t *array, const struct mapping *mapping, bool exists,
		    const struct metric *metrics)
{
	json_t *object = json_pack("{s:s, s:s, s:i, s:b}", "channel", mapping->channel,
				   "topic", mapping->topic, "qos", mapping->qos, "there", exists);

	for (; metrics->name; metrics++)
		json_object_set_new(object, metrics->name, json_integer(metrics->value));
	json_array_append_new(array, object);
}
