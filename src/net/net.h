/*
 * The network module.  Everything that needs libcurl is in data-mill-net.so,
 * opened on first use: linking libcurl costs every start of the program about
 * 5 ms and 5 MB.  The module is found as $DATA_MILL_NET_MODULE (tests), beside
 * the executable (the build folder), or in <prefix>/<libdir>/data-mill.
 *
 * Module and program come from one build and share one libc, so memory made
 * on one side is freed on the other; mill_net_load() refuses a module of
 * another version.  The module stays loaded until the program ends.
 *
 *	const struct mill_net_api *net;
 *	if (mill_net_load(&net, err) < 0)
 *		return -err->code;
 *	r = net->lake_open(&options, &lake, err);
 *
 * The functions are those of lake/lake.h, lake/sync.h, net/download.h,
 * net/unpack.h, net/layer.h and net/serve.h, where they are described; the program never calls these directly.
 */
#ifndef MILL_NET_NET_H
#define MILL_NET_NET_H

#include "lake/lake.h"
#include "lake/sync.h"

#define MILL_NET_API_VERSION 3
struct mill_net_download; /* net/download.h */
struct mill_net_unpack;   /* net/unpack.h */
struct mill_net_layer;    /* net/layer.h */
struct mill_net_serve;    /* net/serve.h */
struct mill_net_layer_item;
struct mill_net_layer_result;

struct mill_net_api {
	unsigned version; /* MILL_NET_API_VERSION */
	const char *build; /* MILL_VERSION of the module */

	int (*download)(const struct mill_net_download *d, struct mill_error *err);
	int (*unpack)(const struct mill_net_unpack *u, struct mill_error *err);
	int (*layer_begin)(const char *path, struct mill_net_layer **ret, struct mill_error *err);
	int (*layer_add)(struct mill_net_layer *l, const struct mill_net_layer_item *item, struct mill_error *err);
	int (*layer_end)(struct mill_net_layer *l, struct mill_net_layer_result *ret, struct mill_error *err);

	int (*serve)(const struct mill_net_serve *s, struct mill_error *err);

	int (*lake_open)(const struct mill_lake_options *o, struct mill_lake **ret,
			 struct mill_error *err);
	struct mill_lake *(*lake_close)(struct mill_lake *lake);
	int (*buckets)(struct mill_lake *lake, struct mill_lake_listing *ret,
		       struct mill_error *err);
	int (*make_bucket)(struct mill_lake *lake, const char *bucket, bool *ret_existed,
			   struct mill_error *err);
	int (*remove_bucket)(struct mill_lake *lake, const char *bucket, struct mill_error *err);
	int (*list)(struct mill_lake *lake, const char *bucket, const char *prefix,
		    const char *delimiter, size_t max, struct mill_lake_listing *ret,
		    struct mill_error *err);
	int (*head)(struct mill_lake *lake, const char *bucket, const char *key,
		    struct mill_lake_object *ret, struct mill_error *err);
	int (*put)(struct mill_lake *lake, const char *bucket, const char *key, const void *data,
		   size_t len, const char *content_type, struct mill_error *err);
	int (*put_file)(struct mill_lake *lake, const char *bucket, const char *key,
			const char *path, struct mill_error *err);
	int (*get)(struct mill_lake *lake, const char *bucket, const char *key, size_t max,
		   char **ret_data, size_t *ret_len, struct mill_error *err);
	int (*cat)(struct mill_lake *lake, const char *bucket, const char *key, int fd,
		   struct mill_error *err);
	int (*get_file)(struct mill_lake *lake, const char *bucket, const char *key,
			const char *path, struct mill_error *err);
	int (*remove)(struct mill_lake *lake, const char *bucket, char *const *keys, size_t n,
		      struct mill_error *err);
	int (*push)(struct mill_lake *lake, const struct mill_lake_sync *s,
		    struct mill_lake_report *ret, struct mill_error *err);
	int (*pull)(struct mill_lake *lake, const struct mill_lake_sync *s,
		    struct mill_lake_report *ret, struct mill_error *err);
	int (*diff)(struct mill_lake *lake, const struct mill_lake_sync *s,
		    struct mill_lake_report *ret, struct mill_error *err);
};

/* Loads the module on the first call; later calls return the same table. */
int mill_net_load(const struct mill_net_api **ret, struct mill_error *err);

/* What the module exports; the name that mill_net_load() looks up. */
#define MILL_NET_ENTRY "mill_net_api_get"
const struct mill_net_api *mill_net_api_get(void);

#endif
