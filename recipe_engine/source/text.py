"""Files to text: everything that can be wrong with a file before it is YAML."""

from __future__ import annotations

import os
import re
import stat
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate, islice

from recipe_engine.diagnostics import Diagnostic, Edit, Fix, Span
from recipe_engine.diagnostics.redact import redact

MAX_BYTES = 1 << 20

# YAML's non-printable characters, and the three that YAML 1.1 parsers alone take for line breaks (NEL, LS, PS): with
# those a parser's lines are no editor's lines, so no place could be trusted.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_REORDERING = re.compile("[\u202a-\u202e\u2066-\u2069]")
_MOST_EDITS = 100
_LONGEST_PATH = 4096


@dataclass(slots=True)
class Text:
    """A text and how to name places in it. ``line`` and ``column`` are where its first character stands in ``file``."""

    file: str
    text: str
    line: int = 1
    column: int = 1
    breaks: bool = True
    _starts: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self._starts = [0]
        if self.breaks:
            self._starts += accumulate(len(line) + 1 for line in self.text.split("\n")[:-1])

    def span(self, start: int, end: int) -> Span:
        """Return the place of ``text[start:end]``."""
        return Span(self.file, *self._position(start), *self._position(end))

    def line_at(self, offset: int) -> tuple[int, int]:
        """Return the offsets at which the line that holds ``offset`` begins and ends, its line break left out."""
        row = bisect_right(self._starts, offset) - 1
        start = self._starts[row]
        end = self._starts[row + 1] - 1 if row + 1 < len(self._starts) else len(self.text)
        return start, end

    def _position(self, offset: int) -> tuple[int, int]:
        row = bisect_right(self._starts, offset) - 1
        column = offset - self._starts[row] + 1
        return self.line + row, column + self.column - 1 if row == 0 else column


def read_text(file: str) -> tuple[Text | None, list[Diagnostic]]:
    r"""Read ``file`` as UTF-8, whatever the locale.

    A byte order mark is dropped and ``\r\n`` becomes ``\n``. With an error among the findings, the text, if there is
    one, is only good for showing the place.
    """
    try:
        data = _read_bytes(file)
    except FileNotFoundError:
        return None, [_whole(file, "S101", f"there is no file {shown(file, _LONGEST_PATH)}", _neighbour(file))]
    except NotADirectoryError:
        return None, [
            _whole(file, "S101", f"there is no file {shown(file, _LONGEST_PATH)}: part of that path is itself a file")
        ]
    except ValueError:
        return None, [
            _whole(file, "S101", f"there is no file {shown(file, _LONGEST_PATH)}: no file can have that name")
        ]
    except IsADirectoryError:
        hint = f"name the recipe itself, such as {shown(os.path.join(file, 'recipe.yaml'), _LONGEST_PATH)}"
        return None, [_whole(file, "S102", f"{shown(file, _LONGEST_PATH)} is a folder, not a file", hint)]
    except _NotRegularError:
        hint = "save the recipe to a file and name that"
        return None, [
            _whole(file, "S102", f"{shown(file, _LONGEST_PATH)} is a pipe or a device, not a regular file", hint)
        ]
    except OSError as error:
        return None, [_whole(file, "S103", f"{shown(file, _LONGEST_PATH)} cannot be read: {error.strerror or error}")]
    if len(data) > MAX_BYTES:
        message = f"the file is larger than {MAX_BYTES // 1024} KiB, too large for a recipe"
        return None, [_whole(file, "S104", message, "put data into a data file and name it under data.datasets")]
    if b"\0" in data:
        return None, [_binary(file, data)]
    return _decode(file, data)


def check_characters(text: Text) -> list[Diagnostic]:
    """Find the characters that no YAML text may hold, and those that make it read differently than it looks."""
    findings = []
    first = _FORBIDDEN.search(text.text)
    if first:
        edits = tuple(
            Edit(text.span(*match.span()), "") for match in islice(_FORBIDDEN.finditer(text.text), _MOST_EDITS)
        )
        findings.append(
            Diagnostic(
                "S107",
                "error",
                f"the character {code_point(first[0])} cannot stand in a recipe",
                text.span(*first.span()),
                f'remove it; where a value needs it, write it as an escape in double quotes: "{escape(first[0])}"',
                Fix("remove the characters that cannot stand in a recipe", edits),
            )
        )
    reordering = _REORDERING.search(text.text)
    if reordering:
        findings.append(
            Diagnostic(
                "S109",
                "warning",
                f"the invisible character {code_point(reordering[0])} makes the text after it show in another order "
                "than it is read",
                text.span(*reordering.span()),
                f'remove it; where a value needs it, write it as an escape in double quotes: "{escape(reordering[0])}"',
            )
        )
    return findings


def shown(text: str, limit: int = 60) -> str:
    """Return ``text`` in backquotes, fit for a message: control characters escaped, no longer than ``limit``."""
    text = redact(text)  # before the cut: what is left of a token would not look like one
    if len(text) > limit:
        text = text[: limit - 3] + "..."
    return "`" + "".join(char if char.isprintable() else escape(char) for char in text) + "`"


def escape(char: str) -> str:
    """Return the escape for ``char`` in a double-quoted YAML scalar."""
    number = ord(char)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def code_point(char: str) -> str:
    """Return the usual name of a character's number, such as U+00A0."""
    return f"U+{ord(char):04X}"


class _NotRegularError(OSError):
    """The path leads to a pipe, a socket or a device."""


def _read_bytes(file: str) -> bytes:
    # Opened before it is looked at, so that nothing can be swapped in between, and without blocking, so that a pipe
    # nobody writes to is refused rather than waited for.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
    if os.path.isdir(file):
        raise IsADirectoryError(file)
    with open(os.open(file, flags), "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise _NotRegularError(file)
        return stream.read(MAX_BYTES + 1)


def _decode(file: str, data: bytes) -> tuple[Text, list[Diagnostic]]:
    data = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    try:
        text = Text(file, data.decode("utf-8"))
    except UnicodeDecodeError as error:
        text = Text(file, data.decode("utf-8", "replace"))
        # What comes before the bad byte is valid, so its length in characters is the bad character's offset.
        offset = len(data[: error.start].decode("utf-8"))
        place = text.span(offset, offset + 1)
        byte = f"0x{data[error.start]:02X}"
        message = f"line {place.line} is not UTF-8: the byte {byte} cannot stand at column {place.column}"
        hint = "save the file as UTF-8 (it may be Latin-1 or Windows-1252)"
        return text, [Diagnostic("S106", "error", message, place, hint)]
    return text, check_characters(text)


def _binary(file: str, data: bytes) -> Diagnostic:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _whole(file, "S105", "the file is UTF-16, not UTF-8", "save it as UTF-8")
    return _whole(file, "S105", "the file is binary, not text: it holds NUL bytes", "name a YAML file")


def _neighbour(file: str) -> str | None:
    stem, suffix = os.path.splitext(file)
    for other in (".yaml", ".yml"):
        if other != suffix and os.path.isfile(stem + other):
            return f"there is {shown(stem + other, _LONGEST_PATH)}"
    folder = os.path.dirname(file)
    if folder and not os.path.isdir(folder):
        return f"the folder {shown(folder, _LONGEST_PATH)} does not exist"
    return None


def _whole(file: str, code: str, message: str, hint: str | None = None) -> Diagnostic:
    return Diagnostic(code, "error", message, Span(file, 1, 1, 1, 1), hint)
