"""Where a model that a stage names is."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from recipe_engine.data.location import locate
from recipe_engine.data.remote import fetch, fetched_path
from recipe_engine.runtime import builtin_model
from recipe_engine.runtime.errors import RunError


def model_source(name: str, setting: str, folder: Path) -> str:
    """What ``from_pretrained`` takes: a Hub id, or a folder. Copies of remote models are kept under ``folder``.

    Raises:
        RunError: a local folder is not there or holds no whole model, or there is no embedded model of this name.
        DataError: a remote model cannot be fetched.
    """
    kind = locate(name).kind
    if kind == "builtin":
        try:
            return str(builtin_model.ensure(name))
        except builtin_model.UnknownBuiltinModelError as error:
            raise RunError(f"{setting}: {error}") from error
    if kind == "remote":
        return str(_fetched_once(name, folder / "fetched"))
    if kind == "local" and not os.path.isfile(os.path.join(name, "config.json")):
        adapter = os.path.isfile(os.path.join(name, "adapter_config.json"))
        what = "holds an adapter, not a whole model" if adapter else "holds no model (no config.json)"
        hint = "merge it into its base model first" if adapter else "name a folder that a train stage has made"
        raise RunError(f"{setting}: {name} {what}", hint)
    return name


def _fetched_once(name: str, cache: Path) -> Path:
    """A copy of a remote model, made by the first process of the stage that asks."""
    cache.mkdir(parents=True, exist_ok=True)
    path = fetched_path(name, cache)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = cache / f"{path.parent.name}.done"
        if not done.exists():
            fetch(name, cache)
            done.touch()
    return path
