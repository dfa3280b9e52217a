"""``recipe fix``: apply the edits that findings offer."""

from __future__ import annotations

import difflib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import typer

from recipe_engine.cli.output import wants_color, write

if TYPE_CHECKING:
    from recipe_engine.cli.files import Outcome
    from recipe_engine.diagnostics import Diagnostic
    from recipe_engine.lint import Checked

_BYTE_ORDER_MARK = "\ufeff"
_MOST_ROUNDS = 10


@dataclass(frozen=True, slots=True)
class Change:
    """A file before and after, both with its own line breaks and byte order mark, and the findings that are mended."""

    file: str
    before: str
    after: str
    mended: list[Diagnostic]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(fix)


def fix(
    paths: list[str] = typer.Argument(..., metavar="PATH...", help="Recipes, or folders to search for recipes."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show what would change first, and change nothing."),
) -> None:
    """Mend what can be mended without a doubt: misspelt and renamed keys, quoted numbers, and the like.

    Only the files named, or found as `recipe lint` finds them, are changed; parents that they extend are not, unless
    they are named. A file is replaced as a whole or not at all. One repair may show the next: it goes on until none is
    left.

    Exit codes: 0 nothing is wrong any more, 1 errors remain (with --dry-run also: something would change).
    """
    from recipe_engine.cli.files import check_paths
    from recipe_engine.diagnostics.text import counted, place, render_text, summary
    from recipe_engine.diagnostics.visible import visible

    outcome = check_paths(paths)
    changes = _changes(outcome)
    if dry_run:
        for change in changes:
            write("\n".join(_diff(change)))
        would = counted(sum(len(change.mended) for change in changes), "finding")
        write(f"{would} would be mended in {counted(len(changes), 'file')}", err=True)
        raise typer.Exit(1 if changes or _has_errors(outcome) else 0)
    total = 0
    files: set[str] = set()
    for _ in range(_MOST_ROUNDS):
        for change in changes:
            _replace(change)
            for found in change.mended:
                what = found.fix.description if found.fix else ""
                write(f"{place(found.span)}: mended {found.code}: {visible(what)}")
        total += sum(len(change.mended) for change in changes)
        files |= {change.file for change in changes}
        if not changes:
            break
        outcome = check_paths(paths)
        changes = _changes(outcome)
    if outcome.diagnostics:
        write(f"\n{render_text(outcome.diagnostics, outcome.texts, color=wants_color())}\n")
    mended = f"{counted(total, 'finding')} mended in {counted(len(files), 'file')}"
    write(f"{mended}; now {summary(outcome.diagnostics, len(outcome.checked))}{outcome.skipped()}")
    if _has_errors(outcome):
        raise typer.Exit(1)


def _has_errors(outcome: Outcome) -> bool:
    return any(found.severity == "error" for found in outcome.diagnostics)


def _changes(outcome: Outcome) -> list[Change]:
    return [change for checked in outcome.checked if (change := _change(checked)) is not None]


def _change(checked: Checked) -> Change | None:
    """What the fixes make of a file; none where there are none for it."""
    from recipe_engine.diagnostics.edits import apply_fixes

    fixable = [
        found
        for found in checked.diagnostics
        if found.fix and all(edit.span.file == checked.file for edit in found.fix.edits)
    ]
    if not fixable:
        return None
    with open(checked.file, "rb") as stream:
        before = stream.read().decode("utf-8", "replace")
    mark = before[: before.startswith(_BYTE_ORDER_MARK)]
    if _plain(before) != checked.texts[checked.file]:
        _fail(f"{checked.file} changed while it was checked; run the command again")
    after, applied = apply_fixes(before.removeprefix(mark), [found.fix for found in fixable if found.fix])
    return Change(checked.file, before, mark + after, [found for found in fixable if found.fix in applied])


def _plain(text: str) -> str:
    return text.removeprefix(_BYTE_ORDER_MARK).replace("\r\n", "\n").replace("\r", "\n")


def _diff(change: Change) -> Iterator[str]:
    """A unified diff to look at: secrets are masked and control characters escaped, so it is not for `patch`."""
    from recipe_engine.diagnostics.redact import redact
    from recipe_engine.diagnostics.visible import visible

    before, after = (redact(_plain(text)).split("\n") for text in (change.before, change.after))
    for line in difflib.unified_diff(before, after, f"a/{change.file}", f"b/{change.file}", lineterm=""):
        yield "\t".join(map(visible, line.split("\t")))


def _replace(change: Change) -> None:
    """Write the new text beside the file and rename it over it, so that no moment sees a part of it."""
    path = os.path.realpath(change.file)
    try:
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        descriptor, beside = tempfile.mkstemp(prefix=".recipe-fix-", dir=os.path.dirname(path))
        try:
            with open(descriptor, "w", encoding="utf-8", newline="") as stream:
                stream.write(change.after)
                stream.flush()
                os.fsync(stream.fileno())
            shutil.copymode(path, beside)
            os.replace(beside, path)
        except BaseException:
            os.unlink(beside)
            raise
    except OSError as error:
        _fail(f"{change.file} cannot be replaced: {error.strerror}")


def _fail(message: str) -> NoReturn:
    from recipe_engine.diagnostics.visible import visible

    write(f"recipe fix: {visible(message)}", err=True)
    raise typer.Exit(1)
