/*
 * Ports: assigned once, below the ephemeral range (where the kernel would one
 * day give the number to an outgoing connection while we are down), recorded
 * across the user's platforms.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "platform/platform.h"

#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"
#include "platform/internal.h"

#define PORT_FIRST 1024
#define PORT_SEARCH 20000 /* where the search goes on after the numbers above the preferred one */

static int read_number(const char *path, unsigned fallback)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int value;
	if (mill_read_file(path, 64, &text, &len, NULL) < 0)
		return (int)fallback;
	text[strcspn(text, " \t\n")] = '\0';
	return mill_parse_int(text, 0, 65535, &value) < 0 ? (int)fallback : value;
}

/* First number that is not ours to give. */
static unsigned range_end(void)
{
	int low = read_number("/proc/sys/net/ipv4/ip_local_port_range", 32768);
	return low < 4096 ? 65535 : (unsigned)low; /* a host that gives nearly all to the ephemeral range */
}

int mill_port_probe(uint16_t port)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int one = 1; /* connections in TIME_WAIT do not count; listeners still do */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 1) < 0)
		return -errno;
	return 0;
}

static void number_key(uint16_t port, char key[8])
{
	snprintf(key, 8, "%u", (unsigned)port);
}

static int read_foreign(struct mill_platform *p, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv all = {0};
	int r = mill_platform_list(p->layout, &all, err);
	if (r < 0)
		return r;
	_cleanup_json_ json_t *taken = json_object();
	const char *own = mill_path_basename(p->dir);
	for (size_t i = 0; i < all.n; i++) {
		if (strcmp(all.items[i], own) == 0)
			continue;
		_cleanup_free_ char *path = mill_xasprintf("%s/%s/ports.json", p->layout->platforms, all.items[i]);
		_cleanup_json_ json_t *ports = NULL;
		if (mill_json_load(path, MILL_JSON_FILE_MAX, &ports, NULL) < 0)
			continue; /* none yet, or not readable: binding still tells */
		const char *key;
		json_t *value;
		json_object_foreach(ports, key, value) {
			char number[8];
			if (!json_is_integer(value) || !strchr(key, '.'))
				continue;
			number_key((uint16_t)json_integer_value(value), number);
			json_object_set_new(taken, number, json_string(all.items[i]));
		}
	}
	if (p->foreign_ports)
		json_decref(p->foreign_ports);
	p->foreign_ports = MILL_TAKE(taken);
	return 0;
}

static const char *foreign_owner(const struct mill_platform *p, uint16_t port)
{
	char number[8];
	number_key(port, number);
	return mill_json_get_string(p->foreign_ports, number, NULL);
}

static const char *own_key(const struct mill_platform *p, uint16_t port, const char *except)
{
	const char *key;
	json_t *value;
	json_object_foreach(p->ports, key, value)
		if (json_integer_value(value) == port && strcmp(key, except) != 0)
			return key;
	return NULL;
}

static bool is_free(const struct mill_platform *p, const char *key, unsigned port, unsigned end)
{
	return port >= PORT_FIRST && port < end && !foreign_owner(p, (uint16_t)port) &&
	       !own_key(p, (uint16_t)port, key) && mill_port_probe((uint16_t)port) == 0;
}

static int check_pinned(const struct mill_platform *p, const char *key, uint16_t port, struct mill_error *err)
{
	const char *other = foreign_owner(p, port);
	const char *mine = own_key(p, port, key);
	int lowest = read_number("/proc/sys/net/ipv4/ip_unprivileged_port_start", PORT_FIRST);
	if (other)
		mill_fail_usage(err, "port %u of %s: platform %s has it", port, key, other);
	else if (mine)
		mill_fail_usage(err, "port %u of %s: %s has it", port, key, mine);
	else if (port < lowest)
		mill_fail_usage(err, "port %u of %s: numbers below %d are for root's processes", port, key, lowest);
	else {
		int r = mill_port_probe(port);
		if (r == 0)
			return 0;
		_cleanup_free_ char *holder = mill_port_holder(port);
		if (r == -EADDRINUSE)
			mill_fail_usage(err, "port %u of %s is taken by %s", port, key,
					holder ? holder : "a process that cannot be seen");
		else
			mill_fail_errno(err, -r, "port %u of %s", port, key);
	}
	return mill_error_hint(err, "pin another number, or remove the pin and let data-mill choose");
}

static int choose(const struct mill_platform *p, const char *key, uint16_t preferred, uint16_t *ret,
		  struct mill_error *err)
{
	unsigned end = range_end();
	for (unsigned port = preferred; port < end; port++)
		if (is_free(p, key, port, end)) {
			*ret = (uint16_t)port;
			return 0;
		}
	for (unsigned port = PORT_SEARCH < end ? PORT_SEARCH : PORT_FIRST; port < end; port++)
		if (is_free(p, key, port, end)) {
			*ret = (uint16_t)port;
			return 0;
		}
	return mill_fail(err, EADDRINUSE, "no free port below %u for %s", end, key);
}

int mill_ports_assign(struct mill_platform *p, const char *key, uint16_t preferred, uint16_t pinned,
		      uint16_t *ret_port, bool *ret_moved, struct mill_error *err)
{
	uint16_t port = (uint16_t)mill_json_get_int(p->ports, key, 0);
	if (ret_moved)
		*ret_moved = false;
	if (port && (!pinned || pinned == port)) {
		*ret_port = port;
		return 0;
	}
	int r = p->foreign_ports ? 0 : read_foreign(p, err);
	if (r == 0)
		r = pinned ? check_pinned(p, key, pinned, err) : choose(p, key, preferred, &port, err);
	if (r < 0)
		return r;
	if (pinned)
		port = pinned;
	json_object_set_new(p->ports, key, json_integer(port));
	if (ret_moved)
		*ret_moved = !pinned && preferred && port != preferred;
	*ret_port = port;
	return 0;
}

int mill_ports_recheck(struct mill_platform *p, struct mill_error *err)
{
	int r = read_foreign(p, err);
	if (r < 0)
		return r;
	const char *key;
	json_t *value;
	json_object_foreach(p->ports, key, value) {
		const char *other = foreign_owner(p, (uint16_t)json_integer_value(value));
		if (other) {
			mill_fail(err, EAGAIN, "port %lld of %s was just taken by platform %s",
				  (long long)json_integer_value(value), key, other);
			return mill_error_hint(err, "run the command again: another number will be chosen");
		}
	}
	return 0;
}
