package confine

import "golang.org/x/sys/unix"

const machine = unix.AUDIT_ARCH_LOONGARCH64

var refusedHere []uint32
