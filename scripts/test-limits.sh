#!/bin/sh
# Boots a Debian kernel with all controllers for cgroups of version 2 in an emulated machine, and runs there what of core/internal/plugin and core/internal/collector needs them.
# Needs Debian packages (fetched as root): qemu-system-x86, busybox-static, cpio. No KVM, no network, no disk: about two minutes.
set -eu
cd "$(dirname "$0")/.."
. ./scripts/again.sh
dir=$PWD/.cache/limits
mkdir -p "$dir"
for need in qemu-system-x86_64:qemu-system-x86 busybox:busybox-static cpio:cpio; do
	command -v "${need%%:*}" >/dev/null || again "installing ${need##*:}" install_packages "${need##*:}"
done

if [ ! -s "$dir/vmlinuz" ]; then
	package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -1)
	again "downloading $package" download "$dir/apt" "$package"
	unpack "$dir/apt/debs" "$dir/kernel"
	mv "$dir"/kernel/boot/vmlinuz-* "$dir/vmlinuz"
	rm -rf "$dir/kernel" "$dir/apt"
fi

root=$dir/root
rm -rf "$root" && mkdir -p "$root/bin" "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/etc"
cp "$(command -v busybox)" "$root/bin/busybox"
for name in sh mount sleep poweroff cat grep env setsid head tr printf echo ls true kill id sort nice mkdir mkfifo touch yes seq; do
	ln -s busybox "$root/bin/$name"
done
echo 'root:x:0:0::/:/bin/sh' >"$root/etc/passwd"
CGO_ENABLED=0 go test -c -o "$root/plugin.test" ./core/internal/plugin
CGO_ENABLED=0 go test -c -o "$root/collector.test" ./core/internal/collector
cat >"$root/init" <<'INIT'
#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
cat /proc/version
export PATH=/bin LIMPET_MUST_LIMIT=1
/collector.test -test.v && /plugin.test -test.v -test.run 'Slot|Kernel|ForkBomb|LeftTheGroup|AfterOne|Adopted'
echo "limits-ended-with $?"
poweroff -f
INIT
chmod +x "$root/init"
(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$dir/initrd.gz"

# Always emulated: where /dev/kvm is there it may be of a kind on which stock kernels crawl.
timeout -k 5 "${TIMEOUT:-400}" qemu-system-x86_64 -machine q35 -accel tcg -cpu qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt,+rdrand -smp 2 -m 1024 \
	-kernel "$dir/vmlinuz" -initrd "$dir/initrd.gz" -append "console=ttyS0 loglevel=3 panic=-1 mitigations=off" \
	-display none -monitor none -serial stdio -no-reboot -nic none </dev/null | tee "$dir/log"
if grep -q -- '--- SKIP' "$dir/log"; then
	echo "error: something was skipped; here nothing may be" >&2
	exit 1
fi
grep -q '^limits-ended-with 0' "$dir/log"
