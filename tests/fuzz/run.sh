#!/bin/sh
# Runs libFuzzer on a target:  tests/fuzz/run.sh NAME [SECONDS] [libFuzzer options]
# Builds with clang, ASan and UBSan in build-fuzz/. New inputs stay in build-fuzz/corpus/NAME;
# a crash is left in build-fuzz/crashes/: put it, small, into tests/fuzz/corpus/NAME with the fix.
set -eu
name=${1:?usage: tests/fuzz/run.sh NAME [SECONDS] [options]}
seconds=${2:-20}
if [ $# -ge 2 ]; then shift 2; else shift 1; fi
cd "$(dirname "$0")/../.."
if [ ! -d build-fuzz ]; then
	CC=${CC:-clang} meson setup build-fuzz -Dfuzzers=true -Db_sanitize=address,undefined \
		-Db_lundef=false -Dbuildtype=debugoptimized
fi
ninja -j2 -C build-fuzz "tests/fuzz/fuzz-$name"
mkdir -p "build-fuzz/corpus/$name" build-fuzz/crashes
set -f
IFS='
'
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
exec "build-fuzz/tests/fuzz/fuzz-$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
	-artifact_prefix=build-fuzz/crashes/ "$@" "build-fuzz/corpus/$name" $(cat "build-fuzz/tests/fuzz/$name.corpora")
