/*
 * Installs a recipe into the store: tool chains first, then every step in
 * order, then the seal.  Safe to call from many threads and programs at once;
 * two installs of one key are one: the second waits and finds it complete.
 *
 * A killed install leaves an entry without `.complete`, which counts as absent
 * and is removed by the next one.  A failed one removes what it made.
 *
 *	struct mill_install_options o = MILL_INSTALL_OPTIONS_INIT;
 *	o.cancel_fd = fd;  o.on_progress = show;  o.arg = me;
 *	if (mill_install(store, recipe, &o, NULL, err) < 0) ...
 */
#ifndef MILL_NATIVE_INSTALL_H
#define MILL_NATIVE_INSTALL_H

#include "runtime/native/recipe.h"
#include "runtime/native/store.h"

enum mill_install_phase {
	MILL_INSTALL_WAIT,	/* somebody else installs the same entry */
	MILL_INSTALL_TOOLCHAIN, /* what the installer itself needs */
	MILL_INSTALL_FETCH,
	MILL_INSTALL_BUILD,
	MILL_INSTALL_UNPACK,
	MILL_INSTALL_SEAL, /* hash, read-only, sync */
};
const char *mill_install_phase_name(enum mill_install_phase phase);

struct mill_install_progress {
	const char *name;	/* component or tool chain */
	enum mill_install_phase phase;
	double fraction;	/* of the whole install, 0..1; < 0: unknown */
	uint64_t done, total;	/* bytes of this phase; total 0: unknown */
	const char *text;	/* one line, for people */
};

struct mill_install_options {
	int cancel_fd;	/* readable: stop, -ECANCELED; -1: none */
	unsigned jobs;	/* processors an installer may use; 0: all */
	bool offline;	/* use what the caches have; anything else fails */
	bool allow_file; /* file:// in download steps: tests only */
	const char *const *environment; /* NULL-terminated NAME=VALUE over the allow-list: tests only */
	void (*on_progress)(void *arg, const struct mill_install_progress *p); /* from the calling thread; may be NULL */
	void *arg;
};
#define MILL_INSTALL_OPTIONS_INIT {.cancel_fd = -1}

struct mill_install_result {
	char key[MILL_STORE_KEY_MAX];
	bool existed;	      /* nothing was done */
	uint64_t bytes;	      /* of the entry */
	double seconds;	      /* this install alone, tool chains and waiting not counted */
};

/*
 * The error names component, step, exit code or cause; its detail is the last
 * lines of the log, its hint the log's path and what to do.  -EROFS: the store
 * cannot be written.  -ECANCELED.  ret may be NULL.
 */
int mill_install(struct mill_store *s, const struct mill_recipe *r, const struct mill_install_options *o,
		 struct mill_install_result *ret, struct mill_error *err);

/* `<state>/install-logs/<key>.log`, of images in images/ there; owned.  Older tries are .log.1 and .log.2. */
char *mill_install_log_path(const struct mill_store *s, const char *key);

#endif
