#!/bin/sh
# Builds both versions of the sample program for one platform: build.sh GOOS GOARCH DIR makes DIR/one and DIR/two.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
for v in one two; do
	mkdir -p "$3/src-$v"
	printf 'module sample\n\ngo 1.26\n' >"$3/src-$v/go.mod"
	cp "$here/main.go.txt" "$3/src-$v/main.go"
done
sed -i.orig 's|//two: ||' "$3/src-two/main.go"
for v in one two; do
	(cd "$3/src-$v" && GOFLAGS= GOTOOLCHAIN=local CGO_ENABLED=0 GOOS=$1 GOARCH=$2 go build -trimpath -buildvcs=false -ldflags '-s -w' -o "../$v" .)
done
