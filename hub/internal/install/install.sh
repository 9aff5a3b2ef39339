#!/bin/sh
# Puts Limpet on this box, or takes it away. Everything is in functions and the last line calls one: half a download does nothing.
#
#   sh install.sh --token-file FILE [--root DIR]     or with the token in TOKEN or LIMPET_TOKEN
#   sh install.sh --uninstall [--purge] [--root DIR]

limpet_hub='@HUB@'

# Where NRPE's configuration lies; limpet looks in the same places.
limpet_nrpe_files='/etc/nagios/nrpe.cfg /usr/local/nagios/etc/nrpe.cfg /etc/nrpe.cfg /etc/nrpe/nrpe.cfg /etc/icinga/nrpe.cfg /usr/local/etc/nrpe.cfg /opt/nagios/etc/nrpe.cfg'

# limpet_programs says what there is for a platform: the files in the hub's release repository, and their SHA-256.
limpet_programs() {
	case $1 in
@PROGRAMS@
	*) return 1 ;;
	esac
}

limpet_say() { printf '%s\n' "$@"; }

limpet_fail() {
	printf 'error: %s\n' "$1" >&2
	[ -z "${2-}" ] || printf 'hint: %s\n' "$2" >&2
	exit "${3-1}"
}

limpet_platform() {
	os=$(uname -s | tr '[:upper:]' '[:lower:]')
	case $(uname -m) in
	x86_64 | amd64) arch=amd64 ;;
	aarch64 | arm64) arch=arm64 ;;
	i?86) arch=386 ;;
	armv[67]* | armhf) arch=arm ;;
	*) arch=$(uname -m | tr '[:upper:]' '[:lower:]' | tr -cd 'a-z0-9') ;;
	esac
	printf '%s-%s' "$os" "$arch"
}

# limpet_sum prints the SHA-256 of a file in hex.
limpet_sum() {
	if command -v sha256sum >/dev/null 2>&1; then
		sha256sum <"$1"
	elif command -v shasum >/dev/null 2>&1; then
		shasum -a 256 <"$1"
	elif command -v sha256 >/dev/null 2>&1; then
		sha256 -q "$1"
	elif command -v openssl >/dev/null 2>&1; then
		openssl dgst -sha256 -r <"$1"
	else
		limpet_fail "there is no program here that makes a SHA-256" "install coreutils or openssl"
	fi | cut -c 1-64
}

# limpet_get downloads a file. The line need not be verified: what comes over it must have the hash that stands in this script.
limpet_get() {
	if command -v curl >/dev/null 2>&1; then
		curl -fsSk --connect-timeout 15 --retry 3 -o "$2" "$1"
	elif command -v wget >/dev/null 2>&1; then
		wget -q --no-check-certificate -O "$2" "$1"
	else
		limpet_fail "neither curl nor wget is here" "install one of them"
	fi
}

# limpet_program brings one program into $new, unless bin has it. limpet-fetch places it from there, as it was signed.
limpet_program() {
	name=$1 file=$2 sum=$3
	if [ -f "$bin/$name" ] && [ "$(limpet_sum "$bin/$name")" = "$sum" ]; then
		return 0
	fi
	limpet_get "$limpet_hub/release/$file" "$new/$name" ||
		limpet_fail "$name did not come from $limpet_hub" "is the hub reachable from here?" 7
	[ "$(limpet_sum "$new/$name")" = "$sum" ] ||
		limpet_fail "what came from $limpet_hub is not the $name that this script names" "fetch the script again; if that does not help, somebody stands between this box and the hub" 6
	chmod 0755 "$new/$name" || limpet_fail "cannot write to $new"
	changed=1
}

limpet_write_uninstall() {
	cat >"$1" <<'LIMPET_UNINSTALL' || limpet_fail "cannot write $1"
@UNINSTALL@
LIMPET_UNINSTALL
	chmod 0755 "$1"
}

limpet_user() {
	[ -z "$root" ] && [ "$(id -u)" = 0 ] || return 0
	id limpet-fetch >/dev/null 2>&1 && return 0
	if command -v useradd >/dev/null 2>&1; then
		useradd --system --no-create-home --home-dir /nonexistent --shell /bin/false limpet-fetch >/dev/null 2>&1 && return 0
	elif command -v adduser >/dev/null 2>&1; then
		adduser -S -D -H -h /nonexistent -s /bin/false limpet-fetch >/dev/null 2>&1 && return 0
	fi
	limpet_say "note: no user limpet-fetch could be made; downloads run with the rights of limpet"
}

limpet_unit() {
	cat <<UNIT
[Unit]
Description=Limpet, monitoring agent
Documentation=$limpet_hub
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart=$bin/limpet run
ExecReload=/bin/kill -HUP \$MAINPID
Restart=always
RestartSec=2
WatchdogSec=60
KillMode=process
TimeoutStopSec=30
Delegate=yes
LimitCORE=0

[Install]
WantedBy=multi-user.target
UNIT
}

# limpet_start puts the service under systemd and starts it.
limpet_start() {
	unit=/etc/systemd/system/limpet.service
	limpet_unit >"$tmp/unit"
	if ! cmp -s "$tmp/unit" "$unit"; then
		cp "$tmp/unit" "$unit" || limpet_fail "cannot write $unit"
		changed=1
	fi
	mkdir -p /usr/local/bin
	[ -e /usr/local/bin/limpet ] || ln -s "$bin/limpet" /usr/local/bin/limpet
	systemctl daemon-reload || limpet_fail "systemd does not take the unit"
	systemctl enable limpet.service >/dev/null 2>&1 || limpet_fail "systemd does not enable limpet.service"
	if [ -n "$changed" ] || ! systemctl is-active --quiet limpet.service; then
		systemctl restart limpet.service || limpet_fail "limpet did not start" "journalctl -u limpet and $log/limpet.log say why"
	fi
}

# limpet_wait waits until the hub has the first results.
limpet_wait() {
	n=0
	while [ $n -lt 120 ]; do
		case $("$bin/limpet" status --json 2>/dev/null) in
		*'"state":"connected"'*'"pending":0'*'"last":"'*) return 0 ;;
		esac
		n=$((n + 1))
		sleep 0.5 2>/dev/null || sleep 1
	done
	"$bin/limpet" status >&2
	limpet_fail "limpet runs, but no result reached the hub within a minute" "the lines above, $log/limpet.log and $log/core.log say why"
}

# limpet_nrpe offers to take over the commands of an NRPE that is here. With an argument limpet runs, so it asks where somebody is there to
# answer: on the terminal, since this script may be what stdin brings.
limpet_nrpe() {
	for cfg in $limpet_nrpe_files; do
		[ -f "$cfg" ] || continue
		if [ -n "${1-}" ] && [ -t 1 ] && { : </dev/tty; } 2>/dev/null; then
			printf '\nThere is an NRPE here (%s). Shall its commands run as checks of this box, beside it? [Y/n] ' "$cfg"
			answer=n
			read -r answer </dev/tty
			case $answer in
			'' | [Yy]*)
				"$bin/limpet" import nrpe "$cfg"
				return 0
				;;
			esac
		fi
		limpet_say "" "There is an NRPE here. This makes checks of this box of its commands, beside it:" "" \
			"  limpet import ${root:+--root $root }nrpe $cfg"
		return 0
	done
}

limpet_install() {
	limpet_file='' limpet_sha256='' fetch_file='' fetch_sha256=''
	platform=$(limpet_platform)
	limpet_programs "$platform" || limpet_fail "this hub has no programs for $platform" "the publisher adds them: limpet-release publish --stub $platform=FILE --fetch $platform=FILE"
	if [ -n "$root" ]; then
		if ! { mkdir -p "$root" && root=$(cd "$root" && pwd); }; then
			limpet_fail "cannot make $root"
		fi
		bin=$root/bin log=$root/log state=$root/state etc=$root/etc
	else
		[ "$(id -u)" = 0 ] || limpet_fail "this needs root" "run it with sudo, or give --root DIR to put everything below one folder"
		bin=/opt/limpet/bin log=/var/log/limpet state=/opt/limpet/state etc=/etc/limpet
	fi
	tmp=$(mktemp -d) || limpet_fail "cannot make a folder for temporary files"
	new=
	trap 'rm -rf "$tmp" ${new:+"$new"}' EXIT
	trap 'exit 1' HUP INT TERM
	if [ -z "$token_file" ] && [ -n "$token" ]; then
		(umask 077 && printf '%s\n' "$token" >"$tmp/token") || limpet_fail "cannot write to $tmp"
		token_file=$tmp/token
	fi
	token=
	if [ -z "$token_file" ] && [ ! -e "$state/trust/hub.json" ]; then
		limpet_fail "no token was given" "limpet-hub token create makes one; give it with --token-file FILE, or in TOKEN" 2
	fi
	mkdir -p "$bin" || limpet_fail "cannot make $bin"
	# Not below /tmp: nothing may run there on many a box.
	new=$(mktemp -d "$bin/.install-XXXXXX") || limpet_fail "cannot write to $bin"
	changed=
	limpet_program limpet "$limpet_file" "$limpet_sha256"
	limpet_program limpet-fetch "$fetch_file" "$fetch_sha256"
	limpet_user
	fetch=$bin/limpet-fetch
	[ ! -f "$new/limpet-fetch" ] || fetch=$new/limpet-fetch
	set -- bootstrap --hub "$limpet_hub" --programs "$new"
	[ -z "$root" ] || set -- "$@" --root "$root"
	[ -z "$token_file" ] || set -- "$@" --token-file "$token_file"
	"$fetch" "$@" || exit $?
	limpet_write_uninstall "$bin/uninstall.sh"
	if [ -n "$root" ] || [ ! -d /run/systemd/system ]; then
		limpet_say "" "limpet is installed. Nothing here starts it by itself; start it with:" "" "  $bin/limpet run${root:+ --root $root}"
		limpet_nrpe
		exit 3
	fi
	limpet_start
	limpet_wait
	limpet_say "" "This box reports to $limpet_hub as $(uname -n)." \
		"  here:       limpet status" \
		"  console:    $limpet_hub/agents/$(cat "$etc/agent.finger")" \
		"  take away:  limpet uninstall"
	limpet_nrpe ask
}

limpet_uninstall() {
	tmp=$(mktemp -d) || limpet_fail "cannot make a folder for temporary files"
	limpet_write_uninstall "$tmp/uninstall.sh"
	/bin/sh "$tmp/uninstall.sh" ${purge:+--purge} ${root:+--root "$root"}
	code=$?
	rm -rf "$tmp"
	exit $code
}

limpet_main() {
	umask 022
	PATH=$PATH:/usr/sbin:/sbin:/usr/local/bin
	root='' token_file='' purge='' uninstall=''
	token=${LIMPET_TOKEN-${TOKEN-}}
	unset TOKEN LIMPET_TOKEN LIMPET_ROOT
	while [ $# -gt 0 ]; do
		case $1 in
		--token-file | --root)
			[ -n "${2-}" ] || limpet_fail "$1 needs a value" "" 2
			if [ "$1" = --root ]; then root=$2; else token_file=$2; fi
			shift
			;;
		--uninstall) uninstall=1 ;;
		--purge) purge=1 ;;
		-h | --help)
			limpet_say "sh install.sh --token-file FILE [--root DIR], or with the token in TOKEN" "sh install.sh --uninstall [--purge] [--root DIR]"
			exit 0
			;;
		*) limpet_fail "one of the arguments is none of this script's" "it takes --token-file FILE, --root DIR, --uninstall and --purge; a token never stands in a command line" 2 ;;
		esac
		shift
	done
	if [ -n "$token_file" ]; then
		[ -r "$token_file" ] || limpet_fail "the token file $token_file cannot be read" "" 2
	fi
	if [ -n "$uninstall" ]; then
		limpet_uninstall
	fi
	limpet_install
}

limpet_main "$@"
