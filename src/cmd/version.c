#include <sys/utsname.h>

#include "base/base.h"
#include "base/json.h"
#include "cmd/commands.h"

#ifndef MILL_VERSION
#define MILL_VERSION "unknown"
#endif

static int run(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	struct mill_json_writer w;
	struct utsname machine;

	if (!inv->ui->json) {
		mill_outf("data-mill %s\n", MILL_VERSION);
		return MILL_EXIT_OK;
	}
	if (uname(&machine) < 0)
		return mill_fail_errno(err, errno, "uname");
	mill_json_writer_init(&w, &out, true);
	mill_json_begin_object(&w);
	mill_json_kv_string(&w, "version", MILL_VERSION);
	mill_json_kv_string(&w, "compiler", __VERSION__);
	mill_json_kv_string(&w, "system", machine.sysname);
	mill_json_kv_string(&w, "machine", machine.machine);
	mill_json_kv_int(&w, "manifest_schema", 1);
	mill_json_kv_int(&w, "state_version", 1);
	mill_json_kv_int(&w, "protocol_version", 1);
	mill_json_end_object(&w);
	mill_outf("%s\n", out.data);
	return MILL_EXIT_OK;
}

const struct mill_command mill_cmd_version = {
	.name = "version",
	.group = "Program",
	.summary = "print the version",
	.usage = "",
	.description = "Prints the program's version; with --json also the versions of the formats that it "
		       "reads and writes.",
	.examples = "data-mill version --json",
	.run = run,
};
