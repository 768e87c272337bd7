/* One slot of an engine: shared by s3_engine.c (the loop) and s3_transfer.c (one attempt). */
#ifndef MILL_LAKE_S3_SLOT_H
#define MILL_LAKE_S3_SLOT_H

#include <curl/curl.h>
#include <openssl/evp.h>
#include <poll.h>

#include "lake/s3.h"

#define SLOT_NODES_MAX (MILL_S3_HEADER_MAX + 12)

enum slot_state { SLOT_IDLE, SLOT_RUNNING, SLOT_WAITING };
enum slot_mode { MODE_NONE, MODE_GET, MODE_HEAD, MODE_MEMORY, MODE_FILE };

struct mill_s3_slot {
	struct mill_s3_call call;
	struct mill_s3_engine *engine;
	CURL *easy;
	enum slot_state state;
	enum slot_mode mode; /* what the handle is set up for */
	unsigned attempt;
	uint64_t due_ns; /* SLOT_WAITING: the next attempt */
	struct mill_strbuf url, header_text, buffer;
	struct curl_slist nodes[SLOT_NODES_MAX]; /* point into header_text */
	size_t node_at[SLOT_NODES_MAX];
	uint64_t sent;  /* of the body in this attempt */
	bool ranged;    /* a part of the object was asked for */
	int sink_error; /* positive errno: the body could not be kept */
	EVP_MD_CTX *md5;
	char curl_error[CURL_ERROR_SIZE];
};

struct mill_s3_engine {
	struct mill_s3_conf *conf;
	CURLM *multi;
	struct mill_sigv4 *signer;
	EVP_MD *md5;
	struct mill_s3_hasher *hasher;
	struct mill_s3_slot *slots;
	unsigned n_slots;
	struct pollfd *fds; /* [0] is the cancel fd; what curl wants follows */
	size_t n_fds, cap_fds;
	struct pollfd *ready;
	size_t cap_ready;
	uint64_t timer_due_ns; /* UINT64_MAX: none */
	uint64_t ticked_ns;
	int64_t date_seconds;
	char date[MILL_SIGV4_DATE_LEN];
};

/* Signs and sets the handle up; the caller adds it to the multi handle. */
int mill_s3_slot_prepare(struct mill_s3_slot *s, struct mill_error *err);
/* Reads the outcome; *ret_retry: worth another try, after at least *ret_pause_ms. */
int mill_s3_slot_outcome(struct mill_s3_slot *s, CURLcode code, bool *ret_retry,
			 unsigned *ret_pause_ms, struct mill_error *err);
/* Before the first attempt of a request. */
void mill_s3_slot_begin(struct mill_s3_slot *s);

#endif
