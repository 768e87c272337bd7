/*
 * A host of constants for tests, read from a case's host.json (all optional):
 *   {"memory_total": "8Gi", "memory_available": "6Gi", "cpus": 4,
 *    "store_has": true or ["minio"],             names of entries that are installed
 *    "observed": {"minio.server": {"state": "failed", "reason": "exit code 1"}},
 *    "taken_ports": {"9000": "pid 12 (nginx)"}, "secrets": {"minio/password": 2},
 *    "folder": "one", "data": {"minio.server": {..}}, "sources": {"server.py": "two"},
 *    "missing_toolchains": true, "disk_free": "10Gi",
 *    "data_disk_free": "1Gi",                    a file system of its own for the platform
 *    "pods": true,                               a cluster; its registry has no image yet
 *    "volume": {"storage": "10Gi", "digest": "one"}, the data folder's
 *    "nofile_max": 1024, "inotify_instances": 8, "missing_programs": true, "read_only": true}
 */
#ifndef TEST_PLAN_FAKE_HOST_H
#define TEST_PLAN_FAKE_HOST_H

#include "plan/host.h"
#include "plan/plan.h"

struct fake_host {
	struct mill_plan_host host;
	json_t *config;   /* host.json */
	json_t *specs, *applied, *records, *observed;
};
/* config is taken over; NULL is an empty one. */
void fake_host_init(struct fake_host *f, struct mill_platform *p, json_t *config);
/* As if the plan had been carried out. */
void fake_host_carry_out(struct fake_host *f, struct mill_platform *p, const struct mill_plan *plan);
void fake_host_release(struct fake_host *f);

#endif
