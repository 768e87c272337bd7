/*
 * What the installers of the kinds share (private to this folder): where to
 * put things, the environment that package clients get, and how they are run.
 *
 * Every client runs as the store's uid in `build`, a private folder of this
 * install that holds copies of the lock files, and writes into `dest` and the
 * caches only.
 */
#ifndef MILL_NATIVE_STEP_H
#define MILL_NATIVE_STEP_H

#include "net/download.h"
#include "net/unpack.h"
#include "runtime/native/install.h"
#include "runtime/native/toolchain.h"

#define MILL_STEP_TAIL_LINES 15

struct mill_step_ctx {
	struct mill_store *store;
	const struct mill_recipe *recipe;
	const struct mill_install_options *options;
	const struct mill_step *step; /* the current one */
	size_t index;                 /* its number, from 0 */
	char *entry;                  /* the store entry */
	char *dest;                   /* entry + into; exists */
	char *build;                  /* private; locks/ as in the component's folder */
	char *log_path;               /* NULL while relocking without one */
	int log_fd;
	struct mill_strv env;         /* of every client */
	uint64_t started_ns;
	double expected_seconds;      /* 0: unknown */
	bool network_failed;          /* a client's output said so */
	bool disk_full;
};

/* One installer a kind. */
int mill_install_go(struct mill_step_ctx *x, struct mill_error *err);
int mill_install_pip(struct mill_step_ctx *x, struct mill_error *err);
int mill_install_npm(struct mill_step_ctx *x, struct mill_error *err);
int mill_install_maven(struct mill_step_ctx *x, struct mill_error *err);
int mill_install_debian(struct mill_step_ctx *x, struct mill_error *err);
int mill_install_download(struct mill_step_ctx *x, struct mill_error *err);
int mill_install_files(struct mill_step_ctx *x, struct mill_error *err);
int mill_install_wheel(struct mill_step_ctx *x, struct mill_error *err);

/*
 * Makes the absolute paths of the step's `rewrite` files, texts below dest, lead into dest wherever it has what they
 * name: for software that has its own place compiled in (install_files.c).
 */
int mill_step_rewrite(struct mill_step_ctx *x, struct mill_error *err);
/* The text with each such path led into `root`. */
void mill_rewrite_paths(const char *text, const char *root, struct mill_strbuf *out);

/* ---- step.c ---- */
/* A folder that the installers' user may write: made, 0755, his. */
int mill_step_folder(const struct mill_store *s, const char *path, struct mill_error *err);
/* `<cache>/<name>`, made as above; owned. */
char *mill_step_cache(const struct mill_step_ctx *x, const char *name, struct mill_error *err);
/* Copies the steps' lock files from the component's folder into build, which is still ours alone. */
int mill_step_stage(const struct mill_recipe *r, const char *build, struct mill_error *err);
/* Below dest or build, as the installers' user: a folder with its parents, a copy, a link. */
int mill_step_mkdir(struct mill_step_ctx *x, const char *path, struct mill_error *err);
int mill_step_copy(struct mill_step_ctx *x, const char *from, const char *to, mode_t mode,
		   struct mill_error *err);
int mill_step_symlink(struct mill_step_ctx *x, const char *target, const char *path,
		      struct mill_error *err);
int mill_step_write(struct mill_step_ctx *x, const char *path, const char *text, struct mill_error *err);
char *mill_step_staged(const struct mill_step_ctx *x, const char *relative); /* owned path in build */
void mill_step_progress(struct mill_step_ctx *x, enum mill_install_phase phase, uint64_t done,
			uint64_t total, const char *fmt, ...) MILL_PRINTF(5, 6);
/* A line of ours in the install log. */
void mill_step_log(struct mill_step_ctx *x, const char *fmt, ...) MILL_PRINTF(2, 3);
unsigned mill_step_jobs(const struct mill_step_ctx *x);
/* The tool chain of this step, found and (in an install) already there. */
int mill_step_tool(struct mill_step_ctx *x, const char *name, struct mill_toolchain *ret,
		   struct mill_error *err);

struct mill_step_run {
	const char *what;       /* "go build", for messages and progress */
	enum mill_install_phase phase;
	char *const *argv;
	const char *cwd;        /* NULL: build */
	struct mill_strbuf *out; /* standard output alone, up to its ceiling; NULL: not wanted */
	const char *input;       /* standard input or NULL */
	bool quiet;              /* lines are not progress */
};
/* Runs a client to its end.  A non-zero exit is an error with the output's tail as detail. */
int mill_step_exec(struct mill_step_ctx *x, const struct mill_step_run *r, struct mill_error *err);

/* download and unpack of the network module with the store's ids, progress and cancel filled in. */
int mill_step_download(struct mill_step_ctx *x, struct mill_net_download *d, struct mill_error *err);
int mill_step_unpack(struct mill_step_ctx *x, struct mill_net_unpack *u, struct mill_error *err);

/* ---- environment.c ---- */
/* The allow-list of docs/internals/install.md; PATH, HOME, LANG, TMPDIR set. */
int mill_step_environment(const struct mill_store *s, const char *build, bool offline,
			  struct mill_strv *ret, struct mill_error *err);
/* Puts a folder in front of PATH. */
void mill_step_path_prepend(struct mill_strv *env, const char *dir);

#endif
