#!/usr/bin/env bash
# Sets up and runs every test; ends with the counts.   ./test.sh [STAGE...]
#   stages: gcc sanitizers valgrind fuzz e2e      (default: all; MILL_TEST_FAST=1 leaves out valgrind and fuzz)
# Software that the end-to-end tests install goes to one store below MILL_TEST_HOME, kept between runs: ~/.cache/data-mill-test, for root
# /var/cache/data-mill-test (its services run as another user, who cannot look into /root).
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
. "$here/tools/setup.sh"
cd "$here"
stages=${*:-gcc sanitizers valgrind fuzz e2e}
[ -n "${MILL_TEST_FAST:-}" ] && [ $# -eq 0 ] && stages="gcc sanitizers e2e"
if [ "$(id -u)" = 0 ]; then
	export MILL_TEST_HOME=${MILL_TEST_HOME:-/var/cache/data-mill-test}
else
	export MILL_TEST_HOME=${MILL_TEST_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/data-mill-test}
fi
mkdir -p "$MILL_TEST_HOME"
passed=0 failed=0 skipped=0 began=$SECONDS

stage() { printf '\n== %s (%d s since the start)\n' "$*" $((SECONDS - began)); }

# configure FOLDER OPTIONS...: a build folder with these options.
configure() {
	local dir=$1
	shift
	if [ ! -e "$dir/build.ninja" ]; then
		meson setup "$dir" "$@" >"$dir.log" 2>&1 || { tail -n 30 "$dir.log"; exit 1; }
	fi
	ninja -C "$dir" >"$dir.log" 2>&1 || { grep -E -A5 'error|FAILED' "$dir.log" | head -n 60; exit 1; }
}

# meson_tests FOLDER ARGUMENTS...: runs them and adds up meson's own figures.
meson_tests() {
	local dir=$1 log=$1.tests.log
	shift
	meson test -C "$dir" --no-rebuild --print-errorlogs "$@" >"$log" 2>&1 || true
	grep -E '(FAIL|TIMEOUT|ERROR) ' "$log" | head -n 40 || true
	local ok bad skip
	ok=$(sed -n 's/^Ok: *\([0-9]*\).*/\1/p' "$log" | tail -n 1)
	skip=$(sed -n 's/^Skipped: *\([0-9]*\).*/\1/p' "$log" | tail -n 1)
	bad=$(awk '/^(Fail|Timeout|Unexpected Pass): *[0-9]+/ {n += $NF} END {print n + 0}' "$log")
	[ -n "$ok" ] || { tail -n 30 "$log"; bad=1; ok=0; }
	passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + ${skip:-0}))
	[ "$bad" = 0 ] || tail -n 80 "$log"
	printf '%s: %s ok, %s failed, %s skipped\n' "$dir" "$ok" "$bad" "${skip:-0}"
}

# fuzz_one FUZZER: a short run from its corpora, those that meson.build replays. What it finds stays in build-asan/fuzz-found.
fuzz_one() {
	local name=${1##*/fuzz-} work found=build-asan/fuzz-found corpora=()
	mapfile -t corpora <"build-asan/tests/fuzz/$name.corpora"
	work=$(mktemp -d)
	mkdir -p "$found"
	if UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 "$1" -max_total_time="${MILL_FUZZ_SECONDS:-10}" -rss_limit_mb=2048 -timeout=10 \
		-artifact_prefix="$found/$name-" "$work" "${corpora[@]}" >"$work.log" 2>&1; then
		passed=$((passed + 1))
		printf '%s: %s\n' "$name" "$(grep -E '^Done' "$work.log" | tail -n 1)"
	else
		failed=$((failed + 1))
		printf '%s FAILED\n' "$name"
		tail -n 40 "$work.log"
	fi
	rm -rf "$work" "$work.log"
}

python_environment() {
	local venv=$MILL_TEST_HOME/venv want
	want=$(cksum <tests/requirements.txt)
	if [ "$(cat "$venv/.ready" 2>/dev/null)" != "$want" ]; then
		rm -rf "$venv"
		/usr/bin/python3 -m venv "$venv"
		"$venv/bin/python" -m pip install -q --require-hashes -r tests/requirements.txt
		printf '%s\n' "$want" >"$venv/.ready"
	fi
	printf '%s\n' "$venv/bin/python"
}

# pytests BUILD LOG ARGUMENTS...: runs pytest on a build's binaries and adds up its figures.
pytests() {
	local build=$1 log=$1/$2 python line
	shift 2
	python=$(python_environment)
	# -p no:cacheprovider: nothing is written into the checkout
	MILL_BUILD=$here/$build "$python" -m pytest -p no:cacheprovider -q -ra --color=no --durations=15 "$@" 2>&1 | tee "$log" || true
	line=$(grep -E '^(=* ?)?[0-9]+ (passed|failed|skipped|error)' "$log" | tail -n 1)
	count() { printf '%s' "$line" | sed -n "s/.*\\b\\([0-9][0-9]*\\) $1.*/\\1/p"; }
	local p f s e
	p=$(count passed) f=$(count failed) s=$(count skipped) e=$(count error)
	[ -n "$line" ] || e=1
	passed=$((passed + ${p:-0})) failed=$((failed + ${f:-0} + ${e:-0})) skipped=$((skipped + ${s:-0}))
}

# The daemon and the shim under their faults, with the sanitizers watching: what they report is a failure, too.
sanitized_faults() {
	local reports
	reports=$(mktemp -d)
	chmod 1777 "$reports"
	ASAN_OPTIONS=detect_leaks=1:log_path=$reports/asan UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1:log_path=$reports/ubsan \
		MILL_KILLS=60 pytests build-asan faults.log tests/faults/test_kills.py tests/faults/test_misbehaviour.py tests/faults/test_control.py
	if [ -n "$(ls "$reports")" ]; then
		failed=$((failed + 1))
		head -n 60 "$reports"/*
	fi
	rm -rf "$reports"
}

mill_need test
mill_want browser
mill_want cluster
for name in $stages; do
	case $name in
	gcc)
		stage "gcc, warnings are errors: units and cases"
		configure build-test -Dwerror=true
		meson_tests build-test
		;;
	sanitizers)
		stage "clang, AddressSanitizer and UndefinedBehaviorSanitizer"
		CC=clang configure build-asan -Db_sanitize=address,undefined -Db_lundef=false -Dfuzzers=true -Dwerror=true
		ASAN_OPTIONS=abort_on_error=1:detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
			meson_tests build-asan --timeout-multiplier 3
		sanitized_faults
		;;
	valgrind)
		stage "valgrind on the units"
		configure build-test -Dwerror=true
		meson_tests build-test --suite unit --setup valgrind
		;;
	fuzz)
		stage "fuzzers, ${MILL_FUZZ_SECONDS:-10} s each"
		CC=clang configure build-asan -Db_sanitize=address,undefined -Db_lundef=false -Dfuzzers=true -Dwerror=true
		found=0
		for fuzzer in build-asan/tests/fuzz/fuzz-*; do
			# meson keeps each one's objects in a folder fuzz-NAME.p
			[ -x "$fuzzer" ] && [ -f "$fuzzer" ] || continue
			found=$((found + 1))
			fuzz_one "$fuzzer"
		done
		[ "$found" -gt 0 ] || { failed=$((failed + 1)); printf 'no fuzzers in build-asan/tests/fuzz\n'; }
		;;
	e2e)
		stage "end to end, faults, real servers"
		configure build-test -Dwerror=true
		pytests build-test pytest.log tests/e2e tests/faults
		;;
	*)
		printf 'test.sh: no such stage: %s\n' "$name" >&2
		exit 2
		;;
	esac
done
printf '\ndone in %d s\n%d passed, %d failed, %d skipped\n' $((SECONDS - began)) "$passed" "$failed" "$skipped"
[ "$failed" = 0 ]
