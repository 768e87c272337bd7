/*
 * apt with a state of its own: lists, cache and an empty status file below
 * <cache>/apt, the machine's sources and keys.  Needs no root, and neither reads
 * nor changes what is installed on the machine.
 *
 * The state is shared by all installs of a user; a lock file guards it.
 */
#ifndef MILL_NATIVE_APT_H
#define MILL_NATIVE_APT_H

#include "runtime/native/step.h"

struct mill_apt {
	char *dir;      /* <cache>/apt */
	char *config;   /* -c file */
	char *archives; /* fetched .deb files */
	int lock_fd;
};

struct mill_apt_package {
	char *suite, *arch, *name, *version, *sha256, *pool;
	uint64_t size;
};
struct mill_apt_list {
	struct mill_apt_package *items;
	size_t n, cap;
};
/* A line of a lock: "suite arch name=version sha256:hex size pool/path". */
int mill_apt_package_parse(const char *text, struct mill_apt_package *ret);
void mill_apt_package_release(struct mill_apt_package *p);
void mill_apt_list_release(struct mill_apt_list *l);

/* -ENOENT: this is no machine with apt. */
int mill_apt_open(struct mill_step_ctx *x, struct mill_apt *ret, struct mill_error *err);
void mill_apt_release(struct mill_apt *a);
bool mill_apt_has_lists(const struct mill_apt *a);
int mill_apt_update(struct mill_step_ctx *x, const struct mill_apt *a, struct mill_error *err);
/* The exact versions, into archives. */
int mill_apt_download(struct mill_step_ctx *x, const struct mill_apt *a, const struct mill_apt_list *l,
		      struct mill_error *err);
/* Where apt puts a package's file; owned. */
char *mill_apt_file(const struct mill_apt *a, const struct mill_apt_package *p);
/* "bookworm"; owned, "unknown" where the machine does not say. */
char *mill_apt_suite(void);
/* apt-get -c config <args>; args NULL-terminated. */
int mill_apt_get(struct mill_step_ctx *x, const struct mill_apt *a, const char *what,
		 const struct mill_strv *args, struct mill_strbuf *out, struct mill_error *err);

#endif
