/*
 * A mount namespace of this process's own in which a folder lies at
 * MILL_IMAGE_STORE.  The machine is not touched: where it lacks the mount
 * point, /opt is covered by an empty file system that shows the old /opt's
 * contents, inside the namespace only.  Without CAP_SYS_ADMIN a user namespace
 * gives the right to mount; ids stay what they are.
 *
 * For a program of one thread that does nothing else afterwards.
 */
#ifndef MILL_IMAGE_NAMESPACE_H
#define MILL_IMAGE_NAMESPACE_H

#include "base/base.h"

/* -EPERM: the machine forbids it; the hint says what to change.  `change_ids`: it must be able to become other users. */
int mill_image_namespace(const char *store, bool change_ids, struct mill_error *err);

#endif
