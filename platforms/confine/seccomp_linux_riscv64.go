package confine

import "golang.org/x/sys/unix"

const machine = unix.AUDIT_ARCH_RISCV64

var refusedHere []uint32
