/*
 * One load of a model, shared by the files that do its steps:
 *
 *	find.c      which file -f, -t and the flavour's keys mean
 *	discover.c  the manifests
 *	flavour.c   the project section and the list of components
 *	target.c    the section of the target that the location picks
 *	config.c    components' configurations and blocks
 *	model.c     the order of it all
 */
#ifndef MILL_MODEL_LOADING_H
#define MILL_MODEL_LOADING_H

#include "model/read.h"

struct mill_model_private {
	struct mill_document **docs;
	size_t n_docs, cap_docs;
	struct mill_sources sources;
	const char *shared_hooks; /* in the model's arena; NULL: no shipped folder */
};

struct mill_folder { /* a component's folder, before its manifest is read */
	const char *name, *dir, *file; /* component.yaml, or environment.yaml below environments/ */
	struct mill_diags diags; /* of its manifest alone */
	struct mill_component *component; /* NULL: not readable */
	bool read;                        /* component and diags are there */
	bool relevant;
	bool environment;
	bool listed;                      /* named by the flavour or -c, groups and stand-ins followed */
};

struct mill_loading {
	struct mill_model *m;
	const struct mill_model_request *request;
	struct mill_reader r; /* diags: the model's */
	const struct mill_node *flavour; /* root; NULL: no flavour */
	char *flavour_dir;               /* absolute; NULL: no flavour */
	const char *flavour_file;        /* its base name; NULL: no flavour */
	struct mill_folder *folders;
	size_t n_folders;
	const char **names; /* of folders, for suggestions */
	char cwd[4096];     /* files below it are shown relative to it */
};

/* A document that lives as long as the model; NULL with errors in diags. */
struct mill_document *mill_loading_document(struct mill_loading *l, const char *path,
					    struct mill_diags *diags);
/* Also keeps a document that somebody else loaded. */
void mill_loading_keep(struct mill_model *m, struct mill_document *doc);
struct mill_folder *mill_loading_folder(const struct mill_loading *l, const char *name);

/* ---- find.c ---- */
/* Relative to the working folder where it is below it; a part of path. */
const char *mill_find_shown(const char *cwd, const char *path);
/* ~ and ~/x become the home folder; owned. */
char *mill_find_expand(const char *path);
/* Owned absolute path, or NULL with err: a usage error that lists what there is. */
char *mill_find_flavour(const struct mill_model_request *q, const char *name,
			struct mill_error *err);
char *mill_find_target(const struct mill_loading *l, const char *name, struct mill_error *err);
/* A folder that a flavour names: in the project, beside the flavour, among the shipped ones; owned or NULL. */
char *mill_find_folder(const struct mill_loading *l, const char *name);

/* ---- discover.c ---- */
/* The folders; with their manifests unless only the needed ones are wanted. */
void mill_discover(struct mill_loading *l);
/* After the flavour was read: the manifests that it may need, or all when that cannot be told from these. */
void mill_discover_needed(struct mill_loading *l);
void mill_discover_report(struct mill_loading *l);

/* ---- flavour.c ---- */
int mill_flavour_load(struct mill_loading *l, struct mill_error *err);
void mill_flavour_read(struct mill_loading *l);
/* The words of project.flavour, as they stand there. */
void mill_flavour_listed(struct mill_loading *l, struct mill_strv *ret);
int mill_flavour_select(struct mill_loading *l, struct mill_error *err);

/* ---- target.c, config.c ---- */
int mill_target_read(struct mill_loading *l, struct mill_error *err);
/* target_check.c: values that the section's provider cannot use, each at its place. */
void mill_target_check(struct mill_loading *l);
void mill_config_apply(struct mill_loading *l);

#endif
