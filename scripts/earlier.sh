#!/bin/sh
# Builds what a box has of earlier commits (those given, oldest first; else six out of the history), below .cache/earlier as 0.1.0, 0.1.1 and so on, and takes a
# box of each to the build of this tree and back, with results that only the next core can deliver.
set -eu
cd "$(dirname "$0")/.."
every=25 # commits of the first line between two of them
commits=${*:-$(git rev-list --first-parent HEAD | awk "NR % $every == 0" | head -n 6 | tac)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf .cache/earlier
n=0
for commit in $commits; do
	version=0.1.$n out=$PWD/.cache/earlier/0.1.$n
	echo "$version is $(git log -1 --format='%h of %ci' "$commit")"
	mkdir -p "$work/$n"
	git archive "$commit" | tar -x -C "$work/$n"
	flags="-s -w -buildid= -X main.version=$version -X main.built=$(git log -1 --format=%ct "$commit")"
	for program in limpet:./stub limpet-fetch:./stub/fetch limpet-core:./core; do
		(cd "$work/$n" && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "$flags" -o "$out/${program%%:*}" "${program#*:}")
	done
	n=$((n + 1))
done
go test ./e2e -run TestUpgradeMatrix -count 1 -parallel 6 -v -args -olds $n -earlier "$PWD/.cache/earlier"
