/*
 * Who changes the platform: a coordination.k8s.io/v1 Lease in its namespace, as
 * leader election uses it.  Taken by create, or by replace with the
 * resourceVersion that was read, so that of two takers one fails.
 */
#include "runtime/kubernetes/internal.h"

#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"

#define LEASE      "data-mill"
#define DURATION_S 45
#define RENEW_S    10
#define LOOK_MS    1000

static void stamp(char *buf, size_t size)
{
	struct timespec now;
	struct tm t;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &t);
	n = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &t);
	snprintf(buf + n, size - n, ".%06ldZ", now.tv_nsec / 1000);
}

static int64_t age_s(const char *renewed)
{
	struct tm t = {0};

	if (!renewed || !strptime(renewed, "%Y-%m-%dT%H:%M:%S", &t))
		return INT64_MAX;
	return (int64_t)time(NULL) - (int64_t)timegm(&t);
}

static json_t *lease_object(const struct mill_kube *k, const char *version)
{
	json_t *meta = mill_kube_meta(k, LEASE, NULL, NULL);
	char now[40];

	stamp(now, sizeof(now));
	if (version)
		json_object_set_new(meta, "resourceVersion", json_string(version));
	return json_pack("{s:s, s:s, s:o, s:{s:s, s:i, s:s}}", "apiVersion", "coordination.k8s.io/v1", "kind", "Lease", "metadata",
			 meta, "spec", "holderIdentity", k->holder, "leaseDurationSeconds", DURATION_S, "renewTime", now);
}

static int put(struct mill_kube *k, const char *version, struct mill_error *err)
{
	_cleanup_json_ json_t *object = lease_object(k, version);
	_cleanup_free_ char *text = json_dumps(object, JSON_COMPACT);
	struct mill_kube_call c = {.what = "take the platform's Lease", .input = text, .cancel_fd = -1};

	return mill_kube_kubectl(k, &c, NULL, NULL, err, version ? "replace" : "create", "--filename=-", NULL);
}

/* 0: ours.  1: *ret_holder has it.  A race that was lost counts as held. */
static int try_take(struct mill_kube *k, char **ret_holder, struct mill_error *err)
{
	_cleanup_json_ json_t *lease = NULL;
	const json_t *spec;
	const char *holder;
	int r = mill_kube_json(k, MILL_KUBE_CALL("read the platform's Lease"), &lease, err, "get", "lease", LEASE,
			       "--ignore-not-found", NULL);

	if (r < 0)
		return r;
	spec = json_object_get(lease, "spec");
	holder = mill_json_get_string(spec, "holderIdentity", "");
	if (lease && *holder && !mill_streq(holder, k->holder) &&
	    age_s(mill_json_get_string(spec, "renewTime", NULL)) <= mill_json_get_int(spec, "leaseDurationSeconds", DURATION_S)) {
		*ret_holder = mill_xstrdup(holder);
		return 1;
	}
	r = put(k, lease ? mill_json_get_string(json_object_get(lease, "metadata"), "resourceVersion", "") : NULL, err);
	if (r < 0 && err && err->message && (strstr(err->message, "modified") || strstr(err->message, "already exists"))) {
		mill_error_release(err);
		*ret_holder = mill_xstrdup("somebody who was quicker");
		return 1;
	}
	return r;
}

/* ---- renewal ---- */

static void *renew(void *arg)
{
	struct mill_kube *k = arg;
	unsigned failed = 0;

	pthread_mutex_lock(&k->lease_lock);
	while (k->renewing) {
		_cleanup_free_ char *holder = NULL;
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += RENEW_S;
		if (pthread_cond_timedwait(&k->lease_end, &k->lease_lock, &until) == 0 || !k->renewing)
			continue;
		pthread_mutex_unlock(&k->lease_lock);
		int r = try_take(k, &holder, NULL);
		pthread_mutex_lock(&k->lease_lock);
		failed = r < 0 ? failed + 1 : 0;
		if (r > 0 || failed * RENEW_S > DURATION_S)
			k->lost = true;
	}
	pthread_mutex_unlock(&k->lease_lock);
	return NULL;
}

static int make_namespace(struct mill_kube *k, struct mill_error *err)
{
	_cleanup_json_ json_t *found = NULL, *object = NULL;
	_cleanup_free_ char *text = NULL;
	struct mill_kube_call get = {.what = "look for the namespace", .cancel_fd = -1, .cluster = true};
	struct mill_kube_call create = {.what = "make the namespace", .cancel_fd = -1, .cluster = true};
	int r = mill_kube_json(k, &get, &found, err, "get", "namespace", k->namespace, "--ignore-not-found", NULL);

	if (r < 0)
		return r;
	if (mill_streq(mill_json_get_string(json_object_get(found, "status"), "phase", ""), "Terminating")) {
		mill_fail(err, EBUSY, "namespace %s is being deleted", k->namespace);
		return mill_error_hint(err, "wait until it is gone; what keeps it: kubectl get namespace %s -o yaml", k->namespace);
	}
	k->namespace_exists = true;
	if (found)
		return 0;
	object = json_pack("{s:s, s:s, s:{s:s, s:o, s:{s:s}}}", "apiVersion", "v1", "kind", "Namespace", "metadata", "name",
			   k->namespace, "labels", mill_kube_labels(k, NULL, NULL), "annotations", "data-mill.io/made", "true");
	json_object_set_new(json_object_get(json_object_get(object, "metadata"), "labels"), "pod-security.kubernetes.io/enforce",
			    json_string("restricted"));
	text = json_dumps(object, JSON_COMPACT);
	create.input = text;
	r = mill_kube_kubectl(k, &create, NULL, NULL, err, "create", "--filename=-", NULL);
	if (r < 0 && err && err->message && strstr(err->message, "AlreadyExists")) { /* another machine was quicker */
		mill_error_release(err);
		r = 0;
	}
	return r;
}

int mill_kube_lock(struct mill_kube *k, int wait_ms, void (*on_wait)(void *arg, const char *holder), void *arg,
		   struct mill_error *err)
{
	uint64_t begin = mill_now_ns();
	char host[64] = "";
	bool told = false;
	int r = make_namespace(k, err);

	if (r < 0)
		return r;
	gethostname(host, sizeof(host) - 1);
	free(k->holder);
	k->holder = mill_xasprintf("%s pid %d", host, (int)getpid());
	for (;;) {
		_cleanup_free_ char *holder = NULL;

		r = try_take(k, &holder, err);
		if (r <= 0)
			break;
		if (wait_ms >= 0 && mill_now_ns() - begin >= (uint64_t)wait_ms * MILL_MS) {
			mill_fail(err, ETIMEDOUT, "namespace %s is being changed by data-mill on %s", k->namespace, holder);
			return mill_error_hint(err, "wait for it (--wait-lock); a Lease that nobody renews ends after %d s", DURATION_S);
		}
		if (!told && on_wait)
			on_wait(arg, holder);
		told = true;
		mill_sleep_ms(LOOK_MS);
	}
	if (r < 0)
		return r;
	k->leased = k->renewing = true;
	if (pthread_create(&k->renewer, NULL, renew, k) != 0) {
		k->renewing = false;
		return mill_fail(err, EAGAIN, "a thread that renews the Lease could not be made");
	}
	return mill_kube_pull(k, err); /* what was read before the Lease may be old */
}

void mill_kube_unlock(struct mill_kube *k)
{
	if (!k->leased)
		return;
	if (k->renewing) {
		pthread_mutex_lock(&k->lease_lock);
		k->renewing = false;
		pthread_cond_signal(&k->lease_end);
		pthread_mutex_unlock(&k->lease_lock);
		pthread_join(k->renewer, NULL);
	}
	k->leased = false;
	if (!k->lost)
		(void)mill_kube_kubectl(k, MILL_KUBE_CALL("give the Lease back"), NULL, NULL, NULL, "delete", "lease", LEASE,
					"--ignore-not-found", "--wait=false", NULL);
}
