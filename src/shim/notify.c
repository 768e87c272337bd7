/* The receiving half of sd_notify(3): datagrams of NAME=VALUE lines with the sender's credentials. */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "shim/shim.h"

#define MESSAGE_MAX 4096

int mill_shim_notify_open(const struct mill_shim *s)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t n = strlen(s->args.notify);
	int on = 1;
	if (n >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, s->args.notify, n + 1);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	unlink(s->args.notify);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
	    (s->args.set_ids && lchown(s->args.notify, s->args.uid, s->args.gid) < 0)) {
		int e = errno;
		close(fd);
		return -e;
	}
	return fd;
}

static bool says_ready(const char *text, size_t n)
{
	static const char want[] = "READY=1";
	size_t w = sizeof(want) - 1;
	for (size_t at = 0; at + w <= n; at++) {
		if ((at == 0 || text[at - 1] == '\n') && memcmp(text + at, want, w) == 0 &&
		    (at + w == n || text[at + w] == '\n' || text[at + w] == '\0'))
			return true;
	}
	return false;
}

static bool is_ours(const struct mill_shim *s, struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		struct ucred who;
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS)
			continue;
		memcpy(&who, CMSG_DATA(c), sizeof(who));
		return who.pid == s->main_pid || mill_sys_is_descendant(who.pid, s->pid);
	}
	return false;
}

/* File descriptors that a sender attached would otherwise stay open in us. */
static void close_received(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = 0; CMSG_LEN(at + sizeof(int)) <= c->cmsg_len; at += sizeof(int)) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
			close(fd);
		}
	}
}

bool mill_shim_notify_read(const struct mill_shim *s)
{
	char text[MESSAGE_MAX];
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(16 * sizeof(int))];
	} control;
	bool ready = false;
	for (int i = 0; i < 16; i++) { /* a bounded number a wake-up */
		struct iovec iov = {text, sizeof(text)};
		struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
		ssize_t n = recvmsg(s->notify_fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
		if (n < 0)
			break;
		close_received(&m);
		if (!(m.msg_flags & MSG_TRUNC) && is_ours(s, &m) && says_ready(text, (size_t)n))
			ready = true;
	}
	return ready;
}
