#!/bin/sh
# Two versions of a data set, and the first one again (component dvc):
#
#     data/examples/dvc_versions.sh
#
# DATA_MILL names the program, with options if need be (--platform NAME); the repository stays: there is no removing of history.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mill() { ${DATA_MILL:-"$here/../../run.sh"} "$@"; }
repo=example-$(date +%s)
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

mill repo create "$repo"
head -51 "$here/../iris/iris.csv" >"$work/first.csv"
mill repo put "$repo" master iris.csv -f "$work/first.csv"
mill repo put "$repo" master iris.csv -f "$here/../iris/iris.csv"
mill repo log "$repo"
first=$(mill repo log "$repo" --json | tr ',{' '\n\n' | sed -n 's/.*"commit": *"\([0-9a-f]*\)".*/\1/p' | sed -n 2p)
mill repo get "$repo" iris.csv -o "$work/last.csv"
mill repo get "$repo" iris.csv --rev "$first" -o "$work/again.csv"
cmp "$work/first.csv" "$work/again.csv"
cmp "$here/../iris/iris.csv" "$work/last.csv"
echo "both versions are as they were put: $(wc -l <"$work/again.csv") and $(wc -l <"$work/last.csv") lines"
