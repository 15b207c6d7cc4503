"""What the agent asks of the kernel by itself: namespaces, and what happens to processes when others end."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import struct
import sys
from collections.abc import Iterable

__all__ = [
    "ALL",
    "NETWORK",
    "USER",
    "adopt_orphans",
    "become",
    "die_with_parent",
    "enter",
    "leave",
    "loopback_up",
    "map_itself",
    "open_low_ports",
    "set_capabilities",
]

USER, NETWORK = 0x10000000, 0x40000000
ALL = {
    "user": USER,
    "net": NETWORK,
    "ipc": 0x08000000,
    "uts": 0x04000000,
    "cgroup": 0x02000000,
    "pid": 0x20000000,
    "mnt": 0x00020000,
}
"""The kinds of namespaces in the order in which they are entered: the first gives the right to enter the others."""
# prctl(2), netdevice(7).
DIE_WITH_PARENT, DROP_CAPABILITY, ADOPT, NO_NEW_PRIVILEGES = 1, 24, 36, 38
SET_FLAGS, UP_RUNNING = 0x8914, 0x1 | 0x40
CAPABILITIES = 64
LIBC = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: int) -> None:
    if getattr(LIBC, name)(*map(ctypes.c_ulong, arguments)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def adopt_orphans() -> None:
    """Become the parent of whatever was started below this process and lost its own."""
    _call("prctl", ADOPT, 1, 0, 0, 0)


def die_with_parent(parent: int) -> None:
    """Have this process killed when the one that forked it ends, also if it has ended by now."""
    _call("prctl", DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)


def leave(kinds: int) -> None:
    """Leave namespaces for new ones."""
    _call("unshare", kinds)


def enter(descriptor: int, kind: int) -> None:
    """Enter a namespace; that of processes takes effect for those that are started from then on."""
    # A descriptor and a kind are ints, which a C function takes from the lower half of a word.
    _call("setns", descriptor, kind)


def map_itself(user: int, group: int) -> None:
    """In a new namespace of users, keep the numbers of this process; nobody else has one."""
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def open_low_ports() -> None:
    """Let programs of this network listen below port 1024 with no more rights; where the node's kernel refuses, they cannot."""
    try:
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", "w", encoding="ascii") as file:
            file.write("0")
    except OSError:
        return


def loopback_up() -> None:
    """Bring the loopback of this network up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SET_FLAGS, struct.pack("16sh14x", b"lo", UP_RUNNING))


def set_capabilities(kept: int, *, no_new_privileges: bool) -> None:
    """Give up for ever the capabilities that are not in a set, as /proc/PID/status prints it."""
    for number in range(CAPABILITIES):
        if not kept >> number & 1:
            try:
                _call("prctl", DROP_CAPABILITY, number, 0, 0, 0)
            except OSError:
                # This kernel knows no more of them.
                break
    if no_new_privileges:
        _call("prctl", NO_NEW_PRIVILEGES, 1, 0, 0, 0)


def become(user: int, group: int, groups: Iterable[int]) -> None:
    """Become another user of this namespace, for good; nothing happens for who is that user already."""
    if (os.getuid(), os.getgid()) == (user, group):
        return
    os.setgroups(list(groups))
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
