#!/bin/bash
# What happens inside the container, a stage a boot. Each line of the log says what was seen, and how long it took.
set -u
export PATH=$PATH:/usr/local/bin
platform=$(cat /srv/platform)
stage=$(cat /srv/stage 2>/dev/null || echo 1)

now() { date +%s.%N; }
since() { echo "$(now) $1" | awk '{printf "%.1f s", $1 - $2}'; }
say() { echo "stage $stage: $*"; }
give_up() {
	say "FAILED: $*"
	journalctl -u limpet -u hub --no-pager -n 60
	tail -n 30 /var/log/limpet/*.log
	limpet status
	for procs in $(find $delegated -name cgroup.procs); do echo "$procs:" $(cat "$procs"); done
	systemctl poweroff
	exit 1
}
# until_true SECONDS WHAT COMMAND…
until_true() {
	local limit=$1 what=$2 start
	shift 2
	start=$(now)
	until "$@"; do
		awk -v a="$(now)" -v b="$start" -v l="$limit" 'BEGIN {exit !(a - b > l)}' && give_up "$what: not within $limit s"
		sleep 0.1
	done
	say "$what: $(since "$start")"
}
hub() { /srv/bin/limpet-hub "$@" --data /srv/hub; }
hub_up() { curl -fsk https://127.0.0.1:8700/healthz >/dev/null; }
removed() { [ "$(hub agents --json)" = "[]" ] && events | grep -q '"kind":"removed"'; }
deregistered() { events | grep '"kind":"left"' | grep -c '"cause":"deregister"'; }
online() { hub agents --json 2>/dev/null | grep -q '"presence":"online"'; }
pid_of() { limpet status --json 2>/dev/null | sed -n "s/.*\"$1\":{[^}]*\"pid\":\([0-9]*\).*/\1/p"; }
runs() { limpet status --json 2>/dev/null | grep -q '"state":"connected"'; }
version_of() { limpet status --json 2>/dev/null | sed -n 's/.*"release":{"version":"\([^"]*\)".*/\1/p'; }
# settled VERSION: that core is good, and nothing is on its way.
settled() { [ "$(version_of)" = "$1" ] && limpet status --json | grep -q '"role":"good".*"phase":"idle"'; }
events() { hub events --limit 1000 --json | tr '{' '\n'; }
# seen SINCE: what nobody should see of an update. (The former core says that it goes for another.)
seen() { events | grep '"kind":"\(gap\|lost-run\|left\)"' | grep -v '"cause":"upgrade"' | awk -v since="$1" -F'"at":"' 'substr($2, 1, 19) >= since'; }
release() { /srv/next/limpet-release publish --channel stable --version "$1" --soak 3s --dir /srv/release --keys /srv/keys "${@:2}" >/dev/null; }
stub_is() { limpet status --json 2>/dev/null | grep -q "\"stub\":{\"running\":true,\"pid\":[0-9]*,\"version\":\"$1\"" && limpet version | grep -q "^limpet $1 " && runs; }
# The cgroup that systemd delegated, and the one below it in which a check's last run took place, as the run itself saw it.
delegated=/sys/fs/cgroup/system.slice/limpet.service
text_of() { limpet status --json 2>/dev/null | tr '{' '\n' | sed -n "s/^\"name\":\"$1\".*\"text\":\"\([^\"]*\)\".*/\1/p"; }
# stands: the check `bad` is hard at its third attempt, and since when it has been what it is; "" = it is not.
stands() { limpet status --json 2>/dev/null | tr '{' '\n' | sed -n 's/^"name":"bad".*"attempt":3,"attempts":3,"hard":true,"since":"\([^"]*\)".*/\1/p'; }
is_hard() { [ -n "$(stands)" ]; }
# A pattern, so not quoted.
ran_in() { [[ $(text_of where) == "in /system.slice/limpet.service/"$1 ]]; }
# slots CORE: the runs of the core with this pid have slots, its processes a leaf each, and nobody else's slots are left.
slots() {
	[ "$(cat $delegated/stub/cgroup.procs | tr '\n' ' ')" = "$(pid_of stub) " ] && grep -qx "$1" "$delegated/core-$1/cgroup.procs" && [ ! -s $delegated/cgroup.procs ] &&
		[ "$(cd $delegated && echo limpet-runs-*)" = "$(cd $delegated && echo limpet-runs-*."$1".*)" ] && ran_in "limpet-runs-*.$1.*/*"
}
plugins() {
	mkdir -p /srv/plugins
	cat >/srv/plugins/check_where <<-'PLUGIN'
		#!/bin/sh
		setsid sleep 1000 >/dev/null 2>&1 &
		echo "in $(sed -n 's/^0:://p' /proc/self/cgroup)"
	PLUGIN
	printf '#!/bin/sh\necho broken; exit 2\n' >/srv/plugins/check_bad
	hub plugin add /srv/plugins/check_where >/dev/null && hub plugin add /srv/plugins/check_bad >/dev/null
	printf 'checks:\n  - {name: where, plugin: check_where, every: 1s}\n  - {name: bad, plugin: check_bad, every: 1h, retry: 1s, attempts: 3}\n' >/srv/plugins/checks.yaml
	hub apply -f /srv/plugins/checks.yaml >/dev/null
}
another() { [ -n "$(pid_of "$1")" ] && [ "$(pid_of "$1")" != "$2" ] && runs; }

until_true 20 "hub answers" hub_up
case $stage in
1)
	line=$(hub token create --ephemeral --json | sed 's/.*"install":"\(.*\)"}.*/\1/; s/\\u0026/\&/g' | sed 's/.*\\n//')
	case $line in curl*) ;; *) give_up "no line to install by: $line" ;; esac
	start=$(now)
	sh -c "$line" || give_up "the installer ended with $?"
	say "from the line to the first result at the hub: $(since "$start")"
	[ "$(systemctl is-enabled limpet)" = enabled ] || give_up "the unit is not enabled"
	line=${line/TOKEN=* sh/sh}
	before=$(pid_of stub)
	sh -c "$line" || give_up "the installer ended with $? the second time"
	[ "$(pid_of stub)" = "$before" ] || give_up "the second installation restarted what ran"
	until_true 5 "hub shows it online" online
	plugins || give_up "no plugin could be given to the hub"
	until_true 20 "a plugin runs in a slot below the unit's cgroup" slots "$(pid_of process)"
	limpet try builtin:systemd -u limpet -u hub >/srv/units || give_up "the check of units says $(cat /srv/units)"
	grep -q 'limpet.service is active (running)' /srv/units || give_up "the check of units says $(cat /srv/units)"
	limpet try builtin:systemd -u no-such-unit >/srv/units && give_up "the check of units says $(cat /srv/units)"
	grep -q 'no-such-unit.service does not exist' /srv/units || give_up "the check of units says $(cat /srv/units)"
	say "systemd answers the check of units: $(limpet try builtin:systemd | sed -n 's/^text *//p')"
	[ "$(systemctl show limpet -p ControlGroup --value)" = "${delegated#/sys/fs/cgroup}" ] || give_up "the unit's cgroup is $(systemctl show limpet -p ControlGroup)"
	systemctl show limpet -p Delegate -p KillMode -p Type -p WatchdogUSec -p Restart
	until_true 20 "a problem is hard, two tries a second apart after it was seen" is_hard
	stands >/srv/since
	cat /etc/limpet/agent.finger >/srv/finger
	release 0.2.0 --core "$platform=/srv/next/limpet-core" || give_up "0.2.0 could not be published"
	echo 2 >/srv/stage
	systemctl reboot
	;;
2)
	until_true 20 "limpet is back after a reboot" runs
	core=$(pid_of process) stub=$(pid_of stub)
	until_true 20 "the problem is hard after the reboot" is_hard
	[ "$(stands)" = "$(cat /srv/since)" ] || give_up "the problem stands since $(stands), before the reboot since $(cat /srv/since)"
	until_true 20 "plugins run in slots after a reboot" slots "$core"
	[ "$(version_of)" = 0.1.0 ] || give_up "it runs $(version_of) already"
	unit=$(systemctl show limpet -p NRestarts -p InvocationID)
	until_true 20 "hub shows it online" online
	hub events | grep -q 'left: shutdown' || give_up "the hub was not told of the reboot: $(hub events | grep left)"
	hub events | grep -q 'removed:' && give_up "a reboot took an ephemeral box out of the fleet: $(hub events | grep removed)"
	hub agents | grep -q 'online, ephemeral' || give_up "the box is not shown as ephemeral: $(hub agents)"
	say "the reboot was announced as the host's shutdown, and the ephemeral box stayed in the fleet"
	began=$(date -u +%FT%T)
	until_true 120 "the newer core has replaced it, unasked" settled 0.2.0
	until_true 10 "hub shows it online" online
	[ "$(pid_of process)" != "$core" ] || give_up "the core is the same process"
	[ "$(pid_of stub)" = "$stub" ] || give_up "the stub is another"
	[ "$(systemctl show limpet -p NRestarts -p InvocationID)" = "$unit" ] || give_up "systemd restarted something"
	[ -z "$(seen "$began")" ] || give_up "the hub saw it: $(seen "$began")"
	events | grep -q '"kind":"left"' || give_up "the hub's log says nothing at all"
	[ "$(stat -c %U /opt/limpet/state/part/meta)" = limpet-fetch ] || give_up "the download is not limpet-fetch's: $(ls -l /opt/limpet/state/part)"
	! grep 'not wholly confined' /var/log/limpet/limpet.log || give_up "not confined"
	say "silent update: same stub, same unit, no gap, no lost run, no session left; downloaded by limpet-fetch, confined"
	core=$(pid_of process)
	until_true 20 "plugins run in slots of the newer core, and those of the one before are gone" slots "$core"
	kill -9 "$core"
	until_true 20 "another core after kill -9 of the core" another process "$core"
	until_true 20 "plugins run in slots of the core after kill -9, and those of the killed one are gone" slots "$(pid_of process)"
	[ "$(pid_of stub)" = "$stub" ] || give_up "the stub is another"
	core=$(pid_of process)
	kill -9 "$stub"
	until_true 30 "another stub after kill -9 of the stub" another stub "$stub"
	until_true 30 "another core, too" another process "$core"
	journalctl -u limpet -t limpet-core --no-pager -n 50 | grep 'level=WARN msg="the stub is gone, ending"' || give_up "the journal does not have what the core warned of"
	until_true 30 "plugins run in slots after kill -9 of the stub, and those of the core before are gone" slots "$(pid_of process)"
	[ "$(pgrep -cx sleep)" -le 2 ] || give_up "what plugins left behind is still there: $(pgrep -ax sleep)"
	until_true 20 "hub shows it online" online
	[ "$(cat /etc/limpet/agent.finger)" = "$(cat /srv/finger)" ] || give_up "another fingerprint"
	release 0.2.0 --stub "$platform=/srv/next/limpet" --fetch "$platform=/srv/next/limpet-fetch" || give_up "limpet 0.2.0 could not be published"
	limpet upgrade-stub || give_up "upgrade-stub ended with $?"
	systemctl restart limpet
	until_true 20 "limpet 0.2.0 runs after upgrade-stub" stub_is 0.2.0
	limpet upgrade-stub --back || give_up "upgrade-stub --back ended with $?"
	systemctl restart limpet
	until_true 20 "limpet 0.1.0 runs after upgrade-stub --back" stub_is 0.1.0
	until_true 20 "hub shows it online" online
	echo 3 >/srv/stage
	touch /srv/off
	systemctl poweroff
	;;
3)
	until_true 20 "limpet is back after the power was off" runs
	until_true 20 "hub shows it online, without another token" online
	[ "$(deregistered)" = 1 ] || give_up "an ephemeral box did not deregister when its host was powered off: $(hub events | grep left)"
	say "the power-off deregistered the ephemeral box, and its key brought it back"
	limpet uninstall --purge || give_up "uninstall ended with $?"
	until_true 10 "the ephemeral box is out of the fleet with its deregistration" removed
	[ "$(deregistered)" = 2 ] || give_up "the hub was not told"
	sleep 1
	left=$(find / -xdev \( -path /srv -o -path /proc -o -path /sys \) -prune -o \( -name '*limpet*' -print \) 2>/dev/null)
	[ -z "$left" ] || give_up "left behind: $left"
	[ ! -e $delegated ] || give_up "the unit's cgroup is left: $(find $delegated -name cgroup.procs | head)"
	if pgrep -f /opt/limpet >/dev/null || pgrep -x limpet-core >/dev/null; then give_up "processes are left: $(pgrep -a limpet)"; fi
	systemctl cat limpet >/dev/null 2>&1 && give_up "systemd still knows the unit"
	getent passwd limpet-fetch >/dev/null && give_up "the user is left"
	say "nothing is left"
	echo "ALL GOOD"
	systemctl poweroff
	;;
esac
