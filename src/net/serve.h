/*
 * A folder of packaged charts as a Helm repository, for loopback only:
 * index.yaml and *.tgz (with *.tgz.prov), nothing else, no links followed, no
 * listing, GET and HEAD alone.
 *
 *	struct mill_net_serve s = {.folder = "dist/charts", .port = 8879, .cancel_fd = fd, .on_ready = say};
 *	r = net->serve(&s, err);     until cancel_fd is readable
 */
#ifndef MILL_NET_SERVE_H
#define MILL_NET_SERVE_H

#include "base/base.h"

#define MILL_SERVE_FILE_MAX ((size_t)32 << 20)

struct mill_net_serve {
	const char *folder;
	uint16_t port;  /* 0: one that is free */
	int cancel_fd;  /* readable: stop; -1: never */
	void (*on_ready)(void *arg, uint16_t port);
	void *arg;
};

/* 0 when it was told to stop.  -EADDRINUSE and the like: it did not begin. */
int mill_net_serve(const struct mill_net_serve *s, struct mill_error *err);
/* Which names are served at all. */
bool mill_net_serve_name(const char *name);

#endif
