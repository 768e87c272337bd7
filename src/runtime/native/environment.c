/*
 * What a package client sees of the user's environment: a short allow-list,
 * with the caches below ours.  The clients' own configuration files, which
 * they look for in HOME, are named to them (or, for another uid, copied into
 * the build folder), so that a mirror or proxy that the user set up is used.
 */
#include "base/base.h"
#include "base/io.h"
#include "runtime/native/step.h"

extern char **environ;

static const char *const allowed[] = {
	"http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
	"ALL_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
	"NODE_EXTRA_CA_CERTS", "JAVA_TOOL_OPTIONS", "MAVEN_OPTS", "MAVEN_ARGS", "GOPROXY", "GONOPROXY",
	"GONOSUMDB", "GOSUMDB", "GOPRIVATE", "GOINSECURE", "GOVCS", "GOAUTH", "GOFLAGS", "TZ",
};
static const char *const allowed_prefixes[] = {"PIP_", "UV_", "NPM_CONFIG_", "npm_config_"};

/* The clients' caches and modes are ours to say. */
static const char *const denied[] = {
	"PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_CACHE_DIR", "PIP_REQUIRE_VIRTUALENV", "UV_CACHE_DIR",
	"UV_PYTHON", "UV_PROJECT_ENVIRONMENT", "UV_SYSTEM_PYTHON", "UV_TARGET", "UV_CONFIG_FILE",
};

static bool is_allowed(const char *entry)
{
	size_t n = strcspn(entry, "=");
	for (size_t i = 0; i < MILL_ARRAY_LEN(denied); i++)
		if (strlen(denied[i]) == n && strncmp(entry, denied[i], n) == 0)
			return false;
	for (size_t i = 0; i < MILL_ARRAY_LEN(allowed); i++)
		if (strlen(allowed[i]) == n && strncmp(entry, allowed[i], n) == 0)
			return true;
	for (size_t i = 0; i < MILL_ARRAY_LEN(allowed_prefixes); i++)
		if (mill_starts_with(entry, allowed_prefixes[i]))
			return true;
	return false;
}

/* A client's configuration file: where the user has it and the variable that names it. */
static const struct client_config {
	const char *file, *variable;
	bool xdg; /* below XDG_CONFIG_HOME, else below HOME */
} client_configs[] = {
	{".npmrc", "NPM_CONFIG_USERCONFIG", false},
	{"pip/pip.conf", "PIP_CONFIG_FILE", true},
	{"uv/uv.toml", "UV_CONFIG_FILE", true},
	{"go/env", "GOENV", true},
	{".netrc", "NETRC", false},
	{".m2/settings.xml", "MILL_MAVEN_SETTINGS", false},
};

static int name_config(const struct mill_store *s, const char *build, const struct client_config *c,
		       struct mill_strv *env, struct mill_error *err)
{
	const char *home = getenv("HOME"), *xdg = getenv("XDG_CONFIG_HOME");
	_cleanup_free_ char *path = NULL;
	if (c->xdg && xdg && xdg[0] == '/')
		path = mill_path_join(xdg, c->file);
	else if (home && home[0] == '/')
		path = mill_xasprintf("%s/%s%s", home, c->xdg ? ".config/" : "", c->file);
	if (!path || access(path, R_OK) < 0 || mill_strv_getenv(env, c->variable))
		return 0;
	if (!s->set_ids) {
		mill_strv_setenv(env, c->variable, path);
		return 0;
	}
	/* Root's files are closed to the installers' user: a copy that lives as long as the install. */
	_cleanup_free_ char *copy = mill_xasprintf("%s/.config-%s", build, mill_path_basename(c->file));
	int r = mill_copy_file(path, copy, 0600, err); /* the caller hands the folder over */
	if (r < 0)
		return r;
	mill_strv_setenv(env, c->variable, copy);
	return 0;
}

static void copy_variable(struct mill_strv *env, const char *from, const char *to)
{
	const char *value = mill_strv_getenv(env, from);
	if (value && *value && !mill_strv_getenv(env, to))
		mill_strv_setenv(env, to, value);
}

/* uv reads neither pip's nor requests' variables: the same settings under its names. */
static void translate_for_uv(struct mill_strv *env)
{
	copy_variable(env, "PIP_CERT", "SSL_CERT_FILE");
	copy_variable(env, "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE");
	copy_variable(env, "CURL_CA_BUNDLE", "SSL_CERT_FILE");
	copy_variable(env, "PIP_FIND_LINKS", "UV_FIND_LINKS");
	if (!mill_strv_getenv(env, "UV_DEFAULT_INDEX") && !mill_strv_getenv(env, "UV_INDEX_URL"))
		copy_variable(env, "PIP_INDEX_URL", "UV_DEFAULT_INDEX");
	if (!mill_strv_getenv(env, "UV_INDEX") && !mill_strv_getenv(env, "UV_EXTRA_INDEX_URL"))
		copy_variable(env, "PIP_EXTRA_INDEX_URL", "UV_INDEX");
}

/*
 * uv and Node bring roots of their own; a certificate that the administrator
 * added to the machine's (a company's proxy) counts for them as for all others.
 */
static void trust_the_machine(struct mill_strv *env)
{
	static const char bundle[] = "/etc/ssl/certs/ca-certificates.crt";
	if (access(bundle, R_OK) < 0)
		return;
	if (!mill_strv_getenv(env, "UV_SYSTEM_CERTS") && !mill_strv_getenv(env, "UV_NATIVE_TLS"))
		mill_strv_setenv(env, "UV_SYSTEM_CERTS", "true");
	if (!mill_strv_getenv(env, "NODE_EXTRA_CA_CERTS"))
		mill_strv_setenv(env, "NODE_EXTRA_CA_CERTS", bundle);
}

static int set_folder(const struct mill_store *s, struct mill_strv *env, const char *variable,
		      const char *name, struct mill_error *err)
{
	_cleanup_free_ char *path = mill_path_join(s->cache, name);
	int r = mill_step_folder(s, path, err);
	if (r == 0)
		mill_strv_setenv(env, variable, path);
	return r;
}

int mill_step_environment(const struct mill_store *s, const char *build, bool offline,
			  struct mill_strv *ret, struct mill_error *err)
{
	static const struct {
		const char *variable, *folder;
	} folders[] = {{"HOME", "home"},
		       {"GOMODCACHE", "go/mod"},
		       {"GOCACHE", "go/build"},
		       {"GOPATH", "go/path"},
		       {"UV_CACHE_DIR", "uv"},
		       {"PIP_CACHE_DIR", "pip"},
		       {"NPM_CONFIG_CACHE", "npm"}};
	for (char **e = environ; *e; e++)
		if (is_allowed(*e))
			mill_strv_add(ret, *e);
	/* The same search path whoever calls, so that a build does not depend on the shell it came from. */
	mill_strv_setenv(ret, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	mill_strv_setenv(ret, "LANG", "C.UTF-8");
	mill_strv_setenv(ret, "LC_ALL", "C.UTF-8");
	int r = 0;
	for (size_t i = 0; i < MILL_ARRAY_LEN(folders) && r == 0; i++)
		r = set_folder(s, ret, folders[i].variable, folders[i].folder, err);
	if (r < 0)
		return r;
	_cleanup_free_ char *tmp = mill_path_join(build, "tmp");
	r = mill_mkdir_p(tmp, 0700, err);
	if (r < 0)
		return r;
	mill_strv_setenv(ret, "TMPDIR", tmp);
	for (size_t i = 0; i < MILL_ARRAY_LEN(client_configs) && r == 0; i++)
		r = name_config(s, build, &client_configs[i], ret, err);
	translate_for_uv(ret);
	trust_the_machine(ret);
	mill_strv_setenv(ret, "GOTOOLCHAIN", "local");
	mill_strv_setenv(ret, "GOWORK", "off");
	mill_strv_setenv(ret, "PIP_DISABLE_PIP_VERSION_CHECK", "1");
	mill_strv_setenv(ret, "PIP_NO_INPUT", "1");
	mill_strv_setenv(ret, "UV_PYTHON_DOWNLOADS", "never");
	mill_strv_setenv(ret, "UV_NO_PROGRESS", "1");
	mill_strv_setenv(ret, "NO_COLOR", "1");
	if (offline) {
		mill_strv_setenv(ret, "GOPROXY", "off");
		mill_strv_setenv(ret, "UV_OFFLINE", "1");
		mill_strv_setenv(ret, "PIP_NO_INDEX", "1");
		mill_strv_setenv(ret, "NPM_CONFIG_OFFLINE", "true");
	}
	return r;
}

void mill_step_path_prepend(struct mill_strv *env, const char *dir)
{
	const char *old = mill_strv_getenv(env, "PATH");
	_cleanup_free_ char *path = mill_xasprintf("%s:%s", dir, old ? old : "/usr/bin:/bin");
	mill_strv_setenv(env, "PATH", path);
}
