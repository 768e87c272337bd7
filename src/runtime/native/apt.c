#include "runtime/native/apt.h"

#include "base/io.h"

void mill_apt_package_release(struct mill_apt_package *p)
{
	free(p->suite);
	free(p->arch);
	free(p->name);
	free(p->version);
	free(p->sha256);
	free(p->pool);
	*p = (struct mill_apt_package){0};
}

void mill_apt_list_release(struct mill_apt_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		mill_apt_package_release(&l->items[i]);
	free(l->items);
	*l = (struct mill_apt_list){0};
}

void mill_apt_release(struct mill_apt *a)
{
	free(a->dir);
	free(a->config);
	free(a->archives);
	if (a->dir && a->lock_fd >= 0)
		close(a->lock_fd);
	*a = (struct mill_apt){0};
}

/* Values are quoted; apt has no escape for a quote, so a path with one is refused. */
static int write_config(struct mill_step_ctx *x, const struct mill_apt *a, struct mill_error *err)
{
	if (strchr(a->dir, '"') || strchr(a->dir, '\n'))
		return mill_fail(err, EINVAL, "apt cannot use the folder %s", a->dir);
	_cleanup_free_ char *status = mill_path_join(a->dir, "status");
	_cleanup_free_ char *text = mill_xasprintf(
		"Dir::State \"%s/state\";\nDir::State::status \"%s\";\nDir::State::extended_states \"%s/extended\";\n"
		"Dir::Cache \"%s/cache\";\nDir::Cache::archives \"%s\";\nDir::Log \"%s/log\";\n"
		"Debug::NoLocking \"true\";\nAPT::Sandbox::User \"\";\nAcquire::Languages \"none\";\n"
		"Acquire::Retries \"3\";\nAPT::Install-Recommends \"false\";\nAPT::Install-Suggests \"false\";\n"
		"Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled \"false\";\n"
		"Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n"
		"#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n"
		"#clear APT::Update::Pre-Invoke;\n#clear DPkg::Post-Invoke;\n#clear DPkg::Pre-Invoke;\n",
		a->dir, status, a->dir, a->dir, a->archives, a->dir);
	int r = mill_step_write(x, a->config, text, err);
	return r < 0 ? r : mill_step_write(x, status, "", err);
}

int mill_apt_open(struct mill_step_ctx *x, struct mill_apt *ret, struct mill_error *err)
{
	static const char *const folders[] = {"state/lists/partial", "cache", "archives/partial", "log"};
	if (!mill_exists("/usr/bin/apt-get")) {
		mill_fail(err, ENOENT, "no apt-get: this component comes from Debian's packages");
		return mill_error_hint(err, "install it on Debian or Ubuntu, or leave the component out");
	}
	ret->lock_fd = -1;
	ret->dir = mill_step_cache(x, "apt", err);
	if (!ret->dir)
		return -err->code;
	ret->config = mill_path_join(ret->dir, "apt.conf");
	ret->archives = mill_path_join(ret->dir, "archives");
	int r = 0;
	for (size_t i = 0; i < MILL_ARRAY_LEN(folders) && r == 0; i++) {
		_cleanup_free_ char *path = mill_path_join(ret->dir, folders[i]);
		r = mill_step_mkdir(x, path, err);
	}
	/* Beside the folder, in one that is ours: root opens no file of the installers' user. */
	_cleanup_free_ char *lock = mill_xasprintf("%s.lock", ret->dir);
	if (r == 0)
		r = mill_lock_wait(lock, false, -1, &ret->lock_fd, err);
	if (r == 0)
		r = write_config(x, ret, err);
	return r;
}

bool mill_apt_has_lists(const struct mill_apt *a)
{
	_cleanup_free_ char *dir = mill_path_join(a->dir, "state/lists");
	_cleanup_strv_ struct mill_strv names = {0};
	(void)mill_list_dir(dir, &names, NULL);
	for (size_t i = 0; i < names.n; i++)
		if (strstr(names.items[i], "_Packages"))
			return true;
	return false;
}

int mill_apt_get(struct mill_step_ctx *x, const struct mill_apt *a, const char *what,
		 const struct mill_strv *args, struct mill_strbuf *out, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	mill_strv_add(&argv, "/usr/bin/apt-get");
	mill_strv_addf(&argv, "-c=%s", a->config);
	mill_strv_add(&argv, "-q");
	for (size_t i = 0; i < args->n; i++)
		mill_strv_add(&argv, args->items[i]);
	return mill_step_exec(x, &(struct mill_step_run){.what = what, .phase = MILL_INSTALL_FETCH,
							 .argv = mill_strv_argv(&argv), .cwd = a->archives,
							 .out = out},
			      err);
}

int mill_apt_update(struct mill_step_ctx *x, const struct mill_apt *a, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv args = {0};
	/* "any": a mirror that cannot be reached is an error, not a warning and an old list. */
	mill_strv_add(&args, "-o=APT::Update::Error-Mode=any");
	mill_strv_add(&args, "update");
	return mill_apt_get(x, a, "apt-get update", &args, NULL, err);
}

int mill_apt_download(struct mill_step_ctx *x, const struct mill_apt *a, const struct mill_apt_list *l,
		      struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv args = {0};
	mill_strv_add(&args, "download");
	for (size_t i = 0; i < l->n; i++) {
		const struct mill_apt_package *p = &l->items[i];
		if (mill_streq(p->arch, "all"))
			mill_strv_addf(&args, "%s=%s", p->name, p->version);
		else
			mill_strv_addf(&args, "%s:%s=%s", p->name, p->arch, p->version);
	}
	return mill_apt_get(x, a, "apt-get download", &args, NULL, err);
}

/* name_version_arch.deb with ':' as %3a, as apt writes it. */
char *mill_apt_file(const struct mill_apt *a, const struct mill_apt_package *p)
{
	_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT;
	mill_strbuf_printf(&b, "%s/%s_", a->archives, p->name);
	for (const char *c = p->version; *c; c++)
		if (*c == ':')
			mill_strbuf_addstr(&b, "%3a");
		else
			mill_strbuf_addch(&b, *c);
	mill_strbuf_printf(&b, "_%s.deb", p->arch);
	return mill_strbuf_steal(&b);
}

char *mill_apt_suite(void)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_strv_ struct mill_strv lines = {0};
	size_t len;
	if (mill_read_file("/etc/os-release", 65536, &text, &len, NULL) == 0)
		mill_strv_split(&lines, text, "\n");
	for (size_t i = 0; i < lines.n; i++)
		if (mill_starts_with(lines.items[i], "VERSION_CODENAME="))
			return mill_xstrdup(lines.items[i] + strlen("VERSION_CODENAME="));
	return mill_xstrdup("unknown");
}
