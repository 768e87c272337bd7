/*
 * A platform's folder and record (docs/internals/state.md).  The CLI is its
 * only writer, under the platform's lock.  Reading needs no lock: every file is
 * replaced atomically.
 */
#ifndef MILL_PLATFORM_PLATFORM_H
#define MILL_PLATFORM_PLATFORM_H

#include <jansson.h>

#include "base/map.h"
#include "base/strbuf.h"
#include "platform/layout.h"

struct mill_platform {
	const struct mill_layout *layout;
	char *target, *name; /* identity: ("native", "data-mill") */
	char *dir;           /* absolute */
	int lock_fd;         /* -1: not locked */
	json_t *record;      /* platform.json, or an empty record */
	json_t *desired;     /* desired.json */
	json_t *ports;       /* ports.json: "component.service.port" -> number */
	json_t *memory;      /* memory.json */
	bool exists;
	json_t *secret_versions; /* private to secret/: {"stamp", "versions"}, what secret_version last read */
	json_t *foreign_ports; /* private: number -> platform, of this user's other platforms; read once */
};

#define MILL_STATE_VERSION 1 /* "v" of every state file; a newer one is refused */

/* Opens (reads) a platform; it need not exist yet.  -EPROTO: written by a newer program (usage error, says which). */
int mill_platform_open(const struct mill_layout *l, const char *target, const char *name,
		       struct mill_platform **ret, struct mill_error *err);
struct mill_platform *mill_platform_close(struct mill_platform *p); /* unlocks */
/* Makes the folder if needed and takes the lock, then re-reads.  Waits up to wait_ms, saying through `on_wait` who holds it. */
int mill_platform_lock(struct mill_platform *p, int wait_ms, void (*on_wait)(void *arg, const char *holder), void *arg,
		       struct mill_error *err);
/* Reads all state files again: another writer (a pull from a cluster) replaced them. */
int mill_platform_reload(struct mill_platform *p, struct mill_error *err);
int mill_platform_save_record(struct mill_platform *p, struct mill_error *err);
int mill_platform_save_desired(struct mill_platform *p, struct mill_error *err);
int mill_platform_save_ports(struct mill_platform *p, struct mill_error *err);
int mill_platform_save_memory(struct mill_platform *p, struct mill_error *err);
/* "<target>.<name>" of every platform of this user, sorted. */
int mill_platform_list(const struct mill_layout *l, struct mill_strv *ret, struct mill_error *err);
/* The one that --platform, the current one, or being the only one decides; usage error listing them otherwise. */
int mill_platform_choose(const struct mill_layout *l, const char *wanted, struct mill_platform **ret, struct mill_error *err);
int mill_platform_use(const struct mill_layout *l, const char *wanted, struct mill_error *err);
char *mill_platform_service_dir(const struct mill_platform *p, const char *component, const char *service); /* owned */

/* One state file: an object with "v" (and the "version" of the program that wrote it), durable.
 * Load: -ENOENT absent, -EPROTO newer than ours, -EBADMSG not one. */
int mill_state_load(const char *path, json_t **ret, struct mill_error *err);
int mill_state_save(const char *path, json_t *o, mode_t mode, struct mill_error *err);

/* ---- ports (ports.c): assigned once, across all platforms of this user ---- */
/*
 * The number for key ("minio.server.api").  Recorded: that.  Else `pinned` if not 0, else `preferred` when free, else the next free one
 * below the ephemeral range (/proc/sys/net/ipv4/ip_local_port_range) not recorded by any platform of ours.  *ret_moved tells that preferred was taken.
 * Binds to find out; nothing is saved until mill_platform_save_ports().
 */
int mill_ports_assign(struct mill_platform *p, const char *key, uint16_t preferred, uint16_t pinned,
		      uint16_t *ret_port, bool *ret_moved, struct mill_error *err);
/* Who listens on a TCP port: "pid 12 (nginx)", or "a process of another user"; owned; NULL: nobody. */
char *mill_port_holder(uint16_t port);
/* Could a service bind it on the loopback address now?  0, or a negative errno (-EADDRINUSE). */
int mill_port_probe(uint16_t port);

#endif
