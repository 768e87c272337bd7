/* Hidden: the process that installs for images in a namespace of its own (image/worker.h). */
#include "base/base.h"
#include "base/io.h"
#include "base/json.h"
#include "cmd/commands.h"
#include "cmd/interrupt.h"
#include "image/worker.h"

#define JOB_MAX ((size_t)16 << 20)

static int run(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf job = MILL_STRBUF_INIT_MAX(JOB_MAX);
	_cleanup_json_ json_t *j = NULL;
	int r = mill_interrupt_fd(err) < 0 ? -err->code : 0;
	ssize_t n = 1;

	while (r == 0 && n > 0) {
		char *to = mill_strbuf_reserve(&job, 65536);

		if (!to)
			return mill_fail_usage(err, "the job is too long");
		n = mill_read_retry(STDIN_FILENO, to, 65536);
		if (n < 0)
			return mill_fail_errno(err, (int)-n, "read the job");
		mill_strbuf_advance(&job, (size_t)n);
	}
	if (r == 0)
		r = mill_json_parse("standard input", job.data, job.len, &j, err);
	if (r < 0)
		return r;
	if (!json_is_object(j))
		return mill_fail_usage(err, "image-worker: `image build` starts it");
	return mill_image_worker(j, STDOUT_FILENO, mill_interrupt_fd(NULL));
}

const struct mill_command mill_cmd_image_worker = {
	.name = MILL_IMAGE_WORKER_COMMAND,
	.summary = "install for images, as `image build` asks on standard input",
	.usage = "",
	.run = run,
};
