"""Network interfaces by their addresses. gloo and NCCL want a name; left alone, gloo takes the interface of the host's
name, which often is the loopback one, and waits there for ever."""

from __future__ import annotations

import socket
import struct
import sys
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

VARIABLES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")

_GET_ADDRESS = 0x8915
"""SIOCGIFADDR of linux/sockios.h."""


def interface_of(address: str) -> str | None:
    """The name of the interface that has an address; none where that cannot be told (without Linux)."""
    if sys.platform != "linux":
        return None
    parsed = ip_address(address.partition("%")[0])
    if parsed.version == 6 and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    if parsed.is_loopback:
        return "lo"
    names = [name for _, name in socket.if_nameindex()]
    if parsed.version == 4:
        return next((name for name in names if _ipv4_of(name) == str(parsed)), None)
    with suppress(OSError):
        for line in Path("/proc/net/if_inet6").read_text(encoding="ascii").splitlines():
            fields = line.split()
            if fields[0] == parsed.packed.hex():
                return fields[-1]
    return None


def _ipv4_of(name: str) -> str | None:
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            answer = fcntl.ioctl(probe.fileno(), _GET_ADDRESS, struct.pack("256s", name.encode()[:15]))
        except OSError:
            return None  # it has no address
        return socket.inet_ntoa(answer[20:24])
