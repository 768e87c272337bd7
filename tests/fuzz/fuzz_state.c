/*
 * Any bytes as what the daemon reads of a platform's folder: a service's
 * spec.json and status.json (run/ belongs to the service's user), a line of the
 * journal, log/current under a probe's pattern.
 */
#include "base/io.h"
#include "base/json.h"
#include "daemon/journal.h"
#include "daemon/probe.h"
#include "daemon/status.h"
#include "fuzz.h"
#include "spec/spec.h"

static char *dir;

static void leave(void)
{
	mill_rm_rf(dir, NULL);
	free(dir);
}

static void put(const char *name, const uint8_t *data, size_t size)
{
	_cleanup_free_ char *path = mill_path_join(dir, name);
	FUZZ_CHECK(mill_write_file(path, data, size, 0600, 0, NULL) == 0);
}

static void enter(void)
{
	static const char *const folders[] = {"run", "log"};
	const char *top = getenv("TMPDIR");
	dir = mill_xasprintf("%s/mill-fuzz-XXXXXX", top && *top ? top : "/tmp");
	FUZZ_CHECK(mkdtemp(dir));
	atexit(leave);
	for (size_t i = 0; i < MILL_ARRAY_LEN(folders); i++) {
		_cleanup_free_ char *path = mill_path_join(dir, folders[i]);
		FUZZ_CHECK(mill_mkdir_p(path, 0700, NULL) == 0);
	}
}

static void read_status(void)
{
	_cleanup_error_ struct mill_error err = {0};
	struct mill_status s;
	if (mill_status_read(dir, &s, &err) < 0) {
		FUZZ_CHECK(err.message && *err.message);
		return;
	}
	FUZZ_CHECK(s.fingerprint && s.state <= MILL_STATUS_FAILED);
	mill_status_release(&s);
}

static void read_spec(const uint8_t *data, size_t size)
{
	_cleanup_error_ struct mill_error err = {0};
	_cleanup_json_ json_t *root = NULL;
	struct mill_spec spec;
	if (mill_json_parse("spec", (const char *)data, size, &root, NULL) < 0)
		return;
	if (mill_spec_from_json(root, false, &spec, &err) < 0) {
		FUZZ_CHECK(err.message && *err.message);
		return;
	}
	FUZZ_CHECK(mill_spec_id_is_valid(spec.id) && spec.dir[0] == '/' && spec.platform_dir[0] == '/');
	FUZZ_CHECK(spec.stop_signal >= 1 && spec.stop_signal <= 64);
	static const char *const probes[] = {NULL, "startup", "readiness", "liveness"};
	for (size_t i = 0; i < MILL_ARRAY_LEN(probes); i++) {
		_cleanup_strv_ struct mill_strv argv = {0};
		FUZZ_CHECK(mill_spec_command(&spec, probes[i], &argv, NULL) < 0 || argv.n > 0);
	}
	mill_spec_release(&spec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool found;
	if (!dir)
		enter();
	put("run/status.json", data, size);
	read_status();
	read_spec(data, size);
	mill_journal_line_seq((const char *)data, size);
	put("log/current", data, size);
	FUZZ_CHECK(mill_probe_log_matches(dir, "ready [0-9]+$", 0, &found, NULL) == 0);
	return 0;
}
