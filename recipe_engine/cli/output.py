"""Printing: in the terminal's encoding, whatever the text holds, and in colour only where that is welcome."""

from __future__ import annotations

import os
import sys

import typer


def write(text: str, *, err: bool = False) -> None:
    """Print ``text`` and a line break. What the stream's encoding lacks is written as an escape."""
    stream = sys.stderr if err else sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    typer.echo(text.encode(encoding, "backslashreplace").decode(encoding), err=err)


def wants_color() -> bool:
    """Whether standard output is a terminal whose user has not asked for plain text (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
