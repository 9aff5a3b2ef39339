#!/bin/sh
# Takes Limpet off this box: limpet uninstall [--purge] runs it. The key and the fingerprint stay, so that a box which comes
# again is the same box; --purge takes them, too. It needs neither a hub that answers nor a core that lives.

limpet_fail() {
	printf 'error: %s\n' "$1" >&2
	[ -z "${2-}" ] || printf 'hint: %s\n' "$2" >&2
	exit "${3-1}"
}

# limpet_running prints the process id of the stub, if it runs.
limpet_running() {
	[ -x "$bin/limpet" ] || return 0
	"$bin/limpet" status --json ${root:+--root "$root"} 2>/dev/null | sed -n 's/.*"stub":{"running":true,"pid":\([0-9][0-9]*\).*/\1/p'
}

limpet_stop() {
	if [ -z "$root" ] && [ -d /run/systemd/system ] && [ -e /etc/systemd/system/limpet.service ]; then
		systemctl disable --now limpet.service >/dev/null 2>&1
	fi
	pid=$(limpet_running)
	[ -n "$pid" ] || return 0
	kill "$pid" 2>/dev/null
	n=0
	while [ $n -lt 60 ] && [ -n "$(limpet_running)" ]; do
		n=$((n + 1))
		sleep 0.5 2>/dev/null || sleep 1
	done
	[ -z "$(limpet_running)" ] || limpet_fail "limpet does not stop (process $pid)" "end it, then call uninstall again"
}

limpet_main() {
	PATH=$PATH:/usr/sbin:/sbin
	root='' purge=''
	while [ $# -gt 0 ]; do
		case $1 in
		--purge) purge=1 ;;
		--root)
			[ -n "${2-}" ] || limpet_fail "--root names no folder" "" 2
			root=$2
			shift
			;;
		*) limpet_fail "uninstall does not know $1" "limpet uninstall [--purge]" 2 ;;
		esac
		shift
	done
	unset LIMPET_ROOT
	if [ -n "$root" ]; then
		root=$(cd "$root" 2>/dev/null && pwd) || limpet_fail "there is no such folder" "--root names the one that limpet was installed in"
		[ "$root" != / ] || limpet_fail "--root / is not below any folder" "" 2
		bin=$root/bin ver=$root/ver state=$root/state etc=$root/etc log=$root/log
	else
		[ "$(id -u)" = 0 ] || limpet_fail "this needs root" "run it with sudo"
		bin=/opt/limpet/bin ver=/opt/limpet/ver state=/opt/limpet/state etc=/etc/limpet log=/var/log/limpet
	fi
	if [ ! -e "$bin/limpet" ] && [ ! -e "$state" ] && [ ! -e "$etc" ]; then
		printf '%s\n' "limpet is not here"
		return 0
	fi
	if [ -n "$(limpet_running)" ]; then
		"$bin/limpet" deregister ${root:+--root "$root"} >/dev/null 2>&1 ||
			printf '%s\n' "note: the hub could not be told; limpet-hub agent forget takes this box out of its list"
	fi
	limpet_stop
	if [ -z "$root" ]; then
		rm -f /etc/systemd/system/limpet.service
		if [ -d /run/systemd/system ]; then
			systemctl daemon-reload
			systemctl reset-failed limpet.service >/dev/null 2>&1
		fi
		[ "$(readlink /usr/local/bin/limpet 2>/dev/null)" != "$bin/limpet" ] || rm -f /usr/local/bin/limpet
	fi
	rm -rf "$bin" "$ver" "$state" "$log" || limpet_fail "not everything could be removed"
	rm -f "$etc/limpet.conf" "$etc/token"
	[ -z "$purge" ] || rm -rf "$etc"
	if [ -n "$root" ]; then
		rmdir "$etc" "$root" 2>/dev/null
	else
		rmdir "$etc" /opt/limpet 2>/dev/null
		if id limpet-fetch >/dev/null 2>&1; then
			userdel limpet-fetch >/dev/null 2>&1 || deluser limpet-fetch >/dev/null 2>&1
		fi
	fi
	if [ -e "$etc/agent.key" ]; then
		printf '%s\n' "limpet is gone; its key and fingerprint stay in $etc"
	else
		printf '%s\n' "limpet is gone"
	fi
	exit 0
}

limpet_main "$@"
