#!/bin/sh
# Holds the check "containers" against containerd, Docker and Podman themselves: starts each below a folder of its own, without network, makes containers in
# every state from one that runs to one that is paused, and looks at them with the check. An engine that does not start here is a failure, not a skip.
# Needs root and Debian packages (fetched): containerd, docker.io, podman, runc, busybox-static. A minute.
set -eu
cd "$(dirname "$0")/.."
. ./scripts/again.sh
for need in containerd:containerd dockerd:docker.io podman:podman runc:runc busybox:busybox-static curl:curl; do
	command -v "${need%%:*}" >/dev/null || again "installing ${need##*:}" install_packages "${need##*:}"
done
CGO_ENABLED=0 go test -c -o .cache/engines.test ./core/internal/builtin/containers

dir=$(mktemp -d)
pids=
ctr="ctr -a $dir/containerd.sock -n limpet-test"
podman_() {
	podman --root "$dir/podman" --runroot "$dir/podman-run" --tmpdir "$dir/podman-tmp" --storage-driver vfs --cgroup-manager cgroupfs \
		--events-backend file --runtime runc "$@"
}
end() {
	[ ! -S "$dir/docker.sock" ] || docker -H "unix://$dir/docker.sock" ps -aq | xargs -r docker -H "unix://$dir/docker.sock" rm -f >/dev/null 2>&1 || true
	podman_ rm -af >/dev/null 2>&1 || true
	for task in web pod job held; do
		$ctr task kill -s KILL $task >/dev/null 2>&1 || true
		$ctr task rm -f $task >/dev/null 2>&1 || true
	done
	for pid in $pids; do kill "$pid" 2>/dev/null && wait "$pid" || true; done
	awk -v d="$dir/" 'index($2, d) == 1 {print $2}' /proc/mounts | sort -r | xargs -r -n1 umount 2>/dev/null || true
	rm -rf "$dir"
}
trap end EXIT
trap 'exit 1' INT TERM

# started NAME COMMAND...: in the background, once it listens on NAME.sock.
started() {
	name=$1
	shift
	"$@" >"$dir/$name.log" 2>&1 &
	pids="$! $pids"
	for _ in $(seq 150); do
		[ ! -S "$dir/$name.sock" ] || return 0
		sleep 0.2
	done
	echo "test-engines: $name does not start here, so the check was not held against it:" >&2
	tail -5 "$dir/$name.log" >&2
	exit 1
}

# A box of one program.
mkdir -p "$dir/box/bin" "$dir/box/dev" "$dir/box/proc" "$dir/box/sys" "$dir/box/etc" "$dir/box/tmp"
cp "$(command -v busybox)" "$dir/box/bin/busybox"
for name in sh sleep true false; do ln -s busybox "$dir/box/bin/$name"; done
tar -C "$dir/box" -cf "$dir/box.tar" .

cat >"$dir/containerd.toml" <<TOML
version = 2
root = "$dir/containerd"
state = "$dir/containerd-run"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "$dir/containerd.sock"
[ttrpc]
address = "$dir/containerd.sock.ttrpc"
TOML
started containerd containerd -c "$dir/containerd.toml"
started docker dockerd --data-root "$dir/docker" --exec-root "$dir/docker-run" --pidfile "$dir/docker.pid" -H "unix://$dir/docker.sock" \
	--containerd "$dir/containerd.sock" --iptables=false --bridge=none --storage-driver vfs
export DOCKER_HOST="unix://$dir/docker.sock"
docker import - box:1 <"$dir/box.tar" >/dev/null
docker save box:1 -o "$dir/image.tar"
run() { docker run -d --network none "$@" >/dev/null; }
run --name web box:1 /bin/sleep 3600
run --name well --health-cmd /bin/true --health-interval 1s box:1 /bin/sleep 3600
run --name sick --health-cmd /bin/false --health-interval 1s --health-retries 1 box:1 /bin/sleep 3600
run --name new --health-cmd /bin/true --health-interval 1h box:1 /bin/sleep 3600
run --name job box:1 /bin/sh -c 'exit 3'
run --name done box:1 /bin/true
run --name again --restart always box:1 /bin/sh -c 'exit 1'
docker create --name made --network none box:1 /bin/true >/dev/null
run --name held box:1 /bin/sleep 3600
docker pause held >/dev/null

$ctr images import --snapshotter native "$dir/image.tar" >/dev/null
run() { $ctr run -d --snapshotter native "$@"; }
image=docker.io/library/box:1
run $image web /bin/sleep 3600
run --label io.kubernetes.pod.name=front --label io.kubernetes.container.name=app $image pod /bin/sleep 3600
run $image job /bin/sh -c 'exit 3'
$ctr container create --snapshotter native $image made /bin/true
run $image held /bin/sleep 3600
$ctr task pause held

podman_ import - box:1 <"$dir/box.tar" >/dev/null 2>&1
run() { podman_ run -d --network none --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 "$@" >/dev/null; } # its own are more than some boxes allow
run --name web box:1 /bin/sleep 3600
run --name well --health-cmd /bin/true --health-interval disable box:1 /bin/sleep 3600
run --name sick --health-cmd /bin/false --health-interval disable --health-retries 1 box:1 /bin/sleep 3600
run --name new --health-cmd /bin/true --health-interval disable box:1 /bin/sleep 3600
run --name job box:1 /bin/sh -c 'exit 3'
run --name done box:1 /bin/true
podman_ create --name made --network none box:1 /bin/true >/dev/null
run --name held box:1 /bin/sleep 3600
podman_ pause held >/dev/null
podman_ healthcheck run well >/dev/null
podman_ healthcheck run sick >/dev/null 2>&1 || true
started podman podman --root "$dir/podman" --runroot "$dir/podman-run" --tmpdir "$dir/podman-tmp" --storage-driver vfs --cgroup-manager cgroupfs \
	--events-backend file --runtime runc system service --time 0 "unix://$dir/podman.sock"

docker version --format 'Docker {{.Server.Version}}'
$ctr version | sed -n '/Server/,$s/ *Version: /containerd /p'
podman --version
sleep 2 # of Docker's, who looks at its containers' health every second
LIMPET_TEST_DOCKER=$dir/docker.sock LIMPET_TEST_CONTAINERD=$dir/containerd.sock LIMPET_TEST_PODMAN=$dir/podman.sock .cache/engines.test -test.v -test.run Engines
