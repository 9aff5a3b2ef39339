#!/bin/bash
# Boots Debian with systemd in a container (systemd-nspawn; root, no service manager of its own needed on the host) and lives a box's life
# in it: the installer's line, a reboot, a silent update, SIGKILL for core and stub, upgrade-stub and back, a power-off, uninstall --purge. Called by
# `make test-systemd`, which has built the programs of two versions.
#
# The hub runs inside too: the container has no network but loopback.
set -eu
cd "$(dirname "$0")/../.."
[ "$(id -u)" = 0 ] || { echo "error: this needs root" >&2; exit 1; }
for tool in systemd-nspawn mmdebstrap; do
	command -v $tool >/dev/null || { echo "error: $tool is not here; apt-get install systemd-container mmdebstrap" >&2; exit 1; }
done
suite=${SUITE:-bookworm}
mirror=${MIRROR:-$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null | awk '/^URIs:/ || /^deb http/ {print $2; exit}')}
cache=$PWD/.cache/systemd
base=$cache/$suite.tar
root=$cache/box
next=$cache/next
mkdir -p "$cache"
if [ ! -s "$base" ]; then
	[ -n "$mirror" ] || { echo "error: no mirror of Debian is named in /etc/apt; say MIRROR=http://..." >&2; exit 1; }
	echo "making a Debian $suite with systemd in $base"
	mmdebstrap --quiet --variant=minbase --include=procps,systemd-sysv,dbus,curl,ca-certificates --aptopt='Apt::Install-Recommends "false"' \
		--aptopt='Acquire::Check-Valid-Until "false"' "$suite" "$base.new" "deb ${mirror%/} $suite main" --format=tar
	mv "$base.new" "$base"
fi
if [ -e "$root" ]; then rm -rf --one-file-system "$root"; fi
mkdir -p "$root"
tar -C "$root" -xf "$base"

# The box: a hub and a release repository of its own, and the test as a service that goes on where a reboot left it.
mkdir -p "$root/srv/bin" "$root/srv/next"
cp bin/limpet bin/limpet-fetch bin/limpet-core bin/limpet-hub bin/limpet-release "$root/srv/bin/"
cp "$next/limpet" "$next/limpet-fetch" "$next/limpet-core" "$next/limpet-release" "$root/srv/next/"
cp e2e/systemd/inside.sh "$root/srv/inside.sh"
platform=$(go env GOOS)-$(go env GOARCH)
echo "$platform" >"$root/srv/platform"
bin/limpet-release init --development --dir "$root/srv/release" --keys "$root/srv/keys" >/dev/null
bin/limpet-release publish --channel stable --version 0.1.0 --soak 3s --dir "$root/srv/release" --keys "$root/srv/keys" \
	--core "$platform=bin/limpet-core" --stub "$platform=bin/limpet" --fetch "$platform=bin/limpet-fetch" >/dev/null
cat >"$root/etc/systemd/system/hub.service" <<'UNIT'
[Unit]
Before=limpet.service
[Service]
ExecStart=/srv/bin/limpet-hub serve --data /srv/hub --release /srv/release
UNIT
cat >"$root/etc/systemd/system/inside.service" <<'UNIT'
[Unit]
Wants=hub.service
After=hub.service
[Service]
Type=oneshot
TimeoutStartSec=400
ExecStart=/bin/bash /srv/inside.sh
StandardOutput=append:/srv/log
StandardError=append:/srv/log
[Install]
WantedBy=multi-user.target
UNIT
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -sf ../inside.service "$root/etc/systemd/system/multi-user.target.wants/inside.service"

boots=0
while :; do
	boots=$((boots + 1))
	code=0
	# shellcheck disable=SC2016 # the inner shell expands it
	timeout -k 5 "${TIMEOUT:-420}" unshare -m --propagation private bash -c 'umount -l /sys/fs/cgroup/* /sys/fs/cgroup 2>/dev/null
		mount -t cgroup2 none /sys/fs/cgroup
		exec systemd-nspawn -q -D "$1" --register=no --keep-unit --private-network --console=pipe --link-journal=no -b \
			"--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self"' _ "$root" \
		</dev/null >>"$root.console" 2>&1 || code=$?
	if [ -e "$root/srv/off" ]; then rm "$root/srv/off"; continue; fi # it was powered off, and is switched on again
	if [ $code != 133 ] || [ $boots -ge 4 ]; then break; fi # 133: the guest asked for a reboot
done
cat "$root/srv/log"
if ! grep -q '^ALL GOOD$' "$root/srv/log"; then
	echo "error: the box did not get through (boots $boots, exit code $code); $root.console has its console" >&2
	exit 1
fi
rm -rf --one-file-system "$root" "$root.console"
