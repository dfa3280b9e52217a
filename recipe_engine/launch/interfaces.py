"""Network interfaces by their addresses. gloo and NCCL want a name; left alone, gloo takes the interface of the host's
name, which often is the loopback one, and waits there for ever."""

from __future__ import annotations

import os
import socket
import struct
import sys
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

_EXACTLY = {"GLOO_SOCKET_IFNAME": "{}", "NCCL_SOCKET_IFNAME": "={}"}
"""NCCL would take a name for the beginning of one."""
_GET_ADDRESS = 0x8915
"""SIOCGIFADDR of linux/sockios.h."""


def interface_variables(name: str | None) -> dict[str, str]:
    """The variables by which gloo and NCCL are told of an interface, but for those that the user has set."""
    if name is None:
        return {}
    return {variable: form.format(name) for variable, form in _EXACTLY.items() if variable not in os.environ}


def what_is_used(address: str) -> str:
    """In words, which interface the processes of this machine reach the others by."""
    name, given = interface_of(address), [variable for variable in _EXACTLY if variable in os.environ]
    said = [f"{variable}={os.environ[variable]}, as it was set" for variable in given]
    if name is None and len(given) < len(_EXACTLY):
        said.append(f"no interface is known to have {address}: set {' and '.join(_EXACTLY)} where the processes hang")
    elif len(given) < len(_EXACTLY):
        said.append(f"network interface {name} ({address})")
    return "; ".join(said)


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
