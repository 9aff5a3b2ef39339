//go:build !linux

package doctor

func inodesUsed(string) (percent int, ok bool)        { return 0, false }
func mountedHow(string) (noexec, readonly, ok bool)   { return false, false, false }
func securityLabel(string) (label string, known bool) { return "", false }
