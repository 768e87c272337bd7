/* Any bytes as each of an S3 server's XML answers. */
#include "fuzz.h"
#include "lake/s3xml.h"

static void check_listing(struct mill_lake_listing *l, int r)
{
	if (r < 0)
		FUZZ_CHECK(l->n == 0);
	for (size_t i = 0; i < l->n; i++)
		FUZZ_CHECK(l->items[i].key && l->items[i].etag);
	mill_lake_listing_release(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *xml = (const char *)data;
	struct mill_lake_listing l = {0};
	struct mill_s3xml_page page = {0};
	struct mill_s3xml_error error = {0};
	char *text = NULL;
	mill_s3xml_error(xml, size, &error);
	FUZZ_CHECK(strlen(error.code) < sizeof(error.code));
	int r = mill_s3xml_list(xml, size, &l, &page, NULL);
	FUZZ_CHECK(r < 0 || !page.truncated || page.token);
	free(page.token);
	page = (struct mill_s3xml_page){0};
	check_listing(&l, r);
	check_listing(&l, mill_s3xml_buckets(xml, size, &l, NULL));
	check_listing(&l, mill_s3xml_parts(xml, size, &l, &page, NULL));
	free(page.token);
	check_listing(&l, mill_s3xml_delete_errors(xml, size, &l, NULL));
	if (mill_s3xml_upload_id(xml, size, &text, NULL) == 0)
		free(text);
	text = NULL;
	if (mill_s3xml_completed(xml, size, &text, NULL) == 0)
		free(text);
	/* What is escaped is read back as it was. */
	_cleanup_free_ char *s = fuzz_string(data, size < 4096 ? size : 4096);
	_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT;
	mill_strbuf_addstr(&b, "<CompleteMultipartUploadResult><ETag>");
	if (mill_s3xml_escape(&b, s)) {
		mill_strbuf_addstr(&b, "</ETag></CompleteMultipartUploadResult>");
		size_t n = strlen(s);
		bool quoted = n >= 2 && s[0] == '"' && s[n - 1] == '"';
		if (!quoted && mill_s3xml_completed(b.data, b.len, &text, NULL) == 0) {
			FUZZ_CHECK(mill_streq(text, s));
			free(text);
		}
	}
	return 0;
}
