/*
 * Runs a fuzz target over files and folders of files, without libFuzzer:
 *
 *	replay-NAME [--mutate=N] PATH...
 *
 * Each input is run as it is, and in N variants (cut off, a byte changed,
 * doubled, removed), the same ones each time.
 */
#include "base/io.h"
#include "base/parse.h"
#include "fuzz.h"

#define INPUT_MAX ((size_t)1 << 20)

/* xorshift64*: any fixed sequence does. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

/* A copy of exactly the size, so that a read past its end is seen by sanitizers. */
static void run_bytes(const char *data, size_t size)
{
	uint8_t *exact = mill_xmalloc(size);
	memcpy(exact, data, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

static void run_variant(const char *data, size_t size, uint64_t *random)
{
	static const char interesting[] = "\0\n\t\r \"'\\{}[]:,-&*!#%@`$\xff\x80\xc3""09aZ~.+";
	struct mill_strbuf b = MILL_STRBUF_INIT;
	size_t at = (size_t)(next_random(random) % size);
	char with = interesting[next_random(random) % (sizeof(interesting) - 1)];
	mill_strbuf_add(&b, data, size);
	switch (next_random(random) % 5) {
	case 0:
		mill_strbuf_truncate(&b, at);
		break;
	case 1:
		b.data[at] = with;
		break;
	case 2:
		b.data[at] = (char)(b.data[at] ^ (1 << (next_random(random) % 8)));
		break;
	case 3: /* a piece twice */
		mill_strbuf_add(&b, data + at, size - at);
		break;
	default: /* a byte less */
		memmove(b.data + at, b.data + at + 1, b.len - at - 1);
		mill_strbuf_truncate(&b, b.len - 1);
	}
	run_bytes(b.data, b.len);
	mill_strbuf_release(&b);
}

static size_t run_file(const char *path, unsigned mutate)
{
	_cleanup_error_ struct mill_error err = {0};
	_cleanup_free_ char *data = NULL;
	size_t size;
	uint64_t random = UINT64_C(0x9e3779b97f4a7c15);
	if (mill_read_file(path, INPUT_MAX, &data, &size, &err) < 0) {
		fprintf(stderr, "%s\n", err.message);
		exit(1);
	}
	run_bytes(data, size);
	for (unsigned i = 0; size && i < mutate; i++)
		run_variant(data, size, &random);
	return 1 + (size ? mutate : 0);
}

static size_t run_path(const char *path, unsigned mutate)
{
	_cleanup_strv_ struct mill_strv names = {0};
	size_t n = 0;
	if (!mill_is_dir(path))
		return run_file(path, mutate);
	if (mill_list_dir(path, &names, NULL) < 0 || names.n == 0) {
		fprintf(stderr, "%s: no inputs\n", path);
		exit(1);
	}
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *inside = mill_path_join(path, names.items[i]);
		n += run_path(inside, mutate);
	}
	return n;
}

int main(int argc, char **argv)
{
	int mutate = 0, first = 1;
	if (argc > 1 && mill_starts_with(argv[1], "--mutate=")) {
		if (mill_parse_int(argv[1] + strlen("--mutate="), 0, 1000000, &mutate) < 0)
			return 2;
		first++;
	}
	if (first >= argc) {
		fprintf(stderr, "usage: %s [--mutate=N] PATH...\n", argv[0]);
		return 2;
	}
	size_t n = 0;
	for (int i = first; i < argc; i++)
		n += run_path(argv[i], (unsigned)mutate);
	printf("%zu inputs\n", n);
	return 0;
}
