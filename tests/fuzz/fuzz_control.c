/* Any line as a request of the control protocol: the daemon reads nothing else of what a client sends. */
#include "daemon/request.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mill_request request;
	struct mill_error err = {0};
	int64_t id = -1;
	int r = mill_request_parse((const char *)data, size, &request, &id, &err);
	FUZZ_CHECK(r == 0 || r == -EINVAL);
	if (r < 0) {
		FUZZ_CHECK(err.message && *err.message);
		mill_error_release(&err);
		return 0;
	}
	FUZZ_CHECK(id == request.id);
	FUZZ_CHECK(mill_op_name(request.op));
	FUZZ_CHECK(request.services.n <= MILL_REQUEST_SERVICES_MAX);
	mill_request_release(&request);
	return 0;
}
