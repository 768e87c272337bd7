/*
 * The part of an image's build that needs a namespace: a process of its own
 * (the hidden command `image-worker`), because a namespace belongs to a whole
 * process and the one that plans has threads.
 *
 * It reads one job on standard input and says what it does as JSON lines:
 *	{"name": "minio", "fraction": 0.4, "text": "go build: ..."}
 *	{"done": true}
 *	{"error": {"code": 5, "message": "...", "hint": "...", "detail": "..."}}      (the last one, and exit code 1)
 */
#ifndef MILL_IMAGE_WORKER_H
#define MILL_IMAGE_WORKER_H

#include <jansson.h>

#include "base/base.h"

#define MILL_IMAGE_WORKER_COMMAND "image-worker"

/*
 * job: {"at", "cache", "state", "toolchains", "set_ids", "uid", "gid", "jobs", "offline", "recipes": [...]}.
 * Exit code.  Lines go to out_fd.
 */
int mill_image_worker(const json_t *job, int out_fd, int cancel_fd);

#endif
