#!/bin/sh
# PACKAGE TARGET [SECONDS]: fuzzes until nothing new has come for SECONDS (180; 0 = not at all) and a million runs, or in half an hour fails, and leaves in the
# package's testdata/fuzz the least of all inputs that reaches as much.
#
# `go test -fuzz` counts ways through every package, and how often each is taken by powers of two: of a parser that is mostly ways through strconv and fmt, which
# other people test. Here the counters are in the package and those below it alone, so that "new" is new there: an edge, or an edge taken 2, 4, ... 128 times as nothing before took it.
set -eu
package=$1 target=$2 quiet=${3:-180} most=1800 flat=yes
cd "$(dirname "$0")/.."
dir=$PWD/.cache/plateau/$target log=$PWD/.cache/plateau/$target.log
mkdir -p "$dir"
go test -c -gcflags="./$package/...=-d=libfuzzer" -o "$dir/test" "./$package"
cd "$package"
kept=testdata/fuzz/$target
mkdir -p "$kept"

# fuzz SECONDS-OR-RUNS CACHE
fuzz() {
	GODEBUG=fuzzdebug=1 exec "$dir/test" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$1" -test.fuzzminimizetime 20x -test.parallel 1 -test.fuzzcachedir "$2"
}

runs() { sed -n 's/.*execs: \([0-9]*\).*/\1/p' "$log" | tail -1; }

if [ "$quiet" -gt 0 ]; then
	(fuzz "${most}s" "$dir/cache") >"$log" 2>&1 &
	pid=$!
	began=$(date +%s) last=$began seen=0 at=0 flat=no
	while kill -0 $pid 2>/dev/null; do
		sleep 5
		new=$(grep -c 'DEBUG new interesting' "$log" || true) now=$(date +%s) ran=$(runs)
		if [ "$new" -gt "$seen" ]; then
			seen=$new last=$now at=${ran:-0}
		elif [ $((now - last)) -ge "$quiet" ] && [ $((${ran:-0} - at)) -ge 1000000 ]; then
			kill -INT $pid
			flat=yes
			break
		fi
	done
	wait $pid || true
	if grep -q '^--- FAIL' "$log"; then
		sed -n '/^--- FAIL/,$p' "$log"
		exit 1
	fi
	bits=$(sed -n 's/.*initial coverage bits: \([0-9]*\).*/\1/p' "$log")
	echo "$target: $bits of the kept inputs; $(runs) runs in $(($(date +%s) - began)) s brought $(sed -n 's/.*total bits: \([0-9]*\),.*/\1/p' "$log" | tail -1); the last new one $(($(date +%s) - last)) s and $(($(runs) - at)) runs before the end"
fi

# The seeds of the code come first, then what is kept, in the order of names: what adds nothing to those before it goes.
[ ! -d "$dir/cache/$target" ] || cp "$dir/cache/$target"/* "$kept/"
rm -rf "$dir/cache"
(fuzz 10000x "$dir/none") >"$log" 2>&1 # of these the inputs come first
rm -rf "$dir/none"
files=$(ls "$kept" | wc -l)
sed -n 's/.*processed an initial input.*new bits: \([0-9]*\),.*/\1/p' "$log" | tail -n "$files" >"$dir/bits"
[ "$(wc -l <"$dir/bits")" -eq "$files" ]
ls "$kept" | paste - "$dir/bits" | while read -r name new; do
	[ "$new" -gt 0 ] || rm "$kept/$name"
done
echo "$target: $(ls "$kept" | wc -l) of $files inputs kept, $(cat "$kept"/* | wc -c) bytes; $(sed -n 's/.*initial coverage bits: //p' "$log") reached"
[ $flat = yes ] || { echo "$target: no plateau in $most s" >&2; exit 1; }
