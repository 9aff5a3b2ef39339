#!/bin/sh
# Runs the tests of the packages that meet the operating system, built for Windows, under Wine. Wine is not Windows: what it lacks is left out by name below, and
# what it does is no proof for Windows; but a call with wrong arguments, a path with the wrong slash and a process that stays are seen here.
# Needs Debian's wine64 (fetched as root). Wine 8 lacks three things that Go's own library asks of Windows; -overlay puts what older versions of Windows had in their place,
# in these test programs alone: random bytes from advapi32, deletion of files without the rules of POSIX, UDP that may report that a network cannot be reached.
set -eu
cd "$(dirname "$0")/.."
dir=$PWD/.cache/wine
mkdir -p "$dir/std"
. ./scripts/again.sh
command -v wine >/dev/null || again "installing wine" install_packages wine wine64 || {
	echo "test-wine: there is no wine here and it could not be installed: NOTHING WAS TESTED" >&2
	exit 1
}
std=$(go env GOROOT)/src
sed -e "/bcryptprimitivesdll = /s/{.*}/{'a', 'd', 'v', 'a', 'p', 'i', '3', '2', '.', 'd', 'l', 'l', 0}/" \
	-e 's/"ProcessPrng\\000"/"SystemFunction036\\000"/' "$std/runtime/os_windows.go" >"$dir/std/os_windows.go"
sed -e 's/"bcryptprimitives.dll"/"advapi32.dll"/' -e 's/NewProc("ProcessPrng")/NewProc("SystemFunction036")/' \
	"$std/internal/syscall/windows/zsyscall_windows.go" >"$dir/std/zsyscall_windows.go"
sed -e 's/^\tcase STATUS_INVALID_INFO_CLASS,/\tcase NTStatus(0xC0000002), STATUS_INVALID_INFO_CLASS,/' \
	"$std/internal/syscall/windows/at_windows.go" >"$dir/std/at_windows.go"
sed -e 's/err = syscall.WSAIoctl(fd.pfd.Sysfd, windows.SIO_UDP_NETRESET,.*/_ = windows.SIO_UDP_NETRESET/' "$std/net/fd_windows.go" >"$dir/std/fd_windows.go"
cat >"$dir/overlay.json" <<JSON
{"Replace": {
"$std/runtime/os_windows.go": "$dir/std/os_windows.go",
"$std/internal/syscall/windows/zsyscall_windows.go": "$dir/std/zsyscall_windows.go",
"$std/internal/syscall/windows/at_windows.go": "$dir/std/at_windows.go",
"$std/net/fd_windows.go": "$dir/std/fd_windows.go"}}
JSON
export WINEPREFIX="$dir/box" WINEDEBUG=-all
if [ ! -d "$WINEPREFIX" ]; then
	wineboot -i >/dev/null 2>&1
	wine reg add "HKLM\\SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Memory Management\\PrefetchParameters" /v BootId /t REG_DWORD /d 7 /f >/dev/null
fi

# What meets the system, and can be tested here. Left out: core/internal/local (Wine 8 has no sockets with a path), core/internal/nrpe and config (their tests name files of
# Unix), identity, updater/store and the stub's world (they start from descriptors, or fail on a disk in memory, as only Unix does).
packages=${*:-./platforms ./platforms/boxfile ./platforms/fsys ./platforms/plain ./core/check ./core/internal/plugin ./core/internal/catalog ./core/internal/buffer
	./core/internal/collector ./core/internal/control ./core/internal/handover ./core/internal/schedule ./core/internal/session ./core/internal/facts ./core/internal/input
	./core/internal/doctor $(GOOS=windows go list -f '{{if .TestGoFiles}}./{{.ImportPath}}{{end}}' ./core/internal/builtin/... | sed "s,$(go list -m)/,,") ./updater/boot ./updater/dial ./updater/fetch}

# left_out PACKAGE: tests of what Wine does not have.
left_out() {
	case $1 in
	*/plugin) echo '^TestProcessesOfARunAreLimited$' ;; # it does not hold the number of a job's processes
	*/tcp) echo '^TestUnixSocket$' ;;                   # no sockets with a path
	*/builtin) echo '^TestRealBox$' ;;                  # it has no list of page files, so no swap
	*) echo '^$' ;;
	esac
}

failed=
for package in $packages; do
	name=$(echo "$package" | tr -d . | tr / _) skip=$(left_out "$package")
	echo "== $package$([ "$skip" = '^$' ] || echo ", without $skip")"
	GOOS=windows GOARCH=amd64 CGO_ENABLED=0 go test -overlay "$dir/overlay.json" -c -o "$dir/$name.exe" "$package" && [ -e "$dir/$name.exe" ] &&
		(cd "$package" && wine "$dir/$name.exe" -test.timeout 5m -test.skip "$skip") || failed="$failed $package"
done
[ -z "$failed" ] || {
	echo "test-wine: failed in$failed" >&2
	exit 1
}
