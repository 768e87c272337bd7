/*
 * What an image of a component or environment is made of, from its manifest:
 * tool chains that it runs with, the hooks' tools, its own software.  One
 * function for the planner and for `image build`, so that both name the same
 * image.
 *
 *	struct mill_image_made m;
 *	mill_image_source_make(im, &layout, component, &m, err);
 *	... m.source ...
 *	mill_image_source_release(&m);
 */
#ifndef MILL_IMAGE_SOURCE_H
#define MILL_IMAGE_SOURCE_H

#include "image/image.h"
#include "model/model.h"

struct mill_image_made {
	struct mill_image_source source; /* borrows from the component and from what follows */
	json_t *recipes;
	char *hooks_dir, *entry_program;
};

/*
 * The component must outlive *ret.  -ENOENT: a lock is missing, a tool chain has
 * no wheel, or the entry program was not built.
 */
int mill_image_source_make(struct mill_images *im, const struct mill_layout *l, const struct mill_component *c,
			   struct mill_image_made *ret, struct mill_error *err);
void mill_image_source_release(struct mill_image_made *m);
/* Whether there is anything to run: software, services or hooks of its own. */
bool mill_image_wanted(const struct mill_component *c);
/* data-mill-entry beside the running program, or in $DATA_MILL_LIBEXEC; owned, NULL with err. */
char *mill_image_entry_program(struct mill_error *err);

#endif
