"""The DeepSpeed file that a recipe names, as far as the engine looks into it."""

from __future__ import annotations

import json
import os
from typing import Any

MAX_BYTES = 1 << 20


def read_deepspeed_config(file: str | None) -> dict[str, Any] | None:
    """The settings in ``file``, whose path counts from the current folder; none where no such file is there.

    Raises:
        ValueError: the file cannot be read or holds no JSON object. The text says why, after the file's name.
    """
    if file is None or not os.path.isfile(file):
        return None
    try:
        with open(file, encoding="utf-8") as stream:
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


def stage_of(file: str | None) -> int | None:
    """The ZeRO stage of a file, 0 where it names none; none where there is no such file, or it cannot be read."""
    try:
        config = read_deepspeed_config(file)
    except ValueError:
        return None
    stage = None if config is None else value_at(config, ("zero_optimization", "stage"))
    return None if config is None else stage if isinstance(stage, int) else 0
