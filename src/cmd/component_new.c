/* component new: a component that validates and comes up as it is: a manifest and one HTTP server. */
#include "base/base.h"
#include "base/io.h"
#include "cmd/component.h"

static const char manifest[] =
	"# %s: what it is in one line.  `data-mill component schema` has every key, docs/manifest.md explains them.\n"
	"schema: 1\n"
	"name: %s\n"
	"category: support\n"
	"summary: a small HTTP server\n"
	"version: \"0.1.0\"\n"
	"tested: false\n"
	"\n"
	"settings:\n"
	"  greeting: {type: string, default: hello, help: what the server answers}\n"
	"\n"
	"# What others and your code may use: ${%s.url} after `requires: [%s]`, and `data-mill env`.\n"
	"provides:\n"
	"  %s: {url: \"http://${host}:${port.server.http}\"}\n"
	"environment: {%s_URL: \"${provides.%s.url}\"}\n"
	"links:\n"
	"  - {title: Page, service: server, port: http}\n"
	"\n"
	"# Nothing to install: the server is the standard library's, run by the hooks' Python.\n"
	"services:\n"
	"  server:\n"
	"    summary: answers every request with the greeting\n"
	"    command: [\"${tools}/bin/python\", \"${component}/server.py\", --bind, \"${bind}\", --port, \"${port.http}\"]\n"
	"    environment: {GREETING: \"${setting.greeting}\"}\n"
	"    ports: {http: 8600}\n"
	"    readiness: {http: {port: http, path: /}}\n"
	"    resources: {memory: 64Mi, memory_min: 32Mi}\n"
	"\n"
	"smoke: smoke.py\n";

static const char server[] =
	"\"\"\"Answers every request with the greeting.\"\"\"\n"
	"import argparse\n"
	"import os\n"
	"from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer\n"
	"\n"
	"\n"
	"class Handler(BaseHTTPRequestHandler):\n"
	"    def do_GET(self):\n"
	"        body = (os.environ[\"GREETING\"] + \"\\n\").encode()\n"
	"        self.send_response(200)\n"
	"        self.send_header(\"Content-Type\", \"text/plain; charset=utf-8\")\n"
	"        self.send_header(\"Content-Length\", str(len(body)))\n"
	"        self.end_headers()\n"
	"        self.wfile.write(body)\n"
	"\n"
	"\n"
	"parser = argparse.ArgumentParser()\n"
	"parser.add_argument(\"--bind\", required=True)\n"
	"parser.add_argument(\"--port\", type=int, required=True)\n"
	"options = parser.parse_args()\n"
	"ThreadingHTTPServer((options.bind, options.port), Handler).serve_forever()\n";

static const char smoke[] =
	"\"\"\"Proves that the server answers what it was told to.  docs/internals/hooks.md has the contract.\"\"\"\n"
	"import urllib.request\n"
	"\n"
	"import mill_hook\n"
	"\n"
	"ask = mill_hook.ask()\n"
	"check = mill_hook.Checks()\n"
	"answer = urllib.request.urlopen(ask[\"provides\"][ask[\"component\"]][\"url\"], timeout=10).read().decode().strip()\n"
	"check(\"answer\", answer == ask[\"settings\"][\"greeting\"], answer)\n"
	"check.end(f\"the server says {answer}\")\n";

static const char readme[] =
	"# %s\n"
	"\n"
	"What it is, who makes it, what it is for.\n"
	"\n"
	"- Settings: `data-mill component show %s`.\n"
	"- It runs natively; `data-mill test %s` asks the server and compares its answer.\n";

static bool name_is_fine(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > 41 || name[0] < 'a' || name[0] > 'z')
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

/* HELLO_WORLD of hello-world: the name of an environment variable; owned. */
static char *upper(const char *name)
{
	char *s = mill_xstrdup(name);

	for (char *c = s; *c; c++)
		*c = *c == '-' ? '_' : *c >= 'a' && *c <= 'z' ? (char)(*c - 32) : *c;
	return s;
}

static int write_file(const char *dir, const char *file, const char *text, struct mill_error *err)
{
	_cleanup_free_ char *path = mill_path_join(dir, file);

	return mill_write_file(path, text, strlen(text), 0644, MILL_WRITE_EXCLUSIVE, err);
}

static int write_all(const char *dir, const char *name, struct mill_error *err)
{
	_cleanup_free_ char *variable = upper(name);
	_cleanup_free_ char *yaml =
		mill_xasprintf(manifest, name, name, name, name, name, variable, name);
	_cleanup_free_ char *text = mill_xasprintf(readme, name, name, name);
	int r = mill_mkdir_p(dir, 0755, err);

	if (r == 0)
		r = write_file(dir, "component.yaml", yaml, err);
	if (r == 0)
		r = write_file(dir, "server.py", server, err);
	if (r == 0)
		r = write_file(dir, "smoke.py", smoke, err);
	return r < 0 ? r : write_file(dir, "README.md", text, err);
}

static int run(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	const char *name = mill_arg(inv, 0), *root;
	_cleanup_free_ char *dir = NULL;
	int r = mill_context_layout(&ctx, err);

	if (r < 0)
		return r;
	if (!name_is_fine(name)) {
		mill_fail_usage(err, "component new: '%s' cannot be a component's name", name);
		return mill_error_hint(err, "a letter, then letters, digits and dashes; all lower case; at most 41");
	}
	root = ctx.layout.project ? ctx.layout.project : ctx.layout.resources;
	dir = mill_xasprintf("%s/components/%s", root, name);
	if (mill_exists(dir))
		return mill_fail_usage(err, "component new: %s is there already", dir);
	r = write_all(dir, name, err);
	if (r < 0)
		return r;
	mill_outf("%s\n", dir);
	mill_note(inv->ui, "it works as it is:\n"
			   "  data-mill component validate %s\n"
			   "  data-mill up -c %s\n"
			   "  data-mill test %s", name, name, name);
	return MILL_EXIT_OK;
}

const struct mill_command mill_cmd_component_new = {
	.name = "new", .summary = "make a component to start from", .usage = "NAME",
	.description = "Writes components/NAME into your project (or, outside of one, into data-mill's own folder): a "
		       "manifest, a small HTTP server in Python, a smoke test, a README. It validates and comes up as "
		       "it is; change it from there.",
	.examples = "data-mill component new hello\n"
		    "data-mill up -c hello && data-mill test hello",
	.min_args = 1, .max_args = 1, .run = run,
};
