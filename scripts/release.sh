#!/bin/sh
# From a commit to a signed repository: builds every platform twice, compares, signs, verifies. Every step may be run again, and so may
# this. With REQUEST= it ends with a folder for the keyholders (docs/release-runbook.md) instead of a publication.
set -eu
cd "$(dirname "$0")/.."
cut=dist/cut-$VERSION
go build -o .cache/limpet-release ./release
tool=.cache/limpet-release

if [ -n "$PLATFORMS" ]; then # for trying it out: not a whole release
	which=
	for p in $PLATFORMS; do which="$which --platform $p"; done
else
	which=--all
fi
$tool cut $which --version "$VERSION" --out "$cut"

if [ ! -e "$REPO/1.root.json" ]; then
	case $REPO in
	dist/*) $tool init --development --dir "$REPO" --keys "$KEYS" ;;
	*) echo "error: there is no repository in $REPO; docs/release-runbook.md says how to begin one" >&2; exit 1 ;;
	esac
fi
if [ -n "$REQUEST" ]; then
	exec $tool publish --dir "$REPO" --request "$REQUEST" --cut "$cut" --channel "$CHANNEL" ${WAVES:+--waves "$WAVES"}
fi
$tool publish --dir "$REPO" --keys "$KEYS" --cut "$cut" --channel "$CHANNEL" ${WAVES:+--waves "$WAVES"}
$tool verify --dir "$REPO"
