/*
 * Where services run, as templates see it.  On this machine every service has
 * a folder of its own below the platform's, binds to loopback and is reached
 * there.  In a cluster it has a pod of its own: the folders are the same in
 * every pod, it binds to all of the pod's addresses, and others reach it by the
 * name of its Service.
 *
 * Names of Services: the component's release for its main service (the one
 * that `kubernetes.service` names, else `server`, else the first), and
 * <release>-<service> for the others.
 *
 * Returned text lives in the model's arena.
 */
#ifndef MILL_SPEC_PLACE_H
#define MILL_SPEC_PLACE_H

#include "spec/render.h"

/* Folders inside pods and images; components/_image_base and src/entry know them, too. */
#define MILL_POD_FOLDER     "/data-mill"                  /* data, config, run, log: of the pod's one service */
#define MILL_POD_STORE      "/opt/data-mill/store"        /* store entries */
#define MILL_POD_COMPONENTS "/opt/data-mill/components"   /* a component's own files, below its name */

#define MILL_POD_DATA       "/data"                       /* the volume of the data folder, read-only */

/* The claim of that volume, and where the service's people's code finds the data folder: NULL when it does not. */
char *mill_place_data_claim(const char *platform);
const char *mill_place_data_folder(const struct mill_render *r, const struct mill_service *s);

const char *mill_place_bind(const struct mill_render *r);
/* service NULL: the main one of the component. */
const char *mill_place_host(const struct mill_render *r, const struct mill_component *c, const char *service);
const char *mill_place_service(const struct mill_render *r, const struct mill_component *c, const char *service);
/* The component's own folder, and its staged files. */
const char *mill_place_component(const struct mill_render *r, const struct mill_component *c);
const char *mill_place_hooks(const struct mill_render *r, const struct mill_component *c);
/* What the spec calls the platform's folder. */
const char *mill_place_platform(const struct mill_render *r);

/* The main service's name, NULL when there is none; the Service's name in a cluster, owned. */
const char *mill_place_main(const struct mill_component *c);
char *mill_place_service_name(const struct mill_component *c, const char *service);

#endif
