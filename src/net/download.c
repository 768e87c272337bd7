#include <curl/curl.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <strings.h>
#include <sys/stat.h>

#include "net/download.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/confine.h"

#define TRIES_DEFAULT 5
#define BACKOFF_FIRST_MS 500u
#define BACKOFF_MAX_MS 8000u
#define STALL_SECONDS 60L
#define CONNECT_SECONDS 30L

struct transfer {
	const struct mill_net_download *d;
	CURL *curl;
	struct mill_hash *hash;
	int fd;
	uint64_t max;
	uint64_t start; /* bytes that an earlier try left in .part */
	uint64_t done;  /* bytes in the file now */
	bool checked;   /* the answer's status was looked at */
	int failed;     /* errno of ours that ended the transfer */
};

static bool cancelled(const struct mill_net_download *d)
{
	struct pollfd p = {.fd = d->cancel_fd, .events = POLLIN};
	return d->cancel_fd >= 0 && poll(&p, 1, 0) > 0;
}

static void start_over(struct transfer *t)
{
	char ignored[MILL_SHA256_HEX];
	mill_hash_finish(t->hash, ignored);
	t->hash = mill_hash_new(MILL_SHA256);
	t->start = t->done = 0;
	if (ftruncate(t->fd, 0) < 0 || lseek(t->fd, 0, SEEK_SET) < 0)
		t->failed = errno;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	size_t len = size * n;
	if (!t->checked) {
		long status = 0;
		t->checked = true;
		curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
		/* The server ignored the range: this is the whole file again. */
		if (t->start && status == 200)
			start_over(t);
	}
	if (!t->failed && t->done + len > t->max)
		t->failed = EFBIG;
	if (!t->failed) {
		int r = mill_write_all(t->fd, data, len);
		t->failed = r < 0 ? -r : 0;
	}
	if (t->failed)
		return 0;
	mill_hash_update(t->hash, data, len);
	t->done += len;
	return len;
}

static int on_progress(void *arg, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up)
{
	struct transfer *t = arg;
	if (cancelled(t->d)) {
		t->failed = ECANCELED;
		return 1;
	}
	if (t->d->on_progress)
		t->d->on_progress(t->d->arg, t->done, total > 0 ? t->start + (uint64_t)total : 0);
	return 0;
}

/* Opens .part and hashes what is there, so that the transfer goes on after it. */
static int open_part(struct transfer *t, const char *part, struct mill_error *err)
{
	t->fd = open(part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (t->fd < 0)
		return mill_fail_errno(err, errno, "open %s", part);
	char buf[65536];
	ssize_t n;
	while ((n = mill_read_retry(t->fd, buf, sizeof(buf))) > 0) {
		mill_hash_update(t->hash, buf, (size_t)n);
		t->done += (uint64_t)n;
	}
	if (n < 0)
		return mill_fail_errno(err, (int)-n, "read %s", part);
	t->start = t->done;
	if (t->start >= t->max)
		start_over(t);
	return 0;
}

static void configure(struct transfer *t)
{
	const char *ca = getenv("CURL_CA_BUNDLE");
	if (!ca || !*ca)
		ca = getenv("SSL_CERT_FILE");
	const char *ca_dir = getenv("SSL_CERT_DIR");
	CURL *c = t->curl;
	curl_easy_setopt(c, CURLOPT_URL, t->d->url);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, t->d->allow_file ? "http,https,file" : "http,https");
	curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR,
			 mill_starts_with(t->d->url, "https:") ? "https" : "http,https");
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(c, CURLOPT_MAXREDIRS, 10L);
	curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, STALL_SECONDS);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "data-mill/" MILL_VERSION);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(c, CURLOPT_XFERINFODATA, t);
	/* Not RESUME_FROM: with that, a server without ranges is an error of libcurl's. */
	char range[32];
	snprintf(range, sizeof(range), "%llu-", (unsigned long long)t->start);
	if (t->start)
		curl_easy_setopt(c, CURLOPT_RANGE, range);
	if (ca && *ca)
		curl_easy_setopt(c, CURLOPT_CAINFO, ca);
	if (ca_dir && *ca_dir)
		curl_easy_setopt(c, CURLOPT_CAPATH, ca_dir);
}

/* Is another try worth it? */
static bool transient(CURLcode code, long status)
{
	switch (code) {
	case CURLE_HTTP_RETURNED_ERROR:
		return status == 408 || status == 429 || status >= 500;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_CONNECT:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
	case CURLE_SSL_CONNECT_ERROR:
		return true;
	default:
		return false;
	}
}

static int explain(const struct transfer *t, CURLcode code, long status, const char *text,
		   struct mill_error *err)
{
	const char *url = t->d->url;
	if (t->failed == ECANCELED)
		return mill_fail(err, ECANCELED, "download of %s was cancelled", url);
	if (t->failed == EFBIG)
		return mill_fail(err, EFBIG, "%s is larger than the %llu bytes expected", url,
				 (unsigned long long)t->max);
	if (t->failed)
		return mill_fail_errno(err, t->failed, "write %s", t->d->path);
	switch (code) {
	case CURLE_HTTP_RETURNED_ERROR:
		return mill_fail(err, EREMOTEIO, "%s: the server answered %ld", url, status);
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_CONNECT:
		mill_fail(err, ENETUNREACH, "no network: could not reach %s: %s", url, text);
		return mill_error_hint(err, "check the connection and the proxy variables, then run "
					    "the same command again");
	default:
		return mill_fail(err, EIO, "download %s: %s", url, text);
	}
}

/* One request.  1: worth another try. */
static int attempt(struct transfer *t, const char *part, struct mill_error *err)
{
	char text[CURL_ERROR_SIZE] = "";
	long status = 0;
	t->done = t->start = 0;
	t->checked = false;
	t->failed = 0;
	t->hash = mill_hash_new(MILL_SHA256);
	char sha[MILL_SHA256_HEX];
	int r = open_part(t, part, err);
	if (r < 0) {
		mill_hash_finish(t->hash, sha);
		return r;
	}
	curl_easy_reset(t->curl);
	curl_easy_setopt(t->curl, CURLOPT_ERRORBUFFER, text);
	configure(t);
	CURLcode code = curl_easy_perform(t->curl);
	curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	mill_hash_finish(t->hash, sha);
	/* 416 to a resumed request: .part is as long as the file, or longer and not its beginning. */
	bool whole = code == CURLE_HTTP_RETURNED_ERROR && status == 416 && t->start && t->d->sha256 &&
		     strcasecmp(sha, t->d->sha256) == 0;
	if (code != CURLE_OK && !whole) {
		bool stale = t->start && (status == 416 || code == CURLE_RANGE_ERROR ||
					  code == CURLE_BAD_DOWNLOAD_RESUME);
		if (stale || t->failed == EFBIG)
			(void)unlink(part);
		explain(t, code, status, text[0] ? text : curl_easy_strerror(code), err);
		return !t->failed && (stale || transient(code, status)) ? 1 : -1;
	}
	if (t->d->sha256 && strcasecmp(sha, t->d->sha256) != 0) {
		(void)unlink(part);
		mill_fail(err, EBADMSG, "%s: checksum mismatch: expected sha256 %s, got %s", t->d->url,
			  t->d->sha256, sha);
		/* What an earlier try left may be at fault: once more from the start. */
		return t->start ? 1 : -1;
	}
	if (fsync(t->fd) < 0)
		return mill_fail_errno(err, errno, "write %s", part);
	if (t->d->ret_sha256)
		memcpy(t->d->ret_sha256, sha, sizeof(sha));
	return 0;
}

/* Full jitter: anything between 0 and the doubled delay; woken by cancel_fd. */
static bool back_off(const struct mill_net_download *d, unsigned n)
{
	unsigned limit = BACKOFF_FIRST_MS << (n < 4 ? n : 4), random;
	mill_random_bytes(&random, sizeof(random));
	if (limit > BACKOFF_MAX_MS)
		limit = BACKOFF_MAX_MS;
	struct pollfd p = {.fd = d->cancel_fd, .events = POLLIN};
	return poll(&p, d->cancel_fd >= 0 ? 1 : 0, (int)(random % limit)) > 0;
}

static void global_init(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int download_here(void *arg, struct mill_error *err)
{
	const struct mill_net_download *d = arg;
	_cleanup_free_ char *part = mill_xasprintf("%s.part", d->path);
	struct transfer t = {.d = d, .fd = -1};
	t.max = d->max_bytes ? d->max_bytes : MILL_NET_DOWNLOAD_MAX;
	t.curl = curl_easy_init();
	if (!t.curl)
		return mill_fail(err, ENOMEM, "start libcurl");
	unsigned tries = d->tries ? d->tries : TRIES_DEFAULT;
	int r = 1;
	for (unsigned i = 0; i < tries && r > 0; i++) {
		if (i && back_off(d, i)) {
			mill_fail(err, ECANCELED, "download of %s was cancelled", d->url);
			break;
		}
		r = attempt(&t, part, err);
		if (t.fd >= 0)
			close(t.fd);
		t.fd = -1;
	}
	curl_easy_cleanup(t.curl);
	if (r != 0)
		return err->code ? -err->code : -EIO;
	mill_error_release(err); /* of tries that failed before */
	if (rename(part, d->path) < 0)
		return mill_fail_errno(err, errno, "rename %s", part);
	return 0;
}

int mill_net_download(const struct mill_net_download *d, struct mill_error *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, global_init);
	_cleanup_error_ struct mill_error local = {0};
	struct mill_confine c = {.set_ids = d->set_ids, .uid = d->uid, .gid = d->gid};
	return mill_confined(&c, download_here, (void *)d, err ? err : &local);
}
