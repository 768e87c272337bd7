#!/usr/bin/env bash
# Builds data-mill if needed, then is it:  ./run.sh up -f datalake   or   ./run.sh -l -s -i -f flavours/datalake.yaml
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
. "$here/tools/setup.sh"
build=$(mill_build_dir "$here")
if mill_build_is_stale "$here" "$build"; then
	mill_need build
	mill_build "$here" "$build"
fi
exec "$build/src/data-mill" "$@"
