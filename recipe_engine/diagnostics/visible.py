"""Making text fit to be shown: nothing in a file may move the cursor, forge a line or change the order of letters."""

from __future__ import annotations

import re
import unicodedata

_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: str) -> str:
    """``text`` on one line, with an escape for every character that shows as nothing or steers the terminal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _NAMED.get(char) or _escape(char) for char in text)


def visible_lines(text: str) -> str:
    """``text`` on its own lines, each as ``visible`` has it, and none of them a command to a CI runner.

    GitHub's takes a line for one that begins with ``::``, whatever blanks stand before it, or holds ``##[``.
    """
    return "\n".join(_no_command(visible(line.expandtabs(4))) for line in text.split("\n"))


def _no_command(line: str) -> str:
    return re.sub(r"^(\s*)::", r"\1\\x3a:", line).replace("##[", "\\x23#[")


def columns(shown: str) -> int:
    """How many columns of a terminal printable text takes: East Asian wide characters two, combining ones none."""
    if shown.isascii():
        return len(shown)
    return sum(_columns_of(char) for char in shown)


def _columns_of(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def _escape(char: str) -> str:
    number = ord(char)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
