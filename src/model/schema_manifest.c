/* The manifest (docs/manifest.md) as tables, smallest parts first. */
#include "model/schema.h"
#include "model/schema_kubernetes.h"
#include "model/schema_parts.h"

#define REQ MILL_S_REQUIRED

static bool match_when(const char *s)
{
	s += *s == '!';
	return mill_match_capability(mill_starts_with(s, "setting.") ? s + strlen("setting.") : s);
}

/* ---- vocabulary ---- */
static const char *const categories[] = {"ingestion", "storage",     "versioning", "batch",    "streams",
					 "monitoring", "exploration", "bi",         "tracking", "serving",
					 "pipelines",  "support",     "environment", NULL};
static const char *const statuses[] = {"maintained", "frozen", "dead", NULL};
static const char *const alphabets[] = {"alnum", "hex", "base64url", "certificate", NULL};
static const char *const setting_types[] = {"string", "int",      "number", "bool", "size",
					    "duration", "enum", "list",   NULL};
static const char *const runtimes[] = {"native", "kubernetes", NULL};
static const char *const formats[] = {"text", "json", "yaml", "ini", "properties", NULL};
static const char *const policies[] = {"always", "on-failure", "never", NULL};
static const char *const protocols[] = {"tcp", "udp", NULL};
static const char *const signals[] = {"TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "KILL", NULL};

static const struct mill_schema schema_number = {.type = MILL_T_INT, .what = "the manifest's version, 1", .min = 1, .max = 1};
static const struct mill_schema category = {.type = MILL_T_ENUM, .values = categories};
static const struct mill_schema status = {.type = MILL_T_ENUM, .values = statuses};
static const struct mill_schema alphabet = {.type = MILL_T_ENUM, .values = alphabets};
static const struct mill_schema setting_type = {.type = MILL_T_ENUM, .values = setting_types};
static const struct mill_schema runtime = {.type = MILL_T_ENUM, .values = runtimes};
static const struct mill_schema runtime_list = {.type = MILL_T_LIST, .item = &runtime, .min = 1, .max = 2};
static const struct mill_schema format = {.type = MILL_T_ENUM, .values = formats};
static const struct mill_schema policy = {.type = MILL_T_ENUM, .values = policies};
static const struct mill_schema protocol = {.type = MILL_T_ENUM, .values = protocols};
static const struct mill_schema signal_name = {.type = MILL_T_ENUM, .values = signals};
static const struct mill_schema collection_list = {.type = MILL_T_LIST, .item = &mill_s_identifier, .max = 8};
static const struct mill_schema positive = {.type = MILL_T_INT, .min = 1, .max = 1000000};
static const struct mill_schema count = {.type = MILL_T_INT, .min = 0, .max = 1000000};
static const struct mill_schema template_list = {.type = MILL_T_LIST, .item = &mill_s_template, .max = 256};
static const struct mill_schema capability_name = {.type = MILL_T_TEXT, .what = "a capability's name",
	.pattern = "^[a-z][a-z0-9_-]{0,40}$", .match = mill_match_capability};
static const struct mill_schema capability_list = {.type = MILL_T_LIST, .item = &capability_name, .max = 64};
static const struct mill_schema env_name = {.type = MILL_T_TEXT, .what = "a variable's name",
	.pattern = "^[A-Za-z_][A-Za-z0-9_]*$", .match = mill_match_env_name};
static const struct mill_schema sha256 = {.type = MILL_T_TEXT, .what = "a SHA-256 in hex",
	.pattern = "^[0-9a-f]{64}$", .match = mill_match_sha256};
static const struct mill_schema toolchain = {.type = MILL_T_TEXT, .what = "a tool chain such as java or \"java>=17\"",
	.pattern = "^(go|python|node|java|uv|maven)(>=[0-9][0-9.]*)?$", .match = mill_match_toolchain};
static const struct mill_schema toolchain_list = {.type = MILL_T_LIST, .item = &toolchain, .max = 8};
const struct mill_schema mill_s_when = {.type = MILL_T_TEXT, .what = "a condition: s3, \"!s3\", setting.name or kubernetes",
	.pattern = "^!?(setting\\.)?[a-z][a-z0-9_-]{0,40}$", .match = match_when};

/* ---- values that a `when` may drop ---- */
static const struct mill_schema_key conditional_keys[] = {
	{"value", &mill_s_template, REQ, "the text"},
	{"when", &mill_s_when, 0, "dropped unless this holds: a capability (s3), its absence (!s3), a bool setting (setting.x), the runtime (kubernetes)"},
	{0}};
static const struct mill_schema conditional_map = {.type = MILL_T_OBJECT, .keys = conditional_keys};
const struct mill_schema mill_s_conditional = {.type = MILL_T_UNION, .what = "text, or {value, when}",
	.scalar = &mill_s_template, .map = &conditional_map};
static const struct mill_schema command = {.type = MILL_T_LIST, .what = "a list: the program and its arguments",
	.item = &mill_s_conditional, .min = 1, .max = 256};
static const struct mill_schema plain_command = {.type = MILL_T_LIST, .what = "a list: the program and its arguments",
	.item = &mill_s_template, .min = 1, .max = 256};
static const struct mill_schema environment = {.type = MILL_T_MAP, .key = &env_name, .item = &mill_s_conditional, .max = 256};

/* ---- identity ---- */
static const struct mill_schema_key upstream_keys[] = {
	{"status", &status, REQ, "how the project behind it is doing"},
	{"checked", &mill_s_text, 0, "when somebody last looked, as YYYY-MM-DD"},
	{"note", &mill_s_text, 0, "what a user should know"},
	{0}};
static const struct mill_schema upstream = {.type = MILL_T_OBJECT, .keys = upstream_keys};
static const struct mill_schema tested = {.type = MILL_T_TEXT, .what = "true, false or why not"};

/* ---- capabilities ---- */
static const struct mill_schema provided = {.type = MILL_T_MAP, .key = &mill_s_identifier, .item = &mill_s_conditional, .max = 64};
static const struct mill_schema provides = {.type = MILL_T_MAP, .key = &capability_name, .item = &provided, .max = 32};
static const struct mill_schema parameters = {.type = MILL_T_MAP, .key = &mill_s_identifier, .item = &mill_s_template, .max = 32};
static const struct mill_schema requirement_map = {.type = MILL_T_MAP, .flags = MILL_S_ONE_KEY, .key = &capability_name, .item = &parameters};
static const struct mill_schema requirement = {.type = MILL_T_UNION, .what = "a capability, or {capability: {parameter: value}}",
	.scalar = &capability_name, .map = &requirement_map};
static const struct mill_schema requirement_list = {.type = MILL_T_LIST, .item = &requirement, .max = 64};

/* ---- settings and secrets ---- */
static const struct mill_schema scalar_list = {.type = MILL_T_LIST, .item = &mill_s_text, .max = 256};
static const struct mill_schema setting_value = {.type = MILL_T_UNION, .what = "a value of the setting's type",
	.scalar = &mill_s_text, .list = &scalar_list};
static const struct mill_schema_key setting_keys[] = {
	{"type", &setting_type, REQ, "what values it takes"},
	{"default", &setting_value, 0, "the value when nobody sets one"},
	{"help", &mill_s_text, REQ, "one line for `component show`"},
	{"min", &mill_s_text, 0, "smallest value: a number, size or duration; of a string or list, its length"},
	{"max", &mill_s_text, 0, "largest value"},
	{"pattern", &mill_s_text, 0, "POSIX extended regular expression for the whole text, or for each item of a list"},
	{"values", &scalar_list, 0, "what an enum may be, or the items of a list"},
	{"items", &setting_type, 0, "type of a list's items: string (default), int or number"},
	{"secret", &mill_s_bool, 0, "set only from a file or a variable; tainted"},
	{0}};
static const struct mill_schema setting = {.type = MILL_T_OBJECT, .keys = setting_keys};
static const struct mill_schema settings = {.type = MILL_T_MAP, .key = &mill_s_identifier, .item = &setting, .max = 128};
static const struct mill_schema secret_length = {.type = MILL_T_INT, .what = "a number of characters", .min = 16, .max = 1024};
static const struct mill_schema_key secret_keys[] = {
	{"length", &secret_length, 0, "in characters; at least 128 bits in its alphabet"},
	{"alphabet", &alphabet, 0, "alnum unless said; certificate: a private key and its certificate, PEM in one text"},
	{0}};
static const struct mill_schema secret = {.type = MILL_T_OBJECT, .keys = secret_keys};
static const struct mill_schema secrets = {.type = MILL_T_MAP, .key = &mill_s_identifier, .item = &secret, .max = 64};
static const struct mill_schema data_version = {.type = MILL_T_INT, .min = 1, .max = 100000};
static const struct mill_schema data_versions = {.type = MILL_T_LIST, .item = &data_version, .max = 64};
static const struct mill_schema_key data_format_keys[] = {
	{"version", &data_version, REQ, "of the data folders that this version writes"},
	{"accepts", &data_versions, 0, "older versions that it can start on"},
	{0}};
static const struct mill_schema data_format = {.type = MILL_T_OBJECT, .keys = data_format_keys};

/* ---- installation (docs/internals/install.md) ---- */
static const struct mill_schema text_list = {.type = MILL_T_LIST, .item = &mill_s_text, .max = 512};
static const struct mill_schema nonempty_list = {.type = MILL_T_LIST, .item = &mill_s_text, .min = 1, .max = 512};
static const struct mill_schema text_map = {.type = MILL_T_MAP, .item = &mill_s_text, .max = 256};
static const struct mill_schema own_paths = {.type = MILL_T_LIST, .item = &mill_s_path, .max = 64};
static const struct mill_schema text_or_list = {.type = MILL_T_UNION, .what = "text or a list of texts",
	.scalar = &mill_s_text, .list = &text_list};
static const struct mill_schema replace = {.type = MILL_T_UNION, .what = "{module: replacement} or a list of \"module => replacement\"",
	.list = &text_list, .map = &text_map};
static const struct mill_schema_key go_keys[] = {
	{"module", &mill_s_text, REQ, "module path"},
	{"version", &mill_s_text, REQ, "exact version or pseudo-version"},
	{"package", &mill_s_text, 0, "package to build; the module unless said"},
	{"binary", &mill_s_file_name, REQ, "name of the program under bin/"},
	{"tags", &text_list, 0, "build tags"},
	{"ldflags", &text_or_list, 0, "flags of the linker"},
	{"cgo", &mill_s_bool, 0, "build with cgo (off unless said)"},
	{"replace", &replace, 0, "replacements that the module needs"},
	{"wrapper", &mill_s_bool, 0, "build in a locked module of ours (true unless said), else as `go install` does"},
	{"into", &mill_s_path, 0, "folder below the store entry"},
	{0}};
static const struct mill_schema_key pip_keys[] = {
	{"requirements", &nonempty_list, REQ, "requirement lines without hashes; the lock has those"},
	{"python", &mill_s_text, 0, "range of Python versions, such as \">=3.10\""},
	{"into", &mill_s_path, 0, "folder below the store entry"},
	{0}};
static const struct mill_schema_key npm_keys[] = {
	{"packages", &text_map, REQ, "name: range"},
	{"into", &mill_s_path, 0, "folder below the store entry"},
	{0}};
static const struct mill_schema_key maven_keys[] = {
	{"artifacts", &nonempty_list, REQ, "group:artifact:version[:type[:classifier]]"},
	{"exclude", &text_list, 0, "group:artifact to leave out"},
	{"transitive", &mill_s_bool, 0, "with dependencies (true unless said)"},
	{"unpack", &mill_s_bool, 0, "unpack archives (false unless said)"},
	{"inner", &mill_s_path, 0, "an archive inside the archive: this one is unpacked, nothing else"},
	{"strip", &count, 0, "leading path parts to drop when unpacking"},
	{"into", &mill_s_path, 0, "folder below the store entry; lib unless said"},
	{0}};
static const struct mill_schema_key debian_keys[] = {
	{"packages", &nonempty_list, REQ, "names; the lock has the closure"},
	{"exclude", &text_list, 0, "packages of the closure to leave out"},
	{"omit", &text_list, 0, "paths of the packages not to unpack"},
	{"rewrite", &own_paths, 0, "texts whose absolute paths are to lead into the entry, where it has what they name"},
	{"into", &mill_s_path, 0, "folder below the store entry"},
	{0}};
static const struct mill_schema_key sha256_arch_keys[] = {
	{"amd64", &sha256, 0, "of the file for x86-64"},
	{"arm64", &sha256, 0, "of the file for 64-bit ARM"},
	{0}};
static const struct mill_schema sha256_arch = {.type = MILL_T_OBJECT, .keys = sha256_arch_keys};
static const struct mill_schema sha256_any = {.type = MILL_T_UNION, .what = "a SHA-256, or one for each architecture",
	.scalar = &sha256, .map = &sha256_arch};
static const struct mill_schema_key download_keys[] = {
	{"url", &mill_s_text, REQ, "with ${arch} where that differs"},
	{"sha256", &sha256_any, 0, "of what is downloaded; without one it is not installed, and `component relock` says it"},
	{"size", &mill_s_size, 0, "of the download"},
	{"unpack", &mill_s_bool, 0, "unpack the archive (true unless said)"},
	{"strip", &count, 0, "leading path parts to drop"},
	{"binary", &mill_s_file_name, 0, "install the file as bin/<binary>"},
	{"into", &mill_s_path, 0, "folder below the store entry"},
	{0}};
static const struct mill_schema_key files_keys[] = {
	{"from", &mill_s_path, REQ, "a folder of the component, copied as it is; scripts (#!) can be run"},
	{"into", &mill_s_path, 0, "folder below the store entry"},
	{0}};
static const struct mill_schema go = {.type = MILL_T_OBJECT, .keys = go_keys};
static const struct mill_schema pip = {.type = MILL_T_OBJECT, .keys = pip_keys};
static const struct mill_schema npm = {.type = MILL_T_OBJECT, .keys = npm_keys};
static const struct mill_schema maven = {.type = MILL_T_OBJECT, .keys = maven_keys};
static const struct mill_schema debian = {.type = MILL_T_OBJECT, .keys = debian_keys};
static const struct mill_schema download = {.type = MILL_T_OBJECT, .keys = download_keys};
static const struct mill_schema own_files = {.type = MILL_T_OBJECT, .keys = files_keys};
static const struct mill_schema_key step_keys[] = {
	{"go", &go, 0, "build a Go program"},
	{"pip", &pip, 0, "a Python environment"},
	{"npm", &npm, 0, "Node packages"},
	{"maven", &maven, 0, "jars or archives of a Maven repository"},
	{"debian", &debian, 0, "Debian packages, unpacked"},
	{"download", &download, 0, "one file or archive by URL and hash"},
	{"files", &own_files, 0, "files of the component's own folder"},
	{0}};
static const struct mill_schema step = {.type = MILL_T_OBJECT, .flags = MILL_S_ONE_KEY, .what = "an install step such as {pip: {...}}", .keys = step_keys};
static const struct mill_schema step_list = {.type = MILL_T_LIST, .item = &step, .max = 32};
static const struct mill_schema minutes = {.type = MILL_T_NUMBER, .min = 0, .max = 1000};
static const struct mill_schema_key size_keys[] = {
	{"download", &mill_s_size, 0, "bytes fetched by a first install"},
	{"installed", &mill_s_size, 0, "bytes in the store"},
	{"minutes", &minutes, 0, "of a first install on two cores"},
	{0}};
static const struct mill_schema install_size = {.type = MILL_T_OBJECT, .keys = size_keys};
static const struct mill_schema_key native_keys[] = {
	{"install", &step_list, 0, "steps into one store entry, in order"},
	{"toolchains", &toolchain_list, 0, "what it needs to run: java, node, ..."},
	{"path_spaces", &mill_s_bool, 0, "its software bears blanks in paths (true unless said)"},
	{"size", &install_size, 0, "what to expect of an install that nobody measured"},
	{0}};
static const struct mill_schema native = {.type = MILL_T_OBJECT, .keys = native_keys};

/* ---- files ---- */
static const struct mill_schema any = {.type = MILL_T_ANY};
static const struct mill_schema_key file_keys[] = {
	{"format", &format, 0, "sets how replaced values are escaped; text unless said"},
	{"template", &mill_s_path, 0, "a file of the component's folder"},
	{"content", &mill_s_template, 0, "the text itself"},
	{"value", &any, 0, "a tree, written in `format`"},
	{"reload", &mill_s_bool, 0, "a change reloads the service instead of restarting it"},
	{"when", &mill_s_when, 0, "dropped unless this holds"},
	{0}};
static const struct mill_schema file = {.type = MILL_T_OBJECT, .keys = file_keys};
static const struct mill_schema files = {.type = MILL_T_MAP, .key = &mill_s_path, .item = &file, .max = 64};

/* ---- services ---- */
static const struct mill_schema_key port_keys[] = {
	{"default", &mill_s_port, REQ, "the number to prefer"},
	{"protocol", &protocol, 0, "tcp unless said"},
	{"open", &mill_s_text, 0, "it asks for no password: why, in a few words"},
	{0}};
static const struct mill_schema port_map = {.type = MILL_T_OBJECT, .keys = port_keys};
static const struct mill_schema port = {.type = MILL_T_UNION, .what = "a port number, or {default, protocol, open}",
	.scalar = &mill_s_port, .map = &port_map};
static const struct mill_schema ports = {.type = MILL_T_MAP, .key = &mill_s_name, .item = &port, .max = 32};
static const struct mill_schema status_range = {.type = MILL_T_TEXT, .what = "a status such as 200 or a range 200-399", .pattern = "^[1-5][0-9][0-9](-[1-5][0-9][0-9])?$"};
static const struct mill_schema_key http_keys[] = {
	{"port", &mill_s_name, REQ, "one of the service's ports"},
	{"path", &mill_s_template, 0, "/ unless said"},
	{"status", &status_range, 0, "what counts as well; 200-399 unless said"},
	{0}};
static const struct mill_schema http = {.type = MILL_T_OBJECT, .keys = http_keys};
static const struct mill_schema_key tcp_keys[] = {{"port", &mill_s_name, REQ, "one of the service's ports"}, {0}};
static const struct mill_schema tcp = {.type = MILL_T_OBJECT, .keys = tcp_keys};
static const struct mill_schema_key exec_keys[] = {{"command", &plain_command, REQ, "exit code 0 is well"}, {0}};
static const struct mill_schema exec = {.type = MILL_T_OBJECT, .keys = exec_keys};
static const struct mill_schema_key log_keys[] = {{"pattern", &mill_s_text, REQ, "POSIX extended, found in a line of the log"}, {0}};
static const struct mill_schema log_probe = {.type = MILL_T_OBJECT, .keys = log_keys};
static const struct mill_schema_key probe_keys[] = {
	{"http", &http, 0, "GET answers with a good status"},
	{"tcp", &tcp, 0, "the port accepts"},
	{"exec", &exec, 0, "a command succeeds"},
	{"log", &log_probe, 0, "a line was logged"},
	{"notify", &mill_s_bool, 0, "the service says READY=1 itself"},
	{"period", &mill_s_duration, 0, "between probes"},
	{"timeout", &mill_s_duration, 0, "of one probe"},
	{"initial_delay", &mill_s_duration, 0, "before the first"},
	{"failures", &positive, 0, "in a row until it counts as unwell"},
	{"successes", &positive, 0, "in a row until it counts as well"},
	{0}};
static const struct mill_schema probe = {.type = MILL_T_OBJECT, .keys = probe_keys};
static const struct mill_schema_key startup_keys[] = {
	{"deadline", &mill_s_duration, 0, "to the first ready; 60s unless said"},
	{"http", &http, 0, "GET answers with a good status"},
	{"tcp", &tcp, 0, "the port accepts"},
	{"exec", &exec, 0, "a command succeeds"},
	{"log", &log_probe, 0, "a line was logged"},
	{"notify", &mill_s_bool, 0, "the service says READY=1 itself"},
	{"period", &mill_s_duration, 0, "between probes"},
	{"timeout", &mill_s_duration, 0, "of one probe"},
	{"initial_delay", &mill_s_duration, 0, "before the first"},
	{"failures", &positive, 0, "in a row until it counts as unwell"},
	{"successes", &positive, 0, "in a row until it counts as well"},
	{0}};
static const struct mill_schema startup = {.type = MILL_T_OBJECT, .keys = startup_keys};
static const struct mill_schema_key resource_keys[] = {
	{"memory", &mill_s_size, 0, "what it likes to have"},
	{"memory_min", &mill_s_size, 0, "below this it does not run"},
	{"heap", &mill_s_fraction, 0, "share of memory for a managed heap: ${heap.mib}"},
	{"disk", &mill_s_size, 0, "to begin with"},
	{"disk_max", &mill_s_size, 0, "what its retention keeps it below: ${disk.mib} is its share of the budget"},
	{0}};
static const struct mill_schema resources = {.type = MILL_T_OBJECT, .keys = resource_keys};
static const struct mill_schema_key limit_keys[] = {{"nofile", &positive, 0, "open files"}, {0}};
static const struct mill_schema limits = {.type = MILL_T_OBJECT, .keys = limit_keys};
static const struct mill_schema_key restart_keys[] = {
	{"policy", &policy, 0, "always unless said"},
	{"delay", &mill_s_duration, 0, "before the first restart; doubles"},
	{"max_delay", &mill_s_duration, 0, "where doubling ends"},
	{"limit", &positive, 0, "restarts within the window until it counts as failed"},
	{"window", &mill_s_duration, 0, "see limit"},
	{0}};
static const struct mill_schema restart = {.type = MILL_T_OBJECT, .keys = restart_keys};
static const struct mill_schema_key stop_keys[] = {
	{"signal", &signal_name, 0, "TERM unless said"},
	{"grace", &mill_s_duration, 0, "until KILL; 10s unless said"},
	{0}};
static const struct mill_schema stop = {.type = MILL_T_OBJECT, .keys = stop_keys};
static const struct mill_schema_key reload_keys[] = {{"signal", &signal_name, REQ, "makes it read its files again"}, {0}};
static const struct mill_schema reload = {.type = MILL_T_OBJECT, .keys = reload_keys};
static const struct mill_schema path_list = {.type = MILL_T_LIST, .item = &mill_s_path, .max = 64};
static const struct mill_schema name_list = {.type = MILL_T_LIST, .item = &mill_s_name, .max = 64};
static const struct mill_schema_key service_keys[] = {
	{"summary", &mill_s_text, 0, "one line"},
	{"command", &command, REQ, "the program and its arguments; never a shell"},
	{"environment", &environment, 0, "all of it: nothing is inherited"},
	{"files", &files, 0, "below ${dir.config}, mode 0600"},
	{"ports", &ports, 0, "name: preferred number"},
	{"readiness", &probe, 0, "when it can be used"},
	{"liveness", &probe, 0, "when it must be restarted"},
	{"startup", &startup, 0, "the deadline to first ready, and a probe of its own"},
	{"resources", &resources, 0, "memory and disk"},
	{"limits", &limits, 0, "of the process"},
	{"restart", &restart, 0, "what happens when it ends"},
	{"stop", &stop, 0, "how it is asked to end"},
	{"reload", &reload, 0, "how it reads its files again"},
	{"after", &name_list, 0, "other services of the component that start first"},
	{"writes", &template_list, 0, "paths beside its own folder that it writes"},
	{"landlock", &mill_s_bool, 0, "confine writes (true unless said)"},
	{"cwd", &mill_s_template, 0, "working folder; ${dir.data} unless said"},
	{"folders", &path_list, 0, "below ${dir.data}, made before it starts"},
	{"when", &mill_s_when, 0, "dropped unless this holds"},
	{0}};
static const struct mill_schema service = {.type = MILL_T_OBJECT, .keys = service_keys};
static const struct mill_schema services = {.type = MILL_T_MAP, .key = &mill_s_name, .item = &service, .max = 64};

/* ---- hooks and tasks ---- */
static const struct mill_schema_key hook_keys[] = {
	{"command", &plain_command, 0, "interpreter, file, arguments"},
	{"hook", &mill_s_path, 0, "a Python file of the component's folder"},
	{"timeout", &mill_s_duration, 0, "60s unless said (smoke: 120s)"},
	{0}};
static const struct mill_schema hook_map = {.type = MILL_T_OBJECT, .keys = hook_keys};
static const struct mill_schema hook = {.type = MILL_T_UNION, .what = "a file, or {command, timeout}",
	.scalar = &mill_s_path, .map = &hook_map};
static const struct mill_schema_key provision_keys[] = {
	{"command", &plain_command, 0, "interpreter, file, arguments"},
	{"hook", &mill_s_path, 0, "a Python file of the component's folder"},
	{"timeout", &mill_s_duration, 0, "60s unless said"},
	{"user", &mill_s_identifier, 0, "the key of `provides` that holds the consumer's own user name"},
	{"suffix", &mill_s_name, 0, "what follows the consumer's name and a dash in its user name"},
	{"password", &mill_s_identifier, 0, "the key of `provides` that holds the consumer's own password"},
	{0}};
static const struct mill_schema provision_map = {.type = MILL_T_OBJECT, .keys = provision_keys};
static const struct mill_schema provision = {.type = MILL_T_UNION, .what = "a file, or {hook, user, password, timeout}",
	.scalar = &mill_s_path, .map = &provision_map};
static const struct mill_schema provisions = {.type = MILL_T_MAP, .key = &capability_name, .item = &provision, .max = 32};
static const struct mill_schema_key task_keys[] = {
	{"for", &mill_s_name, REQ, "the service whose folder it shares"},
	{"command", &plain_command, 0, "a plain command"},
	{"hook", &hook, 0, "or a hook: JSON in, JSON out"},
	{"environment", &environment, 0, "of the command; nothing is inherited"},
	{"files", &files, 0, "rendered before it runs"},
	{"timeout", &mill_s_duration, 0, "120s unless said"},
	{"before", &mill_s_name, 0, "runs before this service starts (the default, with `for`)"},
	{"after", &mill_s_name, 0, "runs once this service is ready"},
	{0}};
static const struct mill_schema task = {.type = MILL_T_OBJECT, .keys = task_keys};
static const struct mill_schema tasks = {.type = MILL_T_MAP, .key = &mill_s_name, .item = &task, .max = 32};

/* ---- what people and Prometheus open ---- */
static const struct mill_schema_key link_keys[] = {
	{"title", &mill_s_text, REQ, "what is there"},
	{"service", &mill_s_name, REQ, "whose port"},
	{"port", &mill_s_name, REQ, "its name"},
	{"path", &mill_s_template, 0, "/ unless said"},
	{"user", &mill_s_template, 0, "who logs in there"},
	{"secret", &mill_s_identifier, 0, "the secret that `credentials` shows for it"},
	{0}};
static const struct mill_schema link_map = {.type = MILL_T_OBJECT, .keys = link_keys};
static const struct mill_schema links = {.type = MILL_T_LIST, .item = &link_map, .max = 64};
static const struct mill_schema labels = {.type = MILL_T_MAP, .key = &mill_s_identifier, .item = &mill_s_template, .max = 32};
static const struct mill_schema_key metric_keys[] = {
	{"service", &mill_s_name, REQ, "whose port"},
	{"port", &mill_s_name, REQ, "its name"},
	{"path", &mill_s_template, 0, "/metrics unless said"},
	{"user", &mill_s_template, 0, "who may read them, where the server asks for a login"},
	{"secret", &mill_s_identifier, 0, "the secret that is its password"},
	{"labels", &labels, 0, "added to each series"},
	{0}};
static const struct mill_schema metric = {.type = MILL_T_OBJECT, .keys = metric_keys};
static const struct mill_schema metrics = {.type = MILL_T_LIST, .item = &metric, .max = 64};
static const struct mill_schema export_list = {.type = MILL_T_LIST, .item = &provided, .max = 32};
static const struct mill_schema exports = {.type = MILL_T_MAP, .key = &mill_s_identifier, .item = &export_list, .max = 8};
static const struct mill_schema retired = {.type = MILL_T_MAP, .key = &mill_s_text, .item = &mill_s_text, .max = 64};

static const struct mill_schema_key manifest_keys[] = {
	{"schema", &schema_number, REQ, "version of this format"},
	{"name", &mill_s_name, REQ, "the name of its folder"},
	{"title", &mill_s_text, 0, "as its makers write it"},
	{"category", &category, REQ, "where lists show it"},
	{"summary", &mill_s_text, REQ, "one line"},
	{"homepage", &mill_s_text, 0, "of the project behind it"},
	{"license", &mill_s_text, 0, "SPDX expression"},
	{"version", &mill_s_text, 0, "of what is installed"},
	{"upstream", &upstream, 0, "maintained, frozen or dead"},
	{"tested", &tested, 0, "true, false, or why it is not"},
	{"targets", &runtime_list, 0, "where it runs"},
	{"stands_in", &mill_s_name, 0, "who takes its place natively"},
	{"alternative", &mill_s_bool, 0, "left out of `all`"},
	{"includes", &name_list, 0, "a group of components"},
	{"kernels", &text_list, 0, "an environment's Jupyter kernels"},
	{"extends", &mill_s_name, 0, "the environment whose install steps this one begins with"},
	{"gpu", &mill_s_bool, 0, "an environment that is of use only with a GPU"},
	{"default_for", &capability_list, 0, "capabilities that it provides by default"},
	{"provides", &provides, 0, "capability: {key: value}"},
	{"environment", &environment, 0, "what users' code gets"},
	{"requires", &requirement_list, 0, "capabilities that it cannot do without"},
	{"optional", &requirement_list, 0, "capabilities that are wired when present"},
	{"settings", &settings, 0, "what a flavour may set"},
	{"secrets", &secrets, 0, "generated once"},
	{"data_format", &data_format, 0, "version of its data folders"},
	{"native", &native, 0, "how it is installed on one machine"},
	{"services", &services, 0, "its processes"},
	{"tasks", &tasks, 0, "one-shot steps"},
	{"files", &files, 0, "of a tool without services"},
	{"links", &links, 0, "pages to open"},
	{"metrics", &metrics, 0, "what Prometheus scrapes"},
	{"exports", &exports, 0, "kind: [{key: value}], for those who collect that kind"},
	{"collects", &collection_list, 0, "what it gets from every component"},
	{"provision", &provisions, 0, "makes what a requirement's parameters ask for"},
	{"repo", &hook, 0, "create, list, put, get, log of a versioning provider"},
	{"smoke", &hook, 0, "proves that it works"},
	{"backup", &hook, 0, "copies its data"},
	{"configure", &hook, 0, "runs after it is ready, when its configuration changed"},
	{"retired", &retired, 0, "keys of older flavours' blocks: what became of each"},
	{"kubernetes", &mill_schema_kubernetes, 0, "how it runs on a cluster"},
	{0}};
const struct mill_schema mill_schema_manifest = {.type = MILL_T_OBJECT, .keys = manifest_keys};
