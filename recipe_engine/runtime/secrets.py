"""Keys that a run was given by the environment stay out of what it prints."""

from __future__ import annotations

import os
from collections.abc import Iterator

from recipe_engine.compiled import CompiledRun
from recipe_engine.diagnostics.redact import is_named_secret, redact_tokens

MASK = "***"
_SHORTEST = 8
"""Characters: shorter values of variables that are named like secrets may be words that a text needs."""
_FOLDERS = frozenset({"PWD", "OLDPWD"})
"""The shell's folders, which are named like passwords."""


def masked(text: str, run: CompiledRun) -> str:
    """A text without the keys of the environment: they may be answered back, or stand in an error of other code.

    These are what the run's services are called with, every variable that is named like a secret (``HF_TOKEN``,
    ``AWS_SECRET_ACCESS_KEY``), and whatever looks like a token or like an address with a password.
    """
    for key in sorted(set(_keys(run)), key=len, reverse=True):
        text = text.replace(key, MASK)
    return redact_tokens(text)


def _keys(run: CompiledRun) -> Iterator[str]:
    for reward in run.rewards:
        if key := os.environ.get(getattr(reward, "api_key_env", None) or "", "").strip():
            yield key
    for name, value in os.environ.items():
        if name in _FOLDERS:
            continue
        if len(value.strip()) >= _SHORTEST and is_named_secret(name, value):
            yield value.strip()
