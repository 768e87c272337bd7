/*
 * What the time of an `up` was made of: the wall clock, the longest chain of
 * steps that had to follow each other, and the processor time that all of it
 * took.  The first can be no shorter than the second, nor than the third
 * divided by the processors.
 */
#ifndef MILL_CMD_PACE_H
#define MILL_CMD_PACE_H

#include "cmd/ui.h"
#include "engine/engine.h"

struct mill_pace;
struct mill_pace *mill_pace_new(const struct mill_plan *plan);
struct mill_pace *mill_pace_free(struct mill_pace *p); /* NULL */
/* To be told of every event of the engine. */
void mill_pace_event(struct mill_pace *p, const struct mill_event *e);
/*
 * {"wall_ms", "chain_ms", "chain": ["start kafka.broker", ..], "cpu_ms", "cpus"}, a new reference.
 * `status` (of mill_ops_status, with use) gives what the started services took; what this process and
 * its children took comes on top.
 */
json_t *mill_pace_json(const struct mill_pace *p, const json_t *status, unsigned cpus);
void mill_pace_show(const struct mill_ui *ui, const json_t *pace);

#endif
