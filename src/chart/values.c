/* What helm is given: values, in memory. */
#include "base/json.h"
#include "chart/chart.h"

#include <sys/mman.h>

/* One object a place, merged as trees: only here, and gone with the text.  The caller wipes it. */
static int secret_text(const struct mill_chart_release *rel, mill_chart_resolve_fn *resolve, void *arg, struct mill_strbuf *out, struct mill_error *err)
{
	_cleanup_json_ json_t *tree = json_object();
	const char *place;
	json_t *value;
	int r = 0;

	json_object_foreach(rel->secret_values, place, value) {
		struct mill_strbuf text = MILL_STRBUF_INIT_MAX((size_t)1 << 20);

		r = resolve(arg, value, &text, err);
		if (r == 0)
			r = mill_chart_set(tree, place, json_string(text.data), err);
		mill_chart_text_wipe(&text);
		if (r < 0)
			return r;
	}
	mill_json_file_text(tree, out);
	return 0;
}

void mill_chart_values_text(const struct mill_chart_release *rel, struct mill_strbuf *out)
{
	mill_json_file_text(rel->values, out);
}

static int put(struct mill_chart_handed *h, const struct mill_strbuf *text, char **ret_path, struct mill_error *err)
{
	int fd = memfd_create("data-mill values", MFD_CLOEXEC);

	if (fd < 0)
		return mill_fail_errno(err, errno, "memory for values");
	h->fds[h->n_fds++] = fd;
	for (size_t done = 0; done < text->len;) {
		ssize_t n = write(fd, text->data + done, text->len - done);

		if (n < 0)
			return mill_fail_errno(err, errno, "values in memory");
		done += (size_t)n;
	}
	*ret_path = mill_xasprintf("/dev/fd/%d", fd);
	return 0;
}

int mill_chart_hand_over(struct mill_chart_release *rel, mill_chart_resolve_fn *resolve, void *arg, struct mill_chart_handed *ret,
			 struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT_MAX(MILL_CHART_TEXT_MAX);
	struct mill_strbuf secret = MILL_STRBUF_INIT_MAX((size_t)1 << 20);
	char *path = NULL;
	int r;

	*ret = (struct mill_chart_handed)MILL_CHART_HANDED_INIT;
	mill_chart_values_text(rel, &text);
	r = put(ret, &text, &ret->path, err);
	if (r < 0 || !json_object_size(rel->secret_values))
		return r;
	r = secret_text(rel, resolve, arg, &secret, err);
	r = r < 0 ? r : put(ret, &secret, &path, err);
	mill_chart_text_wipe(&secret);
	if (r == 0) {
		free(rel->secret_values_path);
		rel->secret_values_path = path;
	}
	return r;
}

void mill_chart_handed_release(struct mill_chart_handed *h)
{
	for (size_t i = 0; i < h->n_fds; i++)
		close(h->fds[i]);
	free(h->path);
	*h = (struct mill_chart_handed)MILL_CHART_HANDED_INIT;
}
