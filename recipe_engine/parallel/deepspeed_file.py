"""The DeepSpeed file that a recipe names, as far as the engine looks into it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

from recipe_engine.parallel.deepspeed_keys import KEYS, ZERO_KEYS

MAX_BYTES = 1 << 20

_SECTIONS = (
    *(("fp16",), ("bf16",), ("optimizer",), ("optimizer", "params"), ("scheduler",), ("scheduler", "params")),
    *(("zero_optimization",), ("zero_optimization", "offload_optimizer"), ("zero_optimization", "offload_param")),
)
"""What the engine looks into, which can only be objects."""


def absence_of(file: str) -> str | None:
    """Why there is no file of this name, in a sentence; none where there is one."""
    path = os.path.expanduser(file)
    if os.path.isfile(path):
        return None
    return f"{file} is a folder" if os.path.isdir(path) else f"there is no file {file}"


def read_deepspeed_config(file: str | None) -> dict[str, Any] | None:
    """The settings in ``file``, whose path counts from the current folder; none where no such file is there.

    Raises:
        ValueError: the file cannot be read or holds no JSON object. The text says why, after the file's name.
    """
    if file is None or absence_of(file) is not None:
        return None
    try:
        with open(os.path.expanduser(file), encoding="utf-8") as stream:
            text = stream.read(MAX_BYTES + 1)
        config = json.loads(text) if len(text) <= MAX_BYTES else None
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg}, line {error.lineno} column {error.colno}") from error
    except UnicodeDecodeError as error:
        raise ValueError("is not UTF-8 text") from error
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error
    if not isinstance(config, dict):
        raise ValueError("holds no JSON object" if len(text) <= MAX_BYTES else "is larger than 1 MiB")
    return config


def value_at(config: dict[str, Any], setting: tuple[str, ...]) -> Any:
    """The value of a nested setting; none where it is absent."""
    found: Any = config
    for key in setting:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def unknown_keys(config: dict[str, Any]) -> Iterator[tuple[str, str, frozenset[str]]]:
    """Names that DeepSpeed does not know: where each stands (``zero_optimization.``), itself, and those known there."""
    zero = config.get("zero_optimization")
    yield from (("", name, KEYS) for name in config if name not in KEYS)
    if isinstance(zero, dict):
        yield from (("zero_optimization.", name, ZERO_KEYS) for name in zero if name not in ZERO_KEYS)


def wrong_shapes(config: dict[str, Any]) -> Iterator[tuple[str, Any, str]]:
    """Settings that the engine reads and whose values are of another kind: name, value, and what it has to be."""
    for section in _SECTIONS:
        found = value_at(config, section)
        if found is not None and not isinstance(found, dict):
            yield ".".join(section), found, "an object"
    stage = value_at(config, ("zero_optimization", "stage"))
    if stage is not None and not _is_stage(stage):
        yield "zero_optimization.stage", stage, "0, 1, 2 or 3"


def stage_of(file: str | None) -> int | None:
    """The ZeRO stage of a file, 0 where it names none; none where there is no such file, or it cannot be read."""
    try:
        config = read_deepspeed_config(file)
    except ValueError:
        return None
    if config is None or any(name.startswith("zero_optimization") for name, *_ in wrong_shapes(config)):
        return None
    return int(value_at(config, ("zero_optimization", "stage")) or 0)


def _is_stage(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value in {0, 1, 2, 3}
