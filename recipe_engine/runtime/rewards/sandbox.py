"""A process that confines itself and then runs a program. Started by its path; Python's own library alone.

    python -I sandbox.py SETTINGS PROGRAM

``SETTINGS`` is JSON: ``memory_mb``, ``cpu_seconds``, ``file_mb``, and ``report``: only print what does not confine it.
Each measure is tried and what it did not achieve is reported, for containers and kernels differ in what they allow:

- limits on memory, processor time, file sizes and open files;
- new user, network, mount and IPC namespaces: no network interface, every file system read-only but
  for the current folder, which is empty and in memory;
- a system call filter: no sockets, no child processes (threads are allowed), no attaching to other processes.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import platform
import resource
import struct
import sys

NEW_USER, NEW_NETWORK, NEW_MOUNT, NEW_IPC = 0x10000000, 0x40000000, 0x00020000, 0x08000000
RECURSIVE, PRIVATE = 1 << 14, 1 << 18
MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE, READ_ONLY = 442, -100, 0x8000, 1
NO_NEW_PRIVILEGES, SET_SECCOMP, FILTER, NOT_DUMPABLE = 38, 22, 2, 4
CLONE_THREAD = 0x00010000

# The audit architecture, the number of clone, and those of the calls that are refused: socket, fork, vfork, ptrace,
# kill, tkill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo, process_vm_readv, process_vm_writev.
MACHINES = {
    "x86_64": (0xC000003E, 56, (41, 57, 58, 101, 62, 200, 234, 129, 297, 310, 311)),
    "aarch64": (0xC00000B7, 220, (198, 117, 129, 130, 131, 138, 240, 270, 271)),
}
# The same number everywhere: pidfd_send_signal, io_uring_setup (which could open sockets), clone3.
REFUSED, CLONE3 = (424, 425), 435
_CAPABILITIES_3 = 0x20080522

libc = ctypes.CDLL(None, use_errno=True)


class _MountAttributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns")]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p)]


def limit(settings: dict[str, float]) -> None:
    """Limits of the system on this process. None of them can be raised again."""
    memory, seconds, size = (int(settings[name]) for name in ("memory_mb", "cpu_seconds", "file_mb"))
    wanted = {
        resource.RLIMIT_AS: memory << 20,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: size << 20,
        resource.RLIMIT_NOFILE: 64,
        resource.RLIMIT_CORE: 0,
    }
    for kind, value in wanted.items():
        _, hard = resource.getrlimit(kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def separate() -> list[str]:
    """New namespaces. Returns what could not be separated."""
    user, group = os.getuid(), os.getgid()
    if libc.unshare(NEW_USER | NEW_NETWORK | NEW_MOUNT | NEW_IPC) != 0:
        return ["network namespace", "read-only file system"]
    try:
        for file, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{file}", "w", encoding="ascii") as opened:
                opened.write(text)
    except OSError:
        return ["read-only file system"]
    attributes = _MountAttributes(READ_ONLY, 0, 0, 0)
    if (
        libc.mount(None, b"/", None, PRIVATE | RECURSIVE, None) != 0
        or libc.syscall(MOUNT_SETATTR, AT_FDCWD, b"/", AT_RECURSIVE, ctypes.byref(attributes), 32) != 0
        or libc.mount(b"none", os.getcwd().encode(), b"tmpfs", 0, b"size=16m") != 0
    ):
        return ["read-only file system"]
    os.chdir(os.getcwd())  # into what is mounted there now
    return []


def give_up_capabilities() -> None:
    """Leave the rights that the new namespaces brought, by which the above could be undone."""
    header, data = struct.pack("Ii", _CAPABILITIES_3, 0), bytes(24)
    libc.capset(header, data)


def filter_calls() -> list[str]:
    """A filter of system calls. Returns what it could not forbid."""
    machine = platform.machine()
    if machine not in MACHINES:
        return ["no sockets", "no child processes"]
    architecture, clone, refused = MACHINES[machine]
    refuse, allow = 0x00050000 | errno.EPERM, 0x7FFF0000
    code: list[tuple[int, int, int, int]] = [
        (0x20, 0, 0, 4),  # load the architecture
        (0x15, 1, 0, architecture),
        (0x06, 0, 0, 0x80000000),  # another one: end the process
        (0x20, 0, 0, 0),  # load the number
    ]
    if machine == "x86_64":
        code += [(0x35, 0, 1, 0x40000000), (0x06, 0, 0, refuse)]  # the numbers of x32
    for number in (*refused, *REFUSED):
        code += [(0x15, 0, 1, number), (0x06, 0, 0, refuse)]
    # The C library falls back to clone, whose flags a filter can read.
    code += [(0x15, 0, 1, CLONE3), (0x06, 0, 0, 0x00050000 | errno.ENOSYS)]
    code += [
        (0x15, 0, 3, clone),
        (0x20, 0, 0, 16),  # load the flags
        (0x45, 1, 0, CLONE_THREAD),
        (0x06, 0, 0, refuse),
        (0x06, 0, 0, allow),
    ]
    packed = b"".join(struct.pack("HBBI", *one) for one in code)
    buffer = ctypes.create_string_buffer(packed, len(packed))
    program = _Program(len(code), ctypes.cast(buffer, ctypes.c_void_p))
    libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    if libc.prctl(SET_SECCOMP, FILTER, ctypes.byref(program), 0, 0) != 0:
        return ["no sockets", "no child processes"]
    return []


def main() -> None:
    """Confine this process and run the program."""
    settings, program = json.loads(sys.argv[1]), sys.argv[2]
    with open(program, encoding="utf-8") as opened:
        source = opened.read()
    missing = separate()
    libc.prctl(NOT_DUMPABLE, 0, 0, 0, 0)
    limit(settings)
    give_up_capabilities()
    missing += filter_calls()
    if settings.get("report"):
        print(json.dumps(missing))
        return
    sys.argv = ["program.py"]
    exec(compile(source, "program.py", "exec"), {"__name__": "__main__", "__builtins__": __builtins__})


if __name__ == "__main__":
    main()
