package disk

import (
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// absolute says whether a path stands for itself: "/srv", or "D:\" where there are such.
func absolute(v string) bool { return path.IsAbs(v) || filepath.IsAbs(v) }

// pseudo are filesystems that hold nothing that could run out, or, read-only images, are full by nature. Memory filesystems
// are among them: what they use is memory, which has a check of its own.
var pseudo = map[string]bool{
	"proc": true, "sysfs": true, "devtmpfs": true, "devpts": true, "tmpfs": true, "ramfs": true, "rootfs": true, "cgroup": true,
	"cgroup2": true, "pstore": true, "bpf": true, "tracefs": true, "debugfs": true, "securityfs": true, "configfs": true,
	"fusectl": true, "hugetlbfs": true, "mqueue": true, "rpc_pipefs": true, "binfmt_misc": true, "autofs": true, "efivarfs": true,
	"nsfs": true, "selinuxfs": true, "smackfs": true, "resctrl": true, "nfsd": true, "overlay": true, "aufs": true,
	"squashfs": true, "iso9660": true, "udf": true, "erofs": true, "cramfs": true, "romfs": true, "composefs": true,
	"fuse.lxcfs": true, "fuse.gvfsd-fuse": true, "fuse.portal": true, "fuse.snapfuse": true,
	// other systems
	"devfs": true, "fdescfs": true, "procfs": true, "linprocfs": true, "linsysfs": true, "nullfs": true, "unionfs": true,
}

// overNetwork are filesystems that answer only as long as another machine or process does.
var overNetwork = map[string]bool{
	"nfs": true, "nfs3": true, "nfs4": true, "cifs": true, "smb3": true, "smbfs": true, "ncpfs": true, "afs": true, "ceph": true,
	"glusterfs": true, "lustre": true, "gpfs": true, "beegfs": true, "9p": true, "virtiofs": true, "davfs": true, "coda": true,
	"afpfs": true, "webdav": true, "drvfs": true, "vboxsf": true, "vmhgfs": true, "fuse": true, "orangefs": true, "pvfs2": true,
}

// remote says whether asking a filesystem of this kind may hang.
func remote(kind string) bool { return overNetwork[kind] || strings.HasPrefix(kind, "fuse.") }

// choose says which filesystems to look at, in the order of -p or of the mounts, and which -p names none (with -E). Nothing is
// asked of any filesystem.
func choose(o options, mounts []mount) (targets []target, missing []string) {
	visible := uncovered(mounts)
	if len(o.paths) > 0 {
		return byPath(o, visible)
	}
	for _, m := range distinct(slices.DeleteFunc(slices.Clone(visible), func(m mount) bool { return !o.wants(m, visible) })) {
		targets = append(targets, target{mount: m, at: m.point, limits: o.limits, remote: hangs(m.point, m.kind, visible)})
	}
	return targets, nil
}

// wants says whether a filesystem is looked at without being named.
func (o options) wants(m mount, visible []mount) bool {
	switch {
	case m.kind == "autofs": // looking at it mounts what it stands for
		return false
	case slices.Contains(o.exclude, m.point), slices.Contains(o.exclude, m.source), slices.Contains(o.excludeType, m.kind):
		return false
	case anyMatch(o.ignore, m):
		return false
	case len(o.include) > 0 && !anyMatch(o.include, m):
		return false
	case len(o.includeType) > 0:
		return slices.Contains(o.includeType, m.kind)
	case len(o.include) > 0:
		return true
	case hangs(m.point, m.kind, visible) && !o.network:
		return false
	case pseudo[m.kind]:
		return o.all || m.point == "/" && m.kind == "overlay" // a container's own disk
	default:
		return true
	}
}

func anyMatch(list []*regexp.Regexp, m mount) bool {
	return slices.ContainsFunc(list, func(re *regexp.Regexp) bool {
		return re.MatchString(m.point) || re.MatchString(m.source)
	})
}

// uncovered drops mounts that a later one at the same point hides.
func uncovered(mounts []mount) []mount {
	last := make(map[string]int, len(mounts))
	for i, m := range mounts {
		last[m.point] = i
	}
	list := make([]mount, 0, len(last))
	for i, m := range mounts {
		if last[m.point] == i {
			list = append(list, m)
		}
	}
	return list
}

// distinct keeps one mount of each filesystem: "/", else that of the whole filesystem rather than of a part, else the one
// with the shortest path.
func distinct(mounts []mount) []mount {
	best := make(map[string]int, len(mounts))
	for i, m := range mounts {
		key := m.device
		if key == "" {
			key = m.source + "\x00" + m.point
		}
		j, ok := best[key]
		if !ok || better(m, mounts[j]) {
			best[key] = i
		}
	}
	kept := make([]int, 0, len(best))
	for _, i := range best {
		kept = append(kept, i)
	}
	slices.Sort(kept)
	list := make([]mount, 0, len(kept))
	for _, i := range kept {
		list = append(list, mounts[i])
	}
	return list
}

func better(a, b mount) bool {
	if (a.point == "/") != (b.point == "/") {
		return a.point == "/"
	}
	if (a.root == "/") != (b.root == "/") {
		return a.root == "/"
	}
	return len(a.point) < len(b.point)
}

// byPath finds the filesystem of each -p.
func byPath(o options, visible []mount) (targets []target, missing []string) {
	for _, n := range o.paths {
		m, at, ok := find(n.path, visible)
		if !ok || o.exact && at != m.point {
			missing = append(missing, n.path)
			continue
		}
		targets = append(targets, target{mount: m, at: at, limits: n.limits, named: true, remote: hangs(at, m.kind, visible)})
	}
	return targets, missing
}

// resolved gives the options with the symbolic links of -p followed, so that each finds the filesystem it leads to. What may
// hang, or does not exist, stays as it is.
func (o options) resolved(mounts []mount) options {
	o.paths = slices.Clone(o.paths)
	for i, n := range o.paths {
		m, ok := within(n.path, mounts)
		if !ok || m.point == n.path || hangs(n.path, m.kind, mounts) {
			continue
		}
		if _, at, _ := find(n.path, mounts); at != n.path { // a device
			continue
		}
		if real, err := filepath.EvalSymlinks(n.path); err == nil {
			o.paths[i].path = real
		}
	}
	return o
}

// find gives the mount that a path, or a device, belongs to, and the path to ask about.
func find(name string, visible []mount) (m mount, at string, ok bool) {
	if m, ok = within(name, visible); ok && m.point == name {
		return m, name, true
	}
	for _, d := range visible {
		if d.source == name && strings.HasPrefix(name, "/dev/") {
			return d, d.point, true
		}
	}
	return m, name, ok
}

// within gives the mount with the longest point above a path.
func within(name string, visible []mount) (found mount, ok bool) {
	for _, m := range visible {
		if below(name, m.point) && (!ok || len(m.point) >= len(found.point)) {
			found, ok = m, true
		}
	}
	return found, ok
}

func below(name, point string) bool {
	return name == point || point == "/" || strings.HasPrefix(name, strings.TrimSuffix(point, "/")+"/") ||
		strings.HasSuffix(point, `\`) && strings.HasPrefix(name, point)
}

// hangs says whether looking at a path may hang: it, or anything on the way to it, is over a network.
func hangs(name, kind string, visible []mount) bool {
	return remote(kind) || slices.ContainsFunc(visible, func(m mount) bool {
		return remote(m.kind) && below(name, m.point)
	})
}
