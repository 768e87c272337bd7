/*
 * Where things are: the folders of docs/internals/state.md, for a user or for
 * root, and the uid that services run as.  A layout is computed once at start
 * from the environment and never changes.
 */
#ifndef MILL_PLATFORM_LAYOUT_H
#define MILL_PLATFORM_LAYOUT_H

#include "base/base.h"

struct mill_layout {
	char *store;     /* installed software */
	char *image_store; /* software at the paths that it has inside images (image/image.h); images/ is around it */
	char *platforms; /* one folder a platform */
	char *cache;     /* downloads, the package clients' caches */
	char *state;     /* install logs, libexec */
	char *config;    /* current platform */
	char *resources; /* shipped components/, flavours/, k8s/, data/ */
	char *project;   /* the user's own project folder (found upward from cwd) or NULL */
	bool root;       /* running as root: services run as `uid` */
	uid_t uid;       /* who services and installers run as */
	gid_t gid;
};

/* Reads HOME, XDG_*, DATA_MILL_*.  Makes no folder. */
int mill_layout_init(struct mill_layout *l, struct mill_error *err);
/* As root: makes the system user data-mill if absent (useradd) and sets uid and gid. */
int mill_layout_ensure_user(struct mill_layout *l, struct mill_error *err);
void mill_layout_release(struct mill_layout *l);
/* <platforms>/<target>.<name>; owned. */
char *mill_layout_platform_dir(const struct mill_layout *l, const char *target, const char *name);
/* Finds a project's folder from `from` upward: the nearest one that has `data-mill.yaml` or a `flavours/` folder
 * that is not the shipped one; owned or NULL. */
char *mill_layout_find_project(const char *from, const char *resources);

#endif
