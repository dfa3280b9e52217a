"""Messages between the launchers of several machines: JSON, one a line, of known kinds and bounded size."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

Message = dict[str, Any]

SILENCE_SECONDS = 30
"""A machine that does not answer for so long, not even its system, is gone."""
MOST_BYTES = 1 << 18
"""Of one message. The largest says a digest of each setting of a run."""
MOST_TEXT = 2000
"""Characters of a text in a message; a longer one is cut off."""

_TEXT, _NUMBER, _FLAG = (str,), (int,), (bool,)
_MAYBE_TEXT = (str, type(None))
_KINDS: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    "challenge": {"nonce": _TEXT, "token": _TEXT},
    "hello": {"node": _NUMBER, "host": _TEXT, "nonce": _TEXT, "proof": _TEXT, "settings": (dict,)},
    "blind": {"node": _NUMBER, "host": _TEXT, "folder": _TEXT},
    "welcome": {"proof": _TEXT},
    "refused": {"why": _TEXT},
    "ready": {},
    "go": {"address": _TEXT, "port": _NUMBER},
    "outcome": {"code": _NUMBER, "reason": _TEXT, "passing": _FLAG, "checkpoint": _MAYBE_TEXT},
    "end": {"reason": _TEXT},
    "agreed": {"code": _NUMBER, "reason": _TEXT, "passing": _FLAG, "checkpoint": _MAYBE_TEXT},
    "over": {"signal": _NUMBER, "reason": _TEXT},
}
"""What each kind of message holds beside its kind: exactly these, of these types."""


class Wire:
    """A connection that neither waits nor raises: one that is lost is ``closed``."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.closed = False
        self.address = str(connection.getsockname()[0])
        """This machine's address, as the other side sees it."""
        self._read = b""
        self._unsent = b""
        connection.setblocking(False)
        with suppress(OSError):
            _notice_silence(connection)

    def fileno(self) -> int:
        """For ``select``."""
        return self.socket.fileno()

    def send(self, kind: str, **fields: Any) -> None:
        """Send a message. Texts are cut to what the other side takes."""
        cut = {name: value[:MOST_TEXT] if isinstance(value, str) else value for name, value in fields.items()}
        self._unsent += json.dumps({"kind": kind, **cut}).encode() + b"\n"
        self.flush()

    def flush(self) -> None:
        """Send what the other side had no room for before."""
        while self._unsent and not self.closed:
            try:
                self._unsent = self._unsent[self.socket.send(self._unsent) :]
            except BlockingIOError:
                return
            except OSError:
                self.close()

    def receive(self) -> list[Message]:
        """The messages that have come. What is no message at all closes the connection."""
        self.flush()
        while not self.closed:
            try:
                block = self.socket.recv(1 << 16)
            except BlockingIOError:
                break
            except OSError:
                block = b""
            self._read += block
            if not block or len(self._read) > 4 * MOST_BYTES:
                self.close()
        *lines, self._read = self._read.split(b"\n")
        messages = [_message(line) for line in lines]
        if None in messages or len(self._read) > MOST_BYTES:
            self.close()
        return [message for message in messages if message is not None]

    def close(self) -> None:
        """End the connection."""
        self.closed = True
        self.socket.close()


def _message(line: bytes) -> Message | None:
    if len(line) > MOST_BYTES:
        return None
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    kind = message.pop("kind", None) if isinstance(message, dict) else None
    fields = _KINDS.get(kind) if isinstance(kind, str) else None
    if fields is None or set(message) != set(fields):
        return None
    for name, types in fields.items():
        value = message[name]
        if type(value) not in types or (isinstance(value, str) and len(value) > MOST_TEXT):
            return None
    return {"kind": kind, **message}


def _notice_silence(connection: socket.socket) -> None:
    """Have the system itself ask whether the other machine is there: the launcher may be busy, or pause."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        third = SILENCE_SECONDS // 3
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, third)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, third)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 2)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENCE_SECONDS * 1000)
