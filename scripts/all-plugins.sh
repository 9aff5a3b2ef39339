#!/bin/sh
# Runs every plugin of Debian's monitoring-plugins packages, with and without arguments, through Debian's own NRPE daemon and through the core, and compares
# state and first line. They are only unpacked: most lack what they watch, and both sides must say so alike.
set -eu
cd "$(dirname "$0")/.."
work=$PWD/.cache/all-plugins
. ./scripts/again.sh
if [ ! -d "$work/root" ]; then
	rm -rf "$work"
	again "downloading the plugins" download "$work" monitoring-plugins-basic monitoring-plugins-standard monitoring-plugins-contrib
	unpack "$work/debs" "$work/root"
fi
. ./.cache/env
# NRPE runs them as another user, who must be able to pass.
plugins=$(mktemp -d)
trap 'rm -rf "$plugins"' EXIT
chmod 755 "$plugins"
cp -r "$work/root/usr/lib/nagios/plugins/." "$plugins"
export LIMPET_TEST_PLUGINS="$plugins"
go test ./core/internal/nrpe -run EveryPlugin -count=1 -timeout 20m -v
