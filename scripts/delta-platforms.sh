#!/bin/sh
# Makes and applies patches on several platforms, each the others' too: amd64 and 386 as they are, arm64 and s390x (whose bytes
# stand the other way round) under qemu's user emulation. Run as root on Debian or Ubuntu it installs qemu.
set -eu
cd "$(dirname "$0")/.."
if ! command -v qemu-s390x-static >/dev/null 2>&1; then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
		echo "error: qemu-s390x-static and qemu-aarch64-static are missing" >&2
		echo "hint: install qemu-user-static, then run make again" >&2
		exit 1
	fi
	. ./scripts/again.sh
	again "installing qemu-user-static" install_packages qemu-user-static
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/patches"
run() { # GOARCH EMULATOR
	GOOS=linux GOARCH=$1 CGO_ENABLED=0 go test -c -o "$work/$1.test" ./updater/delta
	GOOS=linux GOARCH=$1 CGO_ENABLED=0 go test -c -o "$work/$1.coder.test" ./updater/delta/internal/coder
	echo "== linux-$1"
	$2 "$work/$1.coder.test" -test.run 'Frozen|Tables'
	(cd updater/delta && $2 "$work/$1.test" -test.v -test.timeout 60m -test.run 'TestGolden$|TestGoldenReferences|TestAcrossPlatforms' -across "$work/patches")
}
run amd64 ""
run 386 ""
run arm64 qemu-aarch64-static
run s390x qemu-s390x-static
run amd64 "" # and what the others made
