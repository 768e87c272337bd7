/*
 * data-mill-entry: process 1 of every container that the generic chart makes,
 * one small static program in each image.  It does in a pod what the CLI and
 * the shim do on one machine: lays the service's files out, makes its folders,
 * runs its tasks, waits for its siblings, and then holds the real process:
 * signals go on to it, orphans are reaped, and a readiness that only its log
 * (or sd_notify) tells is noticed.
 *
 *	entry tasks              init container: what must run before the service, each once a fingerprint
 *	entry run                the service
 *	entry ready              exec probe of `log`, `notify` and of http with unusual codes; exit 0 when ready
 *	entry reload             new files as JSON on standard input; writes them and signals the service
 *	entry hook PROGRAM ...   a hook: an empty folder of its own, a small environment, standard input passed on
 *	entry hold SECONDS       a pod that hooks are run in; ends at TERM or when the time is up
 *	entry put PATH, get PATH standard input to a file, a file to standard output
 *	entry mirror FOLDER      says what is in it, and makes it what standard input says (mirror.c)
 *
 * What to do is in /data-mill/in/config/entry.json, made by
 * runtime/kubernetes/bundle.c:
 *	{"v": 1, "id": "c.s", "command": [..], "cwd": "..", "folders": ["data/x"],
 *	 "files": [{"path": "config/x", "mode": "0600", "from": "config/f0" or "secret/f0"}],
 *	 "tasks": [{"name", "fingerprint", "command", "cwd", "timeout_ms", "files": [..], "environment": {..},
 *	            "secret": "secret/task-x", "input": "secret/hook-x"}],
 *	 "wait": [{"host", "port"}], "ready": {"type": "log", "pattern"} | {"type": "notify"} |
 *	 {"type": "http", "port", "path", "status": [a, b]}, "stop": {"signal"}, "reload": {"signal"}}
 *
 * Invariants: nothing is written outside MILL_ENTRY_ROOT but what put and mirror are told; a secret is in no
 * argument and in no line of ours.
 */
#ifndef MILL_ENTRY_ENTRY_H
#define MILL_ENTRY_ENTRY_H

#include <jansson.h>

#include "base/strbuf.h"

#define MILL_ENTRY_FILE_MAX ((size_t)4 << 20)

struct mill_entry_pod {
	const char *root; /* /data-mill, or DATA_MILL_ENTRY_ROOT in tests */
	json_t *spec;     /* entry.json */
};

int mill_entry_load(struct mill_entry_pod *p, struct mill_error *err);
/* Files and folders; safe to repeat. */
int mill_entry_prepare(const struct mill_entry_pod *p, struct mill_error *err);
/* One list of {path, mode, from | content}, below root. */
int mill_entry_write_files(const struct mill_entry_pod *p, const json_t *files, struct mill_error *err);
/* A path below root/in that entry.json names; -EINVAL when it leaves it.  Owned. */
int mill_entry_input(const struct mill_entry_pod *p, const char *from, char **ret, struct mill_error *err);

int mill_entry_tasks(const struct mill_entry_pod *p, struct mill_error *err);
/* Exit status of the service, or a negative errno when it never ran. */
int mill_entry_run(const struct mill_entry_pod *p, struct mill_error *err);
int mill_entry_ready(const struct mill_entry_pod *p, struct mill_error *err);
int mill_entry_reload(const struct mill_entry_pod *p, struct mill_error *err);
int mill_entry_hook(char **argv, struct mill_error *err);
int mill_entry_hold(unsigned seconds);
int mill_entry_mirror(const char *folder, struct mill_error *err);
/* Connects within timeout_ms; the fd or -errno. */
int mill_entry_connect(const char *host, unsigned port, int timeout_ms);

#endif
