"""Addresses of this machine, and ports at them."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable

from recipe_engine.launch.errors import LaunchError

_NOT_HERE = {errno.EADDRNOTAVAIL}
"""What the system answers where an address is another machine's, or stands for this one only on the outside."""


def listen(host: str, port: int, guests: int, say: Callable[[str], None]) -> socket.socket:
    """Listen for ``guests`` at once at an address of this machine.

    Where the name leads elsewhere from here, it listens at every address.

    Raises:
        LaunchError: the name is not known here, or the address cannot be listened at.
    """
    hint = "choose another port in --rendezvous, or wait until the program that has this one ends"
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise LaunchError("T517", f"--rendezvous: {host} is not known here: {error.strerror}") from error
    everywhere = ("", port) if family == socket.AF_INET else ("::", port)
    named_loopback = str(address[0]).startswith(("127.", "::1")) and str(address[0]) != host
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        try:
            if named_loopback:
                raise OSError  # many systems give their own name so: it is another address that the others know
            listener.bind(address)
        except OSError as error:
            if not named_loopback and error.errno not in _NOT_HERE:
                raise
            listener.bind(everywhere)
            say(f"{host} leads to {address[0]} on this machine: listening at every address")
        listener.listen(guests)
    except OSError as error:
        listener.close()
        raise LaunchError(
            "T517", f"--rendezvous: {host}:{port} cannot be listened at: {error.strerror}", hint
        ) from error
    listener.setblocking(False)
    return listener


def free_port(address: str) -> int:
    """A port of this machine's address that nobody listens at now."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])
