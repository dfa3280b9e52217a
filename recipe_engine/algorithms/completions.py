"""Which settings of distillation train on the completions of the data, beside those that are sampled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def trains_on_completions(settings: Mapping[str, Any]) -> str | None:
    """The setting that has a run train on the completions of the data, in words; none where there is none."""
    if settings.get("lmbda", 1) < 1:
        return "lmbda below 1"
    return "pt_coef above 0" if settings.get("pt_coef", 0) > 0 else None
