#!/bin/sh
# Runs the TUF conformance suite, checked out at $1, against signing/tuf, twice:
# as it is, with the test-only key types linked; and signing with Ed25519, against
# what Limpet really links, where exactly the tests of ed25519.xfails must fail.
# Needs python3 with what the suite's pyproject.toml lists, and faketime.
set -eu
suite=$(cd "${1:?the folder of a checkout of tuf-conformance}" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$here/.."
go build -tags conformance -o "$work/all-keys" .
go build -o "$work/ed25519" .
cp "$here/ed25519.xfails" "$work/"
export PYTHONPATH="$suite:$here${PYTHONPATH:+:$PYTHONPATH}" PYTHONDONTWRITEBYTECODE=1
cd "$suite"
echo "== every key type"
python3 -m pytest -q -p no:cacheprovider tuf_conformance --entrypoint "$work/all-keys"
echo "== Ed25519 alone"
python3 -m pytest -q -p no:cacheprovider -p ed25519_only tuf_conformance --entrypoint "$work/ed25519"
