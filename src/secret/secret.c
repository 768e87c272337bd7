#include "secret/secret.h"

#include <ctype.h>
#include <pthread.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "base/io.h"
#include "base/json.h"
#include "secret/certificate.h"

#define SECRET_BITS_MIN 128
#define SECRET_LENGTH_MAX 512
#define SECRET_FILE_MAX 4096

/* versions.json is read, changed and written; actions of a plan do that from many threads. */
static pthread_mutex_t versions_lock = PTHREAD_MUTEX_INITIALIZER;

static const struct {
	const char *name, *letters;
	double bits; /* a letter */
} alphabets[] = {
	{"alnum", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 5.954},
	{"hex", "0123456789abcdef", 4},
	{"base64url", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", 6},
};

static bool name_ok(const char *s)
{
	if (!islower((unsigned char)s[0]) && !isdigit((unsigned char)s[0]))
		return false;
	for (; *s; s++)
		if (!islower((unsigned char)*s) && !isdigit((unsigned char)*s) && *s != '-' && *s != '_')
			return false;
	return true;
}

static int check_names(const char *component, const char *name, struct mill_error *err)
{
	if (name_ok(component) && name_ok(name))
		return 0;
	return mill_fail(err, EINVAL, "\"%s/%s\" is not a secret's name", component, name);
}

static char *folder(const struct mill_platform *p, const char *component)
{
	return mill_xasprintf("%s/secrets/%s", p->dir, component);
}

static char *file(const struct mill_platform *p, const char *component, const char *name)
{
	return mill_xasprintf("%s/secrets/%s/%s", p->dir, component, name);
}

/* A rotation's value waits here until its version is recorded. */
static char *pending_file(const struct mill_platform *p, const char *component, const char *name,
			  unsigned version)
{
	return mill_xasprintf("%s/secrets/%s/%s.v%u", p->dir, component, name, version);
}

static char *versions_file(const struct mill_platform *p)
{
	return mill_xasprintf("%s/secrets/versions.json", p->dir);
}

static int load_versions(const struct mill_platform *p, json_t **ret, struct mill_error *err)
{
	_cleanup_free_ char *path = versions_file(p);
	int r = mill_state_load(path, ret, err);
	if (r == -ENOENT) {
		mill_error_release(err);
		*ret = json_object();
		return 0;
	}
	return r;
}

static unsigned version_in(const json_t *versions, const char *component, const char *name)
{
	_cleanup_free_ char *key = mill_xasprintf("%s/%s", component, name);
	int64_t v = mill_json_get_int(versions, key, 0);
	return v > 0 && v < UINT32_MAX ? (unsigned)v : 0;
}

static int record_version(const struct mill_platform *p, json_t *versions, const char *component,
			  const char *name, unsigned version, struct mill_error *err)
{
	_cleanup_free_ char *key = mill_xasprintf("%s/%s", component, name);
	_cleanup_free_ char *path = versions_file(p);
	json_object_set_new(versions, key, json_integer(version));
	return mill_state_save(path, versions, 0600, err);
}

static int make_folders(const struct mill_platform *p, const char *component, struct mill_error *err)
{
	_cleanup_free_ char *all = mill_path_join(p->dir, "secrets");
	_cleanup_free_ char *own = folder(p, component);
	int r = mill_mkdir_p(all, 0700, err);
	return r < 0 ? r : mill_mkdir_p(own, 0700, err);
}

/* Each letter is as likely as any other: bytes past the last whole multiple are thrown away. */
int mill_secret_generate(unsigned length, const char *alphabet, char **ret, struct mill_error *err)
{
	size_t k = 0;
	if (mill_streq(alphabet, MILL_SECRET_CERTIFICATE))
		return mill_certificate_make("data-mill", ret, err);
	while (k < MILL_ARRAY_LEN(alphabets) && strcmp(alphabets[k].name, alphabet) != 0)
		k++;
	if (k == MILL_ARRAY_LEN(alphabets))
		return mill_fail(err, EINVAL, "\"%s\" is not an alphabet (alnum, hex, base64url, certificate)", alphabet);
	if (length * alphabets[k].bits < SECRET_BITS_MIN || length > SECRET_LENGTH_MAX)
		return mill_fail(err, EINVAL, "%u characters of %s: a secret has %u bits or more, and %u "
				 "characters or fewer", length, alphabet, SECRET_BITS_MIN, SECRET_LENGTH_MAX);
	size_t n = strlen(alphabets[k].letters);
	char *value = mill_xcalloc(length + 1, 1);
	for (unsigned i = 0; i < length;) {
		unsigned char byte;
		mill_random_bytes(&byte, 1);
		if (byte < 256 - 256 % n)
			value[i++] = alphabets[k].letters[byte % n];
	}
	*ret = value;
	return 0;
}

/* A rotation that was interrupted after its version was recorded is completed, an earlier one forgotten. */
static int settle(const struct mill_platform *p, const char *component, const char *name, unsigned version,
		  struct mill_error *err)
{
	_cleanup_free_ char *path = file(p, component, name);
	_cleanup_free_ char *recorded = pending_file(p, component, name, version);
	_cleanup_free_ char *unrecorded = pending_file(p, component, name, version + 1);
	(void)unlink(unrecorded);
	if (rename(recorded, path) < 0 && errno != ENOENT)
		return mill_fail_errno(err, errno, "%s", path);
	return 0;
}

static int make_first(const struct mill_platform *p, json_t *versions, const char *component, const char *name,
		      unsigned length, const char *alphabet, unsigned *ret_version, struct mill_error *err)
{
	_cleanup_free_ char *path = file(p, component, name);
	unsigned version = version_in(versions, component, name);
	if (!mill_is_file(path)) {
		_cleanup_free_ char *value = NULL;
		int r = mill_secret_generate(length, alphabet, &value, err);
		if (r == 0)
			r = make_folders(p, component, err);
		if (r == 0)
			r = mill_write_file(path, value, strlen(value), 0600,
					    MILL_WRITE_DURABLE | MILL_WRITE_EXCLUSIVE, err);
		if (value)
			explicit_bzero(value, strlen(value));
		if (r < 0)
			return r;
		version++; /* a value that somebody deleted comes back as a new one */
	} else if (version) {
		*ret_version = version;
		return 0;
	} else {
		version = 1; /* killed between the value and its version */
	}
	*ret_version = version;
	return record_version(p, versions, component, name, version, err);
}

int mill_secret_ensure(struct mill_platform *p, const char *component, const char *name, unsigned length,
		       const char *alphabet, unsigned *ret_version, struct mill_error *err)
{
	int r = check_names(component, name, err);
	if (r < 0)
		return r;
	_cleanup_json_ json_t *versions = NULL;
	unsigned version = 0;
	pthread_mutex_lock(&versions_lock);
	r = load_versions(p, &versions, err);
	if (r == 0)
		r = settle(p, component, name, version_in(versions, component, name), err);
	if (r == 0)
		r = make_first(p, versions, component, name, length, alphabet, &version, err);
	pthread_mutex_unlock(&versions_lock);
	if (r < 0) {
		mill_error_wrap(err, "secret %s/%s", component, name);
		return r;
	}
	if (ret_version)
		*ret_version = version;
	return 0;
}

/* A plan asks for every secret: the file is read again only when it is another one.  Borrowed; NULL: unreadable. */
static const json_t *known_versions(const struct mill_platform *p)
{
	_cleanup_free_ char *path = versions_file(p), *stamp = NULL;
	struct stat st = {0};
	json_t *versions;
	if (stat(path, &st) == 0) /* saved beside and renamed: another inode, or at least another time */
		stamp = mill_xasprintf("%llu %lld %lld.%ld", (unsigned long long)st.st_ino, (long long)st.st_size,
				       (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	if (stamp && mill_streq(mill_json_get_string(p->secret_versions, "stamp", NULL), stamp))
		return json_object_get(p->secret_versions, "versions");
	json_object_clear(p->secret_versions);
	if (load_versions(p, &versions, NULL) < 0)
		return NULL;
	json_object_set_new(p->secret_versions, "versions", versions);
	json_object_set_new(p->secret_versions, "stamp", json_string(stamp ? stamp : ""));
	return versions;
}

unsigned mill_secret_version(const struct mill_platform *p, const char *component, const char *name)
{
	_cleanup_free_ char *path = file(p, component, name);
	unsigned version = 0;
	if (!mill_is_file(path))
		return 0;
	pthread_mutex_lock(&versions_lock);
	const json_t *versions = known_versions(p);
	if (versions) {
		version = version_in(versions, component, name);
		version = version ? version : 1;
	}
	pthread_mutex_unlock(&versions_lock);
	return version;
}

unsigned mill_secret_version_wanted(const struct mill_platform *p, const char *component, const char *name)
{
	unsigned version = mill_secret_version(p, component, name);
	if (version)
		return version;
	pthread_mutex_lock(&versions_lock);
	const json_t *versions = known_versions(p);
	if (versions)
		version = version_in(versions, component, name);
	pthread_mutex_unlock(&versions_lock);
	return version + 1;
}

int mill_secret_read(const struct mill_platform *p, const char *component, const char *name, char **ret,
		     struct mill_error *err)
{
	int r = check_names(component, name, err);
	if (r < 0)
		return r;
	_cleanup_free_ char *path = file(p, component, name);
	char *value = NULL;
	size_t len = 0;
	r = mill_read_file(path, SECRET_FILE_MAX, &value, &len, err);
	if (r < 0) {
		mill_error_wrap(err, "secret %s/%s", component, name);
		return r;
	}
	if (len && value[len - 1] == '\n') /* edited by hand */
		value[--len] = '\0';
	if (len == 0 || strlen(value) != len) {
		mill_secret_free(value);
		mill_fail(err, EBADMSG, "secret %s/%s: %s is empty or not text", component, name, path);
		return mill_error_hint(err, "remove the file to have a new one made, and run up again");
	}
	*ret = value;
	return 0;
}

void mill_secret_free(char *value)
{
	if (value)
		explicit_bzero(value, strlen(value));
	free(value);
}

static int replace(struct mill_platform *p, json_t *versions, const char *component, const char *name,
		   const char *value, struct mill_error *err)
{
	unsigned version = version_in(versions, component, name);
	int r = settle(p, component, name, version, err);
	if (r == 0)
		r = make_folders(p, component, err);
	if (r < 0)
		return r;
	_cleanup_free_ char *pending = pending_file(p, component, name, version + 1);
	r = mill_write_file(pending, value, strlen(value), 0600, MILL_WRITE_DURABLE, err);
	if (r == 0)
		r = record_version(p, versions, component, name, version + 1, err);
	return r < 0 ? r : settle(p, component, name, version + 1, err);
}

int mill_secret_rotate(struct mill_platform *p, const char *component, const char *name, unsigned length,
		       const char *alphabet, struct mill_error *err)
{
	int r = check_names(component, name, err);
	char *value = NULL;
	if (r == 0)
		r = mill_secret_generate(length, alphabet, &value, err);
	if (r < 0)
		return r;
	_cleanup_json_ json_t *versions = NULL;
	pthread_mutex_lock(&versions_lock);
	r = load_versions(p, &versions, err);
	if (r == 0)
		r = replace(p, versions, component, name, value, err);
	pthread_mutex_unlock(&versions_lock);
	mill_secret_free(value);
	if (r < 0)
		mill_error_wrap(err, "secret %s/%s", component, name);
	return r;
}

int mill_secret_set(struct mill_platform *p, const char *component, const char *name, const char *value,
		    unsigned *ret_version, struct mill_error *err)
{
	int r = check_names(component, name, err);
	if (r < 0)
		return r;
	if (!*value)
		return mill_fail(err, EINVAL, "secret %s/%s: an empty value", component, name);
	_cleanup_json_ json_t *versions = NULL;
	char *now = NULL;
	pthread_mutex_lock(&versions_lock);
	r = load_versions(p, &versions, err);
	if (r == 0 && !(mill_secret_read(p, component, name, &now, NULL) == 0 && strcmp(now, value) == 0 &&
			version_in(versions, component, name) > 0))
		r = replace(p, versions, component, name, value, err);
	if (r == 0 && ret_version)
		*ret_version = version_in(versions, component, name);
	pthread_mutex_unlock(&versions_lock);
	mill_secret_free(now);
	if (r < 0)
		mill_error_wrap(err, "secret %s/%s", component, name);
	return r;
}
