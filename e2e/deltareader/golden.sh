#!/bin/sh
# Applies each golden patch with the second decoder, which compares both hashes itself.
set -eu
cd "$(dirname "$0")/../.."
golden=updater/delta/testdata/golden
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for patch in "$golden"/*.go1; do
	name=$(basename "$patch" .go1)
	zstd -dqf "$golden/$name.base.zst" -o "$work/base"
	echo "== $name"
	python3 e2e/deltareader/go1.py "$work/base" "$patch" "$work/result"
done
