#include "go_asm.h"
#include "textflag.h"

#define SYS_rt_sigprocmask 14
#define SYS_execve 59
#define SYS_chdir 80
#define SYS_setsid 112
#define SYS_exit_group 231
#define SYS_dup3 292
#define SYS_prlimit64 302
#define SYS_clone3 435

#define SIG_SETMASK 2
#define RLIMIT_NOFILE 7

// The child shares the memory, the stack with it, of a thread that sleeps until the program runs or the child has ended. So it keeps all it
// needs in registers that system calls leave alone, pushes nothing, and returns nowhere. No signal reaches it before its handlers are the
// system's own (CLONE_CLEAR_SIGHAND), for the mask is opened after that.
//
// R12 is the order, R13 the step under way, or in the parent the result.

// A step of the child: fails with what is in AX.
#define CHECK \
	TESTQ	AX, AX \
	JS	failed

#define MASK(new, old) \
	MOVQ	$SYS_rt_sigprocmask, AX \
	MOVQ	$SIG_SETMASK, DI \
	LEAQ	new(R12), SI \
	MOVQ	old, DX \
	MOVQ	$8, R10 \
	SYSCALL

#define DUP(from, to) \
	MOVQ	$SYS_dup3, AX \
	MOVQ	from(R12), DI \
	MOVQ	$to, SI \
	XORL	DX, DX \
	SYSCALL \
	CHECK

// func vfork(o *order) (pid int64)
TEXT ·vfork(SB), NOSPLIT|NOFRAME, $0-16
	MOVQ	o+0(FP), R12
	LEAQ	order_mask(R12), R13
	MASK(order_block, R13)

	MOVQ	$SYS_clone3, AX
	LEAQ	order_clone(R12), DI
	MOVQ	$const_sizeOfCloneArgs, SI
	SYSCALL
	TESTQ	AX, AX
	JZ	child

	MOVQ	AX, R13
	MASK(order_mask, $0)
	MOVQ	R13, pid+8(FP)
	RET

child:
	MOVQ	$const_stepSession, R13
	MOVQ	$SYS_setsid, AX
	SYSCALL
	CHECK

	MOVQ	$const_stepFiles, R13
	DUP(order_fd0, 0)
	DUP(order_fd1, 1)
	DUP(order_fd2, 2)
	CMPQ	order_fd3(R12), $0
	JLT	limit
	DUP(order_fd3, 3)

limit:
	MOVQ	$const_stepLimit, R13
	MOVQ	$SYS_prlimit64, AX
	XORL	DI, DI
	MOVQ	$RLIMIT_NOFILE, SI
	MOVQ	order_files(R12), DX
	XORL	R10, R10
	SYSCALL
	CHECK

	MOVQ	$const_stepDir, R13
	MOVQ	$SYS_chdir, AX
	MOVQ	order_dir(R12), DI
	SYSCALL
	CHECK

	MASK(order_mask, $0)

	MOVQ	$const_stepExec, R13
	MOVQ	$SYS_execve, AX
	MOVQ	order_path(R12), DI
	MOVQ	order_argv(R12), SI
	MOVQ	order_envp(R12), DX
	SYSCALL

failed:
	MOVQ	R13, order_step(R12)
	MOVQ	AX, order_errno(R12)
	MOVQ	$SYS_exit_group, AX
	MOVQ	$127, DI
	SYSCALL
	INT	$3
