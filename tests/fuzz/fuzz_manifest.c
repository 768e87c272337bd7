/*
 * Any bytes as a component's manifest, and as a flavour, through all checks of
 * the model: what is wrong ends in diagnostics, whatever it is.
 */
#include <fcntl.h>
#include <unistd.h>

#include "base/io.h"
#include "fuzz.h"
#include "model/model.h"

/* A project made once a process: a good flavour for the manifest, a good manifest for the flavour. */
struct place {
	char *dir, *manifest, *flavour;
};

static struct place place;

static const char good_manifest[] = "schema: 1\nname: good\ncategory: support\nsummary: s\nversion: '1'\n"
				    "provides:\n  thing: {url: x}\nsettings:\n  level: {type: int, default: 1, help: h}\n"
				    "services:\n  main:\n    command: [/bin/true]\n";
static const char good_flavour[] = "project:\n  flavour: app\n  k8s_default_config: native.yaml\n";

static void leave(void)
{
	mill_rm_rf(place.dir, NULL);
	free(place.dir);
	free(place.manifest);
	free(place.flavour);
}

static char *write_file(const char *folder, const char *name, const void *data, size_t size)
{
	_cleanup_free_ char *dir = mill_path_join(place.dir, folder);
	char *path = mill_path_join(dir, name);
	FUZZ_CHECK(mill_mkdir_p(dir, 0700, NULL) == 0);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FUZZ_CHECK(fd >= 0 && mill_write_all(fd, data, size) == 0);
	close(fd);
	return path;
}

static void enter(void)
{
	const char *top = getenv("TMPDIR");
	place.dir = mill_xasprintf("%s/mill-fuzz-XXXXXX", top && *top ? top : "/tmp");
	FUZZ_CHECK(mkdtemp(place.dir));
	atexit(leave);
	free(write_file("components/good", "component.yaml", good_manifest, strlen(good_manifest)));
	free(write_file("flavours", "app.yaml", good_flavour, strlen(good_flavour)));
	free(write_file("k8s/configs", "native.yaml", "local: {provider: native}\n", 26));
	unsetenv("DATA_MILL_FLAVOUR");
}

static void load(const char *flavour)
{
	struct mill_diags diags = MILL_DIAGS_INIT;
	struct mill_error err = {0};
	struct mill_model *m = NULL;
	struct mill_strbuf out = MILL_STRBUF_INIT;
	const struct mill_model_request q = {.resources = place.dir, .flavour = flavour, .all_manifests = true};
	int r = mill_model_load(&q, &diags, &m, &err);
	FUZZ_CHECK(r == 0 || err.message);
	mill_diags_render(&diags, &out, false);
	FUZZ_CHECK(!diags.n_errors || out.len);
	mill_model_free(m);
	mill_strbuf_release(&out);
	mill_diags_release(&diags);
	mill_error_release(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!place.dir)
		enter();
	free(place.manifest);
	free(place.flavour);
	place.manifest = write_file("components/app", "component.yaml", data, size);
	place.flavour = write_file("flavours", "fuzzed.yaml", data, size);
	load("app");
	FUZZ_CHECK(unlink(place.manifest) == 0);
	load("fuzzed");
	return 0;
}
