"""How machines prove to each other that they belong to one run and share its folder, and that they run the same.

The first machine writes a secret into the run's folder, which only the run's user can read there. Nobody sends it: each
side sends a keyed digest (HMAC-SHA-256) of what both have just drawn by lot, which nobody can compute without it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from recipe_engine.compiled import CompiledRun
from recipe_engine.launch.resume import settings_of

TOKEN = "nodes.token"
"""Name of the file in the run's folder with the secret."""

_LOCAL = {"recipe_file", "checkpoint", "resume", "resume_changes"}
"""Settings of a run that each machine may spell in its own way: only the first machine heeds them."""
_FIRST = ("engine", "nodes", "gpus", "processes")
"""What is compared first: differences of the others may follow from these."""


def write_token(run_dir: Path) -> str:
    """A new secret, in the run's folder."""
    token = secrets.token_hex(32)
    path = run_dir / TOKEN
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as stream:
        stream.write(token)
        stream.flush()
        os.fsync(stream.fileno())
    return token


def read_token(run_dir: Path) -> str | None:
    """The secret in the run's folder, where there is one."""
    try:
        return (run_dir / TOKEN).read_text(encoding="ascii")
    except (OSError, ValueError):
        return None


def remove_token(run_dir: Path) -> None:
    """The run is over."""
    (run_dir / TOKEN).unlink(missing_ok=True)


def name_of(token: str) -> str:
    """By which a secret is known to those who have it, and which tells nothing to others."""
    return hashlib.sha256(token.encode()).hexdigest()[:16]


def draw() -> str:
    """A number that nobody has seen before."""
    return secrets.token_hex(16)


def proof(token: str, *said: str) -> str:
    """What proves that one has the secret, for this conversation alone."""
    return hmac.new(token.encode(), json.dumps(said).encode(), hashlib.sha256).hexdigest()


def is_proof(given: str, token: str, *said: str) -> bool:
    """Whether ``given`` is what ``proof`` gives; takes as long whatever it is."""
    return hmac.compare_digest(given.encode(errors="replace"), proof(token, *said).encode())


def digests(run: CompiledRun) -> dict[str, str]:
    """A digest of each setting that has to be the same on every machine."""
    settings = {name: value for name, value in settings_of(run) if name not in _LOCAL}
    ordered = {name: settings[name] for name in [*_FIRST, *settings]}
    return {name: _digest(value) for name, value in ordered.items()}


def first_difference(mine: Mapping[str, str], theirs: Mapping[str, object]) -> str | None:
    """The first setting in which two machines differ."""
    return next((name for name in [*mine, *theirs] if mine.get(name) != theirs.get(name)), None)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
