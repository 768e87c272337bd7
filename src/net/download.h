/*
 * One URL to one file: with a ceiling, resumed after an interruption, retried
 * with jitter, hashed while it streams.  Part of the network module; the
 * program calls it through net/net.h.
 *
 * The bytes arrive in `<path>.part` and are renamed to `path` only when size
 * and hash are right: a file at `path` is always good.  A `.part` that turned
 * out wrong is removed; one that was interrupted stays for the next try.
 */
#ifndef MILL_NET_DOWNLOAD_H
#define MILL_NET_DOWNLOAD_H

#include "base/hash.h"

#define MILL_NET_DOWNLOAD_MAX ((uint64_t)16 << 30) /* when max_bytes is 0 */

struct mill_net_download {
	const char *url;  /* http or https */
	const char *path; /* where it goes; its folder exists */
	const char *sha256; /* hex; NULL: any content (relock) */
	uint64_t max_bytes; /* 0: MILL_NET_DOWNLOAD_MAX */
	unsigned tries;     /* 0: 5 */
	int cancel_fd;      /* readable: stop, -ECANCELED; -1: none */
	bool set_ids;       /* as root: write as uid and gid (base/confine.h) */
	uid_t uid;
	gid_t gid;
	bool allow_file;    /* file:// too: tests only, never set from a manifest */
	/* done and total in bytes; total 0: not known.  May be NULL. */
	void (*on_progress)(void *arg, uint64_t done, uint64_t total);
	void *arg;
	char *ret_sha256; /* MILL_SHA256_HEX bytes, filled on success; may be NULL */
};

/*
 * -EBADMSG: the hash is not the one expected.  -EFBIG: larger than allowed.
 * -ENETUNREACH: the server could not be reached at all.  -EREMOTEIO: it
 * answered with an error.
 */
int mill_net_download(const struct mill_net_download *d, struct mill_error *err);

#endif
