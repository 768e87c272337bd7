/* What the subcommands of `image` share. */
#ifndef MILL_CMD_IMAGE_H
#define MILL_CMD_IMAGE_H

#include "cmd/context.h"
#include "cmd/progress.h"
#include "image/source.h"

struct mill_image_work {
	struct mill_context ctx;
	struct mill_images *images;
	struct mill_view *view;
	struct mill_component **components; /* what the command is about; the model's */
	size_t n, cap;
	struct mill_image_options options;
};
/* Opens the images and finds what the arguments name; without any, what the flavour runs. */
int mill_image_work_begin(struct mill_image_work *w, struct mill_invocation *inv, struct mill_error *err);
void mill_image_work_end(struct mill_image_work *w);
#define _cleanup_image_work_ __attribute__((cleanup(mill_image_work_end)))

int mill_image_work_build(struct mill_image_work *w, const struct mill_component *c, struct mill_image *ret, struct mill_error *err);
/* Into `to`, unless it is there: from the registry `from` if that has it (NULL: none), else built here.  Prints the reference. */
int mill_image_work_push(struct mill_image_work *w, const struct mill_image_registry *from, const struct mill_image_registry *to,
			 const struct mill_component *c, struct mill_error *err);

/* --registry, else the target's `images: {registry}`, else $DATA_MILL_REGISTRY, else the local one; what it borrows lives as long
 * as the invocation and the model.  `host` is owned by *owned. */
int mill_image_registry_of(struct mill_context *ctx, struct mill_image_registry *ret, char **owned, struct mill_error *err);

#define MILL_OPTION_REGISTRY                                                                                       \
	{.name = "registry", .arg = "HOST[/PATH]",                                                                 \
	 .help = "the registry; default: the target's, else $DATA_MILL_REGISTRY, else the local one"},             \
	{.name = "authfile", .arg = "FILE", .word = MILL_WORD_FILE,                                                \
	 .help = "credentials, as `skopeo login` writes them"},                                                    \
	{.name = "cert-dir", .arg = "FOLDER", .word = MILL_WORD_FOLDER, .help = "certificates that the registry is verified with"}

extern const struct mill_command mill_cmd_image_mirror;

#endif
