/* Finds and opens the network module; see net/net.h. */
#include <dlfcn.h>
#include <pthread.h>

#include "base/base.h"
#include "base/io.h"
#include "net/net.h"

#define MODULE_FILE "data-mill-net.so"

static pthread_mutex_t load_lock = PTHREAD_MUTEX_INITIALIZER;
static const struct mill_net_api *loaded;

/* The folder of the running executable, owned; NULL without /proc. */
static char *executable_dir(void)
{
	char buf[4096];
	ssize_t n = readlink("/proc/self/exe", buf, sizeof(buf) - 1);
	if (n <= 0)
		return NULL;
	buf[n] = '\0';
	return mill_path_dirname(buf);
}

/* Owned path of the first candidate that exists, or NULL; tried ones go to `tried`. */
static char *find_module(struct mill_strv *tried)
{
	const char *forced = secure_getenv("DATA_MILL_NET_MODULE");
	if (forced && *forced) {
		mill_strv_add(tried, forced);
		return mill_exists(forced) ? mill_xstrdup(forced) : NULL;
	}
	_cleanup_free_ char *dir = executable_dir();
	if (!dir)
		return NULL;
	mill_strv_addf(tried, "%s/" MODULE_FILE, dir);
	mill_strv_addf(tried, "%s/../" MILL_LIBDIR "/data-mill/" MODULE_FILE, dir);
	mill_strv_addf(tried, "%s/../lib/data-mill/" MODULE_FILE, dir);
	for (size_t i = 0; i < tried->n; i++)
		if (mill_exists(tried->items[i]))
			return mill_xstrdup(tried->items[i]);
	return NULL;
}

static int load_module(struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv tried = {0};
	_cleanup_free_ char *path = find_module(&tried);
	if (!path) {
		_cleanup_free_ char *list = mill_strv_join(&tried, ", ");
		mill_fail(err, ENOENT, "the network module %s was not found (looked at %s)",
			  MODULE_FILE, list);
		return mill_error_hint(err, "build or install data-mill as a whole: the module "
					    "belongs beside the program or in its library folder");
	}
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		mill_fail(err, ELIBACC, "load the network module: %s", dlerror());
		return mill_error_hint(err, "install libcurl (Debian: libcurl4) and expat (libexpat1)");
	}
	const struct mill_net_api *(*get)(void);
	*(void **)&get = dlsym(handle, MILL_NET_ENTRY);
	const struct mill_net_api *api = get ? get() : NULL;
	if (!api || api->version != MILL_NET_API_VERSION || !mill_streq(api->build, MILL_VERSION)) {
		mill_fail(err, ELIBBAD, "%s is of version %s, this program of " MILL_VERSION, path,
			  api ? api->build : "unknown");
		dlclose(handle);
		return mill_error_hint(err, "build or install both from the same source");
	}
	loaded = api;
	return 0;
}

int mill_net_load(const struct mill_net_api **ret, struct mill_error *err)
{
	pthread_mutex_lock(&load_lock);
	int r = loaded ? 0 : load_module(err);
	if (r == 0)
		*ret = loaded;
	pthread_mutex_unlock(&load_lock);
	return r;
}
