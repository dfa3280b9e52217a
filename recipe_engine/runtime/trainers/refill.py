"""Rounds of sampling whose useless groups are replaced by groups of other prompts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

LEFT_PADDED = frozenset({"prompt_ids", "prompt_mask"})


def replace_groups(
    kept: dict[str, Any], more: dict[str, Any], places: Tensor, taken: Tensor, group: int, fill: int
) -> Any:
    """A round with the groups at ``places`` replaced by the groups ``taken`` of another round, of the same process.

    Rows of both are padded to one width: prompts on the left, completions on the right, ids with ``fill``.
    """
    within = torch.arange(group, device=places.device)
    into = (places.unsqueeze(1) * group + within).flatten()
    out_of = (taken.unsqueeze(1) * group + within).flatten()
    merged = dict(kept)
    for name, rows in kept.items():
        if not isinstance(rows, Tensor) or rows.dim() == 0:
            continue
        other = more[name]
        if rows.dim() == 2:
            width, value = max(rows.size(1), other.size(1)), fill if name.endswith("_ids") else 0
            rows, other = (_padded(part, width, value, left=name in LEFT_PADDED) for part in (rows, other))
        merged[name] = rows.index_copy(0, into, other[out_of])
    return merged


def _padded(rows: Tensor, width: int, value: int, *, left: bool) -> Tensor:
    space = width - rows.size(1)
    return pad(rows, (space, 0) if left else (0, space), value=value)
