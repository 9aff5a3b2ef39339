#!/bin/sh
# Fetches what the tests need beyond Go, make and git: a C compiler (race detector), real Nagios plugins, curl (the installer's line), a browser, collectd.
# As root on Debian or Ubuntu it installs them; as anybody else there it unpacks them below .cache/root; elsewhere it names
# what is missing. Writes .cache/env, which the test targets read.
#
# It may be interrupted, and run twice at once: what is unpacked gets its name when it is whole, and what fails by chance is tried again.
set -eu
cd "$(dirname "$0")/.."
mkdir -p .cache
. ./scripts/again.sh
if command -v flock >/dev/null 2>&1; then # the lock ends with whoever holds it
	exec 9>.cache/deps.lock
	flock -n 9 || { echo "waiting for another make deps in this folder"; flock 9; }
fi
root=$PWD/.cache/root
apt=$PWD/.cache/apt
plugins=/usr/lib/nagios/plugins
[ ! -d "$root" ] || [ -e .cache/root.whole ] || rm -rf "$root" .cache/sysroot # an earlier run did not come to its end

need=""
{ command -v gcc >/dev/null 2>&1 && [ -e /usr/include/stdlib.h ]; } || [ -x "$root/usr/bin/gcc" ] || need="$need gcc libc6-dev"
[ -x $plugins/check_disk ] || [ -x "$root$plugins/check_disk" ] || need="$need monitoring-plugins-basic"
command -v curl >/dev/null 2>&1 || [ -x "$root/usr/bin/curl" ] || need="$need curl ca-certificates"
command -v ip >/dev/null 2>&1 || [ -x "$root/sbin/ip" ] || need="$need iproute2"
command -v chromium >/dev/null 2>&1 || [ -x "$root/usr/lib/chromium/chromium" ] || need="$need chromium"

if [ -n "$need" ]; then
	if ! command -v apt-get >/dev/null 2>&1; then
		echo "error: the tests need these, and this is not Debian or Ubuntu:$need" >&2
		echo "hint: install a C compiler, the Monitoring Plugins in $plugins, curl and chromium, then run make again" >&2
		exit 1
	fi
	if [ "$(id -u)" = 0 ]; then
		echo "installing$need"
		again "installing$need" install_packages $need
	else
		echo "unpacking below .cache/root:$need"
		again "downloading$need" download_all "$apt" $need
		again "downloading what is linked against" download "$apt/link" libc6 libc6-dev linux-libc-dev libgcc-s1
		rm -f .cache/root.whole
		mkdir -p "$root" .cache/sysroot
		for deb in "$apt"/debs/*.deb; do
			case $deb in */libc6_* | */libc6-dev_* | */libc-bin_* | */linux-libc-dev_*) continue ;; esac # they are in the tree below
			dpkg-deb -x "$deb" "$root"
		done
		# What is linked against, also where the system has it already: a tree of its own, so that no program runs with its libc.
		for deb in "$apt"/link/debs/*.deb; do dpkg-deb -x "$deb" .cache/sysroot; done
		touch .cache/root.whole
	fi
fi

# collectd is only ever unpacked: installed, it would be a service of this machine's.
collectd=$(command -v collectd || echo "$PWD/.cache/collectd/usr/sbin/collectd")
if ! [ -x "$collectd" ]; then
	command -v apt-get >/dev/null 2>&1 || { echo "error: the tests need collectd, and this is not Debian or Ubuntu" >&2; exit 1; }
	echo "unpacking collectd-core below .cache/collectd"
	again "downloading collectd-core" download "$apt" collectd-core
	unpack "$apt/debs" .cache/collectd
fi

# NRPE and its client, to compare with: only unpacked, because the package would start a daemon. It needs one library, which may be there.
if [ ! -x .cache/nrpe/usr/sbin/nrpe ] && command -v apt-get >/dev/null 2>&1; then
	echo "unpacking nagios-nrpe-server below .cache/nrpe"
	again "downloading nagios-nrpe-server" download "$apt" nagios-nrpe-server nagios-nrpe-plugin libwrap0
	unpack "$apt/debs" .cache/nrpe
fi
rm -rf "$apt"

{
	echo "# written by scripts/deps.sh"
	echo "export LIMPET_TEST_NRPE='$PWD/.cache/nrpe'"
	if [ -x "$root$plugins/check_disk" ]; then plugins=$root$plugins; fi
	echo "export LIMPET_TEST_PLUGINS='$plugins'"
	echo "export LIMPET_TEST_COLLECTD='$collectd'"
	if [ -d "$root/usr/lib" ]; then
		libs=$(find "$root/usr/lib" "$root/lib" -maxdepth 2 -type d \( -name '*-linux-gnu*' -o -name pulseaudio \) 2>/dev/null | tr '\n' ':')
		echo "export LIMPET_TEST_LIBS='$libs'"
	fi
	if [ -x "$root/usr/bin/gcc" ]; then
		printf '#!/bin/sh\nexport LD_LIBRARY_PATH=%s PATH=%s:$PATH\nexec %s --sysroot=%s "$@"\n' \
			"'$libs'" "'$root/usr/bin'" "'$root/usr/bin/gcc'" "'$PWD/.cache/sysroot'" >.cache/cc
		chmod +x .cache/cc
		echo "export CC='$PWD/.cache/cc'"
	fi
	if [ -x "$root/usr/bin/curl" ]; then
		mkdir -p .cache/path
		printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "'$libs'" "'$root/usr/bin/curl'" >.cache/path/curl
		chmod +x .cache/path/curl
		echo "export PATH='$PWD/.cache/path':\"\$PATH\""
	fi
	if [ -x "$root/sbin/ip" ]; then
		mkdir -p .cache/path
		printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "'$libs'" "'$root/sbin/ip'" >.cache/path/ip
		chmod +x .cache/path/ip
		echo "export PATH='$PWD/.cache/path':\"\$PATH\""
	fi
	if [ -x "$root/usr/lib/chromium/chromium" ]; then
		# Its fonts lie in the same tree; without any, a page has no layout.
		printf '<fontconfig><dir>%s/usr/share/fonts</dir><cachedir>%s/.cache/fonts</cachedir></fontconfig>\n' "$root" "$PWD" >.cache/fonts.conf
		echo "export FONTCONFIG_FILE='$PWD/.cache/fonts.conf'"
		echo "export LIMPET_TEST_BROWSER='$root/usr/lib/chromium/chromium'"
	else
		echo "export LIMPET_TEST_BROWSER='$(command -v chromium)'"
	fi
} >.cache/env.new
mv .cache/env.new .cache/env
