/*
 * Archives, opened as if an enemy had written them: nothing leaves the
 * destination (no `..`, no absolute path, no link that points outside, nothing
 * written through a link), no devices, no set-id bits, no owners, and ceilings
 * on bytes, entries and expansion.  Part of the network module.
 *
 * After an error the destination holds what was unpacked until then; the
 * caller removes it (the store does).
 */
#ifndef MILL_NET_UNPACK_H
#define MILL_NET_UNPACK_H

#include "base/base.h"

struct mill_net_unpack {
	const char *archive; /* tar (any compression), zip, 7z, cpio; .deb with `deb` */
	const char *dest;    /* an existing folder */
	unsigned strip;      /* leading folders to drop from every name */
	bool deb;            /* an ar archive: its data.tar.* is unpacked */
	/* Absolute link targets mean "below dest", as in a chroot (Debian packages); else they are refused. */
	bool rebase_links;
	const char *const *omit; /* NULL-terminated names (after strip) left out with all below them; NULL: none */
	uint64_t max_bytes;  /* 0: 16 GiB */
	uint64_t max_entries; /* 0: 1,000,000 */
	unsigned max_ratio;  /* bytes out per byte in, past 64 MiB out; 0: 200 */
	int cancel_fd;       /* -1: none */
	bool set_ids;        /* as root: write as uid and gid (base/confine.h) */
	uid_t uid;
	gid_t gid;
	void (*on_progress)(void *arg, uint64_t done, uint64_t total); /* bytes of the archive read */
	void *arg;
};

/* -EBADMSG: damaged.  -EPERM: it tries to leave the folder.  -EFBIG: past a ceiling. */
int mill_net_unpack(const struct mill_net_unpack *u, struct mill_error *err);

#endif
