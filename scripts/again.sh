# For the scripts beside it, which read it from the project's folder: what they fetch fails by chance when a proxy hiccups or another apt holds the locks.

# again WHAT COMMAND...: tries five times, two minutes in all, and says each time why. What the command printed last is in .cache/fetch.log.
again() {
	what=$1
	shift
	mkdir -p .cache
	for pause in 5 15 30 60 0; do
		if "$@" >.cache/fetch.log 2>&1; then return 0; fi
		[ $pause != 0 ] || break
		echo "$what failed ($(grep -E '^(E|error|go):' .cache/fetch.log | tail -n 1)), trying again in $pause s" >&2
		sleep $pause
	done
	tail -n 20 .cache/fetch.log >&2
	echo "error: $what failed five times" >&2
	return 1
}

# install_packages PACKAGE...: as root. Lists that cannot be fetched matter only where those there do not do; an earlier apt that was cut off may have left dpkg
# in the middle.
install_packages() {
	apt-get -o Acquire::Retries=3 update -qq || true
	place "$@" || { dpkg --configure -a && place "$@"; }
}

place() { DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$@"; }

# private DIR COMMAND...: apt-get with lists and archives of its own below DIR, an absolute path, so that it needs no rights and no locks.
private() {
	below=$1
	shift
	apt-get -o Dir::State::Lists="$below/lists" -o Dir::Cache="$below/cache" -o Debug::NoLocking=1 -o APT::Sandbox::User= -o Acquire::Languages=none -o Acquire::Retries=3 "$@"
}

# lists DIR: fetches them.
lists() { mkdir -p "$1/lists/partial" "$1/cache/archives/partial" && private "$1" update -qq; }

# download DIR PACKAGE...: into DIR/debs, where nothing else is then; by the lists that this machine has, and where those do not do by new ones.
download() {
	dir=$1
	shift
	in_new debs apt-get download "$@" || { lists "$dir" && in_new debs private "$dir" download "$@"; }
}

# in_new FOLDER COMMAND...: in an empty one below $dir.
in_new() {
	folder=$dir/$1
	shift
	rm -rf "$folder" && mkdir -p "$folder" && (cd "$folder" && "$@")
}

# download_all DIR PACKAGE...: with all that they need and this machine lacks.
download_all() {
	dir=$1
	shift
	lists "$dir" && names=$(private "$dir" install -s --no-install-recommends "$@" | sed -n 's/^Inst \([^ ]*\) .*/\1/p') && [ -n "$names" ] && download "$dir" $names
}

# unpack FOLDER TREE: the packages in a folder. TREE is there when it is whole, without what was there before.
unpack() {
	rm -rf "$2" "$2.part"
	mkdir "$2.part"
	for deb in "$1"/*.deb; do dpkg-deb -x "$deb" "$2.part"; done
	mv "$2.part" "$2"
}
