/* Types that more than one table uses. */
#ifndef MILL_MODEL_SCHEMA_PARTS_H
#define MILL_MODEL_SCHEMA_PARTS_H

#include "model/schema.h"

extern const struct mill_schema mill_s_text, mill_s_template, mill_s_bool, mill_s_size,
	mill_s_duration, mill_s_fraction, mill_s_path, mill_s_file_name, mill_s_name,
	mill_s_identifier, mill_s_port;
/* schema_manifest.c */
extern const struct mill_schema mill_s_when, mill_s_conditional;
/* schema_chart.c */
extern const struct mill_schema mill_s_charts;

#endif
