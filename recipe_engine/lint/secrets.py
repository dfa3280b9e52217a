"""R211 secret-in-recipe (error)

A recipe is shared, committed, and copied beside every model it trains, so a key or a password in it is given away.
Keep secrets in environment variables: the libraries that need them read them there. If the file has left your
machine, replace the key. The value itself is shown nowhere, neither in findings nor in the source lines under them.

Fails:
    wandb:
      api_key: 0123456789abcdef0123456789abcdef01234567
Passes:
    wandb:
      api_key: null
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from recipe_engine.diagnostics import Diagnostic
from recipe_engine.diagnostics.redact import TokenKind, is_named_secret, redact, secrets_in, token_in
from recipe_engine.lint.report import Report, dotted
from recipe_engine.source import Path

CODE = "R211"
# How far around a finding its line is searched for secrets: a line may be a MiB, and hold thousands of findings.
BEFORE, AFTER = 250, 1000


def report_secrets(report: Report) -> None:
    """Report every secret in the document, and take it out of the tree: no later finding repeats or shows it."""
    _search(report, report.document.tree, ())


def mask_secrets(found: Iterable[Diagnostic], texts: Mapping[str, str]) -> list[Diagnostic]:
    """Findings about the text of a recipe, without what it holds of secrets there: they quote the words they are about.

    A fix that writes such a word anew is left out, for findings are also printed whole, into the logs of CI.
    """
    lines = {file: text.split("\n") for file, text in texts.items()}
    return [_masked(one, _words_beside(one, lines.get(one.span.file, []))) for one in found]


def _words_beside(found: Diagnostic, lines: list[str]) -> set[str]:
    line = lines[found.span.line - 1] if found.span.line <= len(lines) else ""
    near = line[max(found.span.column - BEFORE, 0) : found.span.column + AFTER]
    return {word for secret in secrets_in(near) for word in re.findall(r"[^\s'\"*&!|>\[\]{},]{4,}", secret)}


def _masked(found: Diagnostic, words: set[str]) -> Diagnostic:
    def mask(text: str) -> str:
        for word in sorted(words, key=len, reverse=True):
            text = text.replace(word, "*" * len(word))
        return redact(text)

    fix = found.fix
    if fix is not None and any(mask(edit.replacement) != edit.replacement for edit in fix.edits):
        fix = None
    return replace(
        found,
        message=mask(found.message),
        hint=None if found.hint is None else mask(found.hint),
        fix=fix,
        related=tuple(replace(other, message=mask(other.message)) for other in found.related),
    )


def _search(report: Report, node: Any, path: Path) -> None:
    entries = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
    for name, value in entries:
        here = (*path, name)
        if isinstance(name, str) and (kind := token_in(name)):
            message = f"a key of {dotted(path) or 'the recipe'} is what looks like {kind.what}"
            report.add(CODE, "error", here, message, at_key=True, hint=_advice(path, kind))
            _remove(report, node, here)
        elif here == ("wandb", "api_key") and value not in (None, ""):
            report.add(CODE, "error", here, f"{dotted(here)} holds a secret", hint=_advice(here, None))
            _remove(report, node, here)
        elif isinstance(value, str):
            _check_text(report, node, here, value)
        else:
            _search(report, value, here)


def _check_text(report: Report, parent: Any, path: Path, value: str) -> None:
    key = next((part for part in reversed(path) if isinstance(part, str)), "")
    kind = token_in(value)
    if kind is not None:
        message = f"{dotted(path)} holds what looks like {kind.what}"
    elif is_named_secret(key, value):
        message = f"{dotted(path)} holds a secret"
    else:
        return
    report.add(CODE, "error", path, message, hint=_advice(path, kind))
    if kind is None and isinstance(parent, dict):
        _remove(report, parent, path)
    else:
        # The rest of the value may still be checked: a model's address does not stop being one.
        parent[path[-1]] = redact(value) if kind is not None else "*" * len(value)


def _remove(report: Report, parent: dict[str, Any], path: Path) -> None:
    del parent[path[-1]]  # type: ignore[arg-type]  # the last part of a path into a mapping is a key
    marks = report.document.marks
    for inner in [other for other in marks if other[: len(path)] == path]:
        del marks[inner]


def _advice(path: Path, kind: TokenKind | None) -> str:
    if kind is not None and "://" in kind.pattern.pattern:
        return "leave user and password out of the address, and let the environment supply them"
    variable = kind.variable if kind is not None else _variable(path)
    if variable is None:
        return "remove it, and read it from an environment variable where it is needed"
    return f"remove it, and set the environment variable {variable}"


def _variable(path: Path) -> str | None:
    """The environment variable for the secret that a key's name tells of."""
    text = dotted(path).lower().replace("-", "_")
    if "wandb" in text:
        return "WANDB_API_KEY"
    if "access_key" in text or path[0] == "s3":
        return "AWS_ACCESS_KEY_ID" if "key_id" in text else "AWS_SECRET_ACCESS_KEY"
    if path[-1] in {"hf_token", "hub_token"}:
        return "HF_TOKEN"
    return None
