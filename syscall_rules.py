"""Which system calls a worker may make: the seccomp filter.

Owns: the list of refused calls and the program made of it. The program is compiled once in the
warm parent (libseccomp through ``pyseccomp``) and only installed in each worker, which takes
microseconds. A refused call fails with EPERM; a number that libseccomp does not know fails with
ENOSYS, so that calls of newer kernels are closed too.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import struct
import tempfile
from types import ModuleType

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
PR_SET_PDEATHSIG = 1
CLONE_THREAD = 0x10000
MAP_SHARED, MAP_ANONYMOUS = 0x01, 0x20
CHANGES_A_FILE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
PID_PLACEHOLDER = 0x7B5E3A19
"""Stands for the worker's own process id until it is known; larger than any process id."""
MAX_SYSCALLS = 1024
OPENS = (("open", 1), ("openat", 2))
"""Calls that open files, and which argument holds the flags."""
INSTRUCTION = struct.Struct("=HBBI")

REFUSED_BY_KIND = {
    "sockets": (
        "socket socketpair connect bind listen accept accept4 sendto sendmsg sendmmsg recvfrom "
        "recvmsg recvmmsg shutdown getsockname getpeername setsockopt getsockopt"
    ),
    "programs and processes": (
        "execve execveat fork vfork ptrace process_vm_readv process_vm_writev process_madvise "
        "kcmp kill tkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open pidfd_getfd "
        "pidfd_send_signal unshare setns personality setpriority ioprio_set sched_setscheduler "
        "sched_setparam sched_setattr sched_setaffinity migrate_pages move_pages process_mrelease "
        "setrlimit acct vhangup setpgid setsid"
    ),
    "identity": (
        "setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid setgroups capset"
    ),
    "the kernel": (
        "bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register keyctl "
        "add_key request_key init_module finit_module delete_module kexec_load kexec_file_load "
        "reboot swapon swapoff iopl ioperm modify_ldt syslog settimeofday clock_settime "
        "clock_adjtime adjtimex sethostname setdomainname quotactl quotactl_fd lookup_dcookie"
    ),
    "files, beyond what Landlock covers": (
        "mount umount umount2 pivot_root chroot move_mount open_tree open_tree_attr fsopen "
        "fsconfig fsmount fspick mount_setattr name_to_handle_at open_by_handle_at openat2 "
        "creat mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat "
        "symlink symlinkat mknod mknodat chmod fchmod fchmodat fchmodat2 chown fchown lchown "
        "fchownat utime utimes utimensat futimesat setxattr lsetxattr fsetxattr setxattrat "
        "removexattr lremovexattr fremovexattr removexattrat truncate file_setattr inotify_init "
        "inotify_init1 inotify_add_watch fanotify_init fanotify_mark"
    ),
    "memory that no limit counts": (
        "shmget shmat shmctl shmdt semget semop semctl semtimedop msgget msgsnd msgrcv msgctl "
        "mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr memfd_create "
        "memfd_secret"
    ),
}
"""Calls that fail with EPERM. Its one socket a worker reads and writes as a file."""
REFUSED = frozenset(name for names in REFUSED_BY_KIND.values() for name in names.split())

BY_ARGUMENT = ("clone", "clone3", "mmap", "open", "openat", "prctl", "prlimit64", "tgkill")
"""Calls that depend on their arguments."""


def compile_program() -> bytes | None:
    """Return the filter as instructions for the kernel, or None without libseccomp."""
    try:
        import pyseccomp as seccomp
    except (ImportError, OSError, RuntimeError):  # the package or the system's library is missing
        return None
    program = seccomp.SyscallFilter(seccomp.ERRNO(errno.ENOSYS))
    program.set_attr(seccomp.Attr.CTL_OPTIMIZE, 2)  # a binary search over the numbers
    refuse = seccomp.ERRNO(errno.EPERM)
    for name in _known_calls(seccomp):
        if name in REFUSED:
            program.add_rule(refuse, name)
        elif name not in BY_ARGUMENT:
            program.add_rule(seccomp.ALLOW, name)
    for allowed, name, form in _rules_by_argument(seccomp):
        program.add_rule(seccomp.ALLOW if allowed else refuse, name, seccomp.Arg(*form))
    with tempfile.TemporaryFile() as file:
        program.export_bpf(file)
        file.seek(0)
        return file.read()


def install(program: bytes) -> None:
    """Put this process under a compiled program, for good.

    Raises
    ------
    OSError
        If the kernel refuses it.
    """
    own = _for_process(program, os.getpid())
    buffer = ctypes.create_string_buffer(own, len(own))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))

    described = Program(len(own) // INSTRUCTION.size, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(described), 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _known_calls(seccomp: ModuleType) -> list[str]:
    """Return the name of every system call of this machine that libseccomp knows."""
    names = []
    for number in range(MAX_SYSCALLS):
        with contextlib.suppress(ValueError):  # no call has this number
            names.append(seccomp.resolve_syscall(seccomp.Arch.NATIVE, number).decode())
    return names


def _rules_by_argument(seccomp: ModuleType) -> list[tuple[bool, str, tuple[int, ...]]]:
    """Return whether each form of a call is allowed: its name, argument, operator and numbers.

    Allowed are threads but not processes, private memory, opening files for reading, and
    signals to oneself (``abort`` is one). What is named in no row fails with ENOSYS.
    """
    masked, equal, other = seccomp.MASKED_EQ, seccomp.EQ, seccomp.NE
    shared_anonymous = MAP_SHARED | MAP_ANONYMOUS
    return [
        (True, "clone", (0, masked, CLONE_THREAD, CLONE_THREAD)),
        (False, "clone", (0, masked, CLONE_THREAD, 0)),
        (True, "mmap", (3, masked, shared_anonymous, 0)),
        (True, "mmap", (3, masked, shared_anonymous, MAP_SHARED)),
        (True, "mmap", (3, masked, shared_anonymous, MAP_ANONYMOUS)),
        (False, "mmap", (3, masked, shared_anonymous, shared_anonymous)),
        *((True, name, (place, masked, CHANGES_A_FILE, 0)) for name, place in OPENS),
        *((False, name, (place, masked, os.O_ACCMODE, os.O_RDWR)) for name, place in OPENS),
        *((False, name, (place, masked, os.O_ACCMODE, os.O_WRONLY)) for name, place in OPENS),
        (True, "prctl", (0, other, PR_SET_PDEATHSIG)),
        (False, "prctl", (0, equal, PR_SET_PDEATHSIG)),
        (True, "prlimit64", (2, equal, 0)),  # asks only
        (False, "prlimit64", (2, other, 0)),
        (True, "tgkill", (0, equal, PID_PLACEHOLDER)),
        (False, "tgkill", (0, other, PID_PLACEHOLDER)),
    ]


def _for_process(program: bytes, pid: int) -> bytes:
    """Return the program with the placeholder replaced by a process id."""
    instructions = [
        (code, yes, no, pid if k == PID_PLACEHOLDER else k)
        for code, yes, no, k in INSTRUCTION.iter_unpack(program)
    ]
    return b"".join(INSTRUCTION.pack(*instruction) for instruction in instructions)
