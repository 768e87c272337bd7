/* The options of a lake: defaults, ceilings, the endpoint taken apart by libcurl. */
#include <curl/curl.h>
#include <sched.h>

#include "base/base.h"
#include "lake/s3.h"

#define PART_SIZE_MIN ((uint64_t)5 << 20) /* S3's own limit */
#define PART_SIZE_MAX ((uint64_t)5 << 30)

static unsigned or_default(unsigned v, unsigned fallback, unsigned max)
{
	if (v == 0)
		v = fallback;
	return v < max ? v : max;
}

static unsigned processors(void)
{
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	return (unsigned)CPU_COUNT(&set);
}

static void cleanup_url(CURLU **u)
{
	curl_url_cleanup(*u);
}

static void cleanup_curl(char **s)
{
	curl_free(*s);
}

static bool is_loopback(const char *host)
{
	return mill_starts_with(host, "127.") || mill_streq(host, "localhost") ||
	       mill_streq(host, "[::1]");
}

static bool has_part(CURLU *u, CURLUPart part)
{
	_cleanup_(cleanup_curl) char *s = NULL;
	return curl_url_get(u, part, &s, 0) == CURLUE_OK && s && *s && !mill_streq(s, "/");
}

static int parse_endpoint(struct mill_s3_conf *c, const char *endpoint, enum mill_lake_style style,
			  struct mill_error *err)
{
	_cleanup_(cleanup_url) CURLU *u = curl_url();
	_cleanup_(cleanup_curl) char *scheme = NULL, *host = NULL, *port = NULL;
	if (curl_url_set(u, CURLUPART_URL, endpoint, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK || !*host)
		return mill_fail_usage(err, "'%s' is not an endpoint such as http://127.0.0.1:9000",
				       endpoint);
	if (!mill_streq(scheme, "http") && !mill_streq(scheme, "https"))
		return mill_fail_usage(err, "the endpoint '%s' is neither http nor https", endpoint);
	if (has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_PASSWORD))
		return mill_fail_usage(err, "an endpoint must not contain credentials");
	if (has_part(u, CURLUPART_PATH) || has_part(u, CURLUPART_QUERY) ||
	    has_part(u, CURLUPART_FRAGMENT))
		return mill_fail_usage(err, "the endpoint '%s' has more than scheme, host and port",
				       endpoint);
	curl_url_get(u, CURLUPART_PORT, &port, CURLU_NO_DEFAULT_PORT);
	c->scheme = mill_xstrdup(scheme);
	c->host = port ? mill_xasprintf("%s:%s", host, port) : mill_xstrdup(host);
	c->base = mill_xasprintf("%s://%s", c->scheme, c->host);
	c->loopback = is_loopback(host);
	c->virtual_host = style == MILL_LAKE_STYLE_VIRTUAL ||
			  (style == MILL_LAKE_STYLE_AUTO && mill_ends_with(host, ".amazonaws.com"));
	return 0;
}

int mill_s3_conf_init(struct mill_s3_conf *c, const struct mill_lake_options *o,
		      struct mill_error *err)
{
	*c = (struct mill_s3_conf){.cancel_fd = o->cancel_fd};
	if (!o->endpoint || !o->access_key || !o->secret_key)
		return mill_fail_usage(err, "a lake needs an endpoint and credentials");
	int r = parse_endpoint(c, o->endpoint, o->style, err);
	if (r < 0)
		return r;
	c->access_key = mill_xstrdup(o->access_key);
	c->secret_key = mill_xstrdup(o->secret_key);
	c->session_token = o->session_token ? mill_xstrdup(o->session_token) : NULL;
	c->region = mill_xstrdup(o->region ? o->region : "us-east-1");
	c->ca_file = o->ca_file ? mill_xstrdup(o->ca_file) : NULL;
	c->jobs = or_default(o->jobs, 32, MILL_S3_JOBS_MAX);
	unsigned cpus = processors();
	c->threads = or_default(o->threads, cpus < 4 ? cpus : 4, MILL_S3_THREADS_MAX);
	if (c->threads > c->jobs)
		c->threads = c->jobs;
	c->attempts = or_default(o->attempts, 6, 100);
	c->backoff_ms = or_default(o->backoff_ms, 100, MILL_S3_BACKOFF_MAX_MS);
	c->connect_timeout_ms = or_default(o->connect_timeout_ms, 10000, 600000);
	c->stall_timeout_s = or_default(o->stall_timeout_s, 30, 3600);
	c->part_size = o->part_size_bytes ? o->part_size_bytes : (uint64_t)16 << 20;
	if (c->part_size < PART_SIZE_MIN)
		c->part_size = PART_SIZE_MIN;
	if (c->part_size > PART_SIZE_MAX)
		c->part_size = PART_SIZE_MAX;
	return 0;
}

void mill_s3_conf_release(struct mill_s3_conf *c)
{
	if (c->secret_key)
		explicit_bzero(c->secret_key, strlen(c->secret_key));
	free(c->access_key);
	free(c->secret_key);
	free(c->session_token);
	free(c->region);
	free(c->ca_file);
	free(c->base);
	free(c->scheme);
	free(c->host);
}
