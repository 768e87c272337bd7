#include "daemon/request.h"

#include "base/json.h"
#include "spec/spec.h"

#define DAY_MS 86400000

static const struct op {
	const char *name;
	bool needs_services;
} ops[] = {
	[MILL_OP_HELLO] = {"hello", false},   [MILL_OP_STATUS] = {"status", false}, [MILL_OP_START] = {"start", true},
	[MILL_OP_STOP] = {"stop", true},      [MILL_OP_RESTART] = {"restart", true}, [MILL_OP_RELOAD] = {"reload", true},
	[MILL_OP_WAIT] = {"wait", true},      [MILL_OP_DOWN] = {"down", false},	    [MILL_OP_EVENTS] = {"events", false},
	[MILL_OP_QUIT] = {"quit", false},
};

const char *mill_op_name(enum mill_op op)
{
	return ops[op].name;
}

static int read_op(const json_t *root, struct mill_request *r, struct mill_error *err)
{
	const char *name = mill_json_get_string(root, "op", NULL);
	for (size_t i = 0; name && i < MILL_ARRAY_LEN(ops); i++) {
		if (mill_streq(ops[i].name, name)) {
			r->op = (enum mill_op)i;
			return 0;
		}
	}
	return mill_fail(err, EINVAL, name ? "there is no such op" : "op is missing");
}

static int read_services(const json_t *root, struct mill_request *r, struct mill_error *err)
{
	const json_t *list = json_object_get(root, "services");
	size_t i;
	json_t *item;
	if (list && !json_is_array(list))
		return mill_fail(err, EINVAL, "services must be a list");
	if (json_array_size(list) > MILL_REQUEST_SERVICES_MAX)
		return mill_fail(err, EINVAL, "more than %d services in one request", MILL_REQUEST_SERVICES_MAX);
	json_array_foreach(list, i, item)
	{
		const char *id = json_string_value(item);
		if (!mill_spec_id_is_valid(id))
			return mill_fail(err, EINVAL, "services[%zu] is not of the form component.service", i);
		if (!mill_strv_contains(&r->services, id))
			mill_strv_add(&r->services, id);
	}
	if (ops[r->op].needs_services && r->services.n == 0)
		return mill_fail(err, EINVAL, "%s needs services", ops[r->op].name);
	return 0;
}

static int read_number(const json_t *root, const char *key, int64_t max, int64_t fallback, int64_t *ret,
		       struct mill_error *err)
{
	const json_t *v = json_object_get(root, key);
	*ret = fallback;
	if (!v)
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > max)
		return mill_fail(err, EINVAL, "%s must be a number between 0 and %lld", key, (long long)max);
	*ret = json_integer_value(v);
	return 0;
}

static int read_fields(const json_t *root, struct mill_request *r, struct mill_error *err)
{
	int64_t version, timeout;
	const json_t *what = json_object_get(root, "for");
	int rc = read_number(root, "v", INT64_MAX, MILL_CONTROL_PROTOCOL, &version, err);
	if (rc == 0 && version != MILL_CONTROL_PROTOCOL)
		return mill_fail(err, EINVAL, "protocol %lld is not spoken here, %d is", (long long)version,
				 MILL_CONTROL_PROTOCOL);
	if (rc == 0)
		rc = read_op(root, r, err);
	if (rc == 0)
		rc = read_services(root, r, err);
	if (rc == 0)
		rc = read_number(root, "timeout_ms", DAY_MS, 0, &timeout, err);
	if (rc == 0)
		rc = read_number(root, "since", INT64_MAX, -1, &r->since, err);
	if (rc < 0)
		return rc;
	r->timeout_ms = (uint32_t)timeout;
	r->wait_stopped = mill_streq(json_string_value(what), "stopped");
	if (what && !r->wait_stopped && !mill_streq(json_string_value(what), "ready"))
		return mill_fail(err, EINVAL, "for must be ready or stopped");
	return 0;
}

int mill_request_parse(const char *line, size_t len, struct mill_request *ret, int64_t *ret_id,
		       struct mill_error *err)
{
	_cleanup_json_ json_t *root = NULL;
	struct mill_request r = {0};
	*ret_id = 0;
	if (len > MILL_REQUEST_MAX)
		return mill_fail(err, EINVAL, "the request is larger than %zu bytes", MILL_REQUEST_MAX);
	int rc = mill_json_parse("request", line, len, &root, err);
	if (rc < 0)
		return rc;
	if (!json_is_object(root))
		return mill_fail(err, EINVAL, "the request is not an object");
	r.id = *ret_id = mill_json_get_int(root, "id", 0);
	rc = read_fields(root, &r, err);
	if (rc < 0)
		mill_request_release(&r);
	else
		*ret = r;
	return rc;
}

void mill_request_release(struct mill_request *r)
{
	mill_strv_release(&r->services);
}
