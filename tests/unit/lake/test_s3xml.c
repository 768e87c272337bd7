/* The XML of S3's answers: what is read, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/base.h"
#include "lake/s3xml.h"

#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define NS " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

static void test_list(void **state)
{
	static const char xml[] = HEAD
		"<ListBucketResult" NS "><Name>b</Name><Prefix></Prefix><KeyCount>3</KeyCount>"
		"<IsTruncated>true</IsTruncated><EncodingType>url</EncodingType>"
		"<Contents><Key>a+b%2Bc%20d</Key><LastModified>2026-11-24T04:05:06.000Z</LastModified>"
		"<ETag>&quot;0123&quot;</ETag><Size>42</Size><Owner><ID>x</ID></Owner></Contents>"
		"<Contents><Key>%C3%BC%00</Key><Size>0</Size></Contents><Unknown><Key>no</Key></Unknown>"
		"<CommonPrefixes><Prefix>dir/</Prefix></CommonPrefixes>"
		"<NextContinuationToken>t&amp;1</NextContinuationToken></ListBucketResult>";
	struct mill_lake_listing l = {0};
	struct mill_s3xml_page page;
	assert_int_equal(mill_s3xml_list(xml, sizeof(xml) - 1, &l, &page, NULL), 0);
	assert_int_equal(l.n, 3);
	assert_string_equal(l.items[0].key, "a b+c d");
	assert_string_equal(l.items[0].etag, "0123");
	assert_int_equal(l.items[0].size, 42);
	assert_int_equal(l.items[0].modified_ms % 1000, 0);
	assert_true(l.items[0].modified_ms > 1700000000000);
	assert_string_equal(l.items[1].key, "\xc3\xbc%00"); /* a NUL cannot be a key's */
	assert_string_equal(l.items[1].etag, "");
	assert_true(l.items[2].is_prefix);
	assert_true(page.truncated);
	assert_string_equal(page.token, "t&1");
	free(page.token);
	mill_lake_listing_release(&l);
	/* Without an encoding the keys are as they are. */
	static const char raw[] = "<ListBucketResult><Contents><Key>a+b%20</Key><Size>1</Size></Contents>"
				  "</ListBucketResult>";
	assert_int_equal(mill_s3xml_list(raw, sizeof(raw) - 1, &l, &page, NULL), 0);
	assert_string_equal(l.items[0].key, "a+b%20");
	assert_false(page.truncated);
	assert_null(page.token);
	mill_lake_listing_release(&l);
}

static void test_others(void **state)
{
	struct mill_s3xml_error e = {0};
	static const char error[] = HEAD "<Error><Code>NoSuchKey</Code><Message>gone\nfor good</Message>"
					 "<Resource>/b/k</Resource></Error>";
	assert_int_equal(mill_s3xml_error(error, sizeof(error) - 1, &e), 0);
	assert_string_equal(e.code, "NoSuchKey");
	assert_string_equal(e.message, "gone for good");

	struct mill_lake_listing l = {0};
	static const char buckets[] = HEAD
		"<ListAllMyBucketsResult" NS "><Owner><ID>o</ID></Owner><Buckets>"
		"<Bucket><Name>one</Name><CreationDate>2026-01-01T00:00:00Z</CreationDate></Bucket>"
		"<Bucket><Name>two</Name></Bucket></Buckets></ListAllMyBucketsResult>";
	assert_int_equal(mill_s3xml_buckets(buckets, sizeof(buckets) - 1, &l, NULL), 0);
	assert_int_equal(l.n, 2);
	assert_string_equal(l.items[1].key, "two");
	mill_lake_listing_release(&l);

	char *text = NULL;
	static const char upload[] = "<InitiateMultipartUploadResult><Bucket>b</Bucket>"
				     "<UploadId>id-1</UploadId></InitiateMultipartUploadResult>";
	assert_int_equal(mill_s3xml_upload_id(upload, sizeof(upload) - 1, &text, NULL), 0);
	assert_string_equal(text, "id-1");
	free(text);

	struct mill_s3xml_page page;
	static const char parts[] =
		"<ListPartsResult><UploadId>id</UploadId><IsTruncated>true</IsTruncated>"
		"<NextPartNumberMarker>2</NextPartNumberMarker><Part><PartNumber>1</PartNumber>"
		"<ETag>\"aa\"</ETag><Size>5</Size></Part><Part><PartNumber>2</PartNumber><ETag>bb</ETag>"
		"<Size>6</Size></Part></ListPartsResult>";
	assert_int_equal(mill_s3xml_parts(parts, sizeof(parts) - 1, &l, &page, NULL), 0);
	assert_int_equal(l.n, 2);
	assert_string_equal(l.items[0].etag, "aa");
	assert_string_equal(page.token, "2");
	free(page.token);
	mill_lake_listing_release(&l);

	static const char done[] = "<CompleteMultipartUploadResult><ETag>&#34;x-2&#34;</ETag>"
				   "</CompleteMultipartUploadResult>";
	assert_int_equal(mill_s3xml_completed(done, sizeof(done) - 1, &text, NULL), 0);
	assert_string_equal(text, "x-2");
	free(text);

	static const char deleted[] =
		"<DeleteResult><Deleted><Key>fine</Key></Deleted><Error><Key>k</Key>"
		"<Code>AccessDenied</Code><Message>m</Message></Error></DeleteResult>";
	assert_int_equal(mill_s3xml_delete_errors(deleted, sizeof(deleted) - 1, &l, NULL), 0);
	assert_int_equal(l.n, 1);
	assert_string_equal(l.items[0].etag, "AccessDenied");
	mill_lake_listing_release(&l);
}

static void assert_refused(const char *xml, size_t len, int code)
{
	struct mill_lake_listing l = {0};
	struct mill_s3xml_page page;
	_cleanup_error_ struct mill_error err = {0};
	int r = mill_s3xml_list(xml, len, &l, &page, &err);
	if (r != code)
		fail_msg("%.60s: %d", xml, r);
	assert_int_equal(l.n, 0);
	assert_non_null(err.message);
}

static void test_refusals(void **state)
{
	static const char *const bad[] = {
		"", " ", "{}", "<", "<a>", "<a></b>", "<a>\x01</a>", "<a>&nope;</a>", "<html></html>",
		"<!DOCTYPE a [<!ENTITY x \"y\">]><ListBucketResult><Name>&x;</Name></ListBucketResult>",
		"<ListBucketResult><Name>b</Name><IsTruncated>true</IsTruncated></ListBucketResult>",
		"<ListBucketResult><Contents><Key>k</Key><Size>-1</Size></Contents></ListBucketResult>",
		("<ListBucketResult><Contents><Key>k</Key><Size>99999999999999999999</Size></Contents>"
		 "</ListBucketResult>"),
	};
	for (size_t i = 0; i < MILL_ARRAY_LEN(bad); i++)
		assert_refused(bad[i], strlen(bad[i]), -EBADMSG);

	_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT;
	for (int i = 0; i < MILL_S3XML_DEPTH_MAX + 1; i++)
		mill_strbuf_addstr(&b, "<a>");
	for (int i = 0; i < MILL_S3XML_DEPTH_MAX + 1; i++)
		mill_strbuf_addstr(&b, "</a>");
	assert_refused(b.data, b.len, -E2BIG);

	mill_strbuf_reset(&b);
	mill_strbuf_addstr(&b, "<ListBucketResult><Name>");
	for (size_t i = 0; i <= MILL_S3XML_TEXT_MAX; i++)
		mill_strbuf_addch(&b, 'x');
	mill_strbuf_addstr(&b, "</Name></ListBucketResult>");
	assert_refused(b.data, b.len, -E2BIG);

	mill_strbuf_reset(&b);
	mill_strbuf_addstr(&b, "<ListBucketResult>");
	for (int i = 0; i <= MILL_S3XML_ITEMS_MAX; i++)
		mill_strbuf_addstr(&b, "<Contents><Key>k</Key></Contents>");
	mill_strbuf_addstr(&b, "</ListBucketResult>");
	assert_refused(b.data, b.len, -E2BIG);
}

static void test_escape(void **state)
{
	static const struct {
		const char *text, *wanted; /* NULL: has no place in XML */
	} cases[] = {
		{"plain", "plain"}, {"a<b>&\"c", "a&lt;b&gt;&amp;&quot;c"}, {"\t\n", "\t\n"},
		{"a\rb", "a&#13;b"}, {"\x01", NULL}, {"a\x1f", NULL}, {"ü☃", "ü☃"}, {"", ""},
	};
	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++) {
		_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT;
		assert_int_equal(mill_s3xml_escape(&b, cases[i].text), cases[i].wanted != NULL);
		if (cases[i].wanted)
			assert_string_equal(b.data, cases[i].wanted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_escape),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
