"""What every block of a recipe has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Block(BaseModel):
    """A part of a recipe: strict types, no unknown keys, nothing changed after it was read.

    The text under a field is its documentation: it goes into the JSON Schema that editors show.
    """

    # defer_build: a cold `recipe lint` pays only for the blocks that the recipe has.
    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, defer_build=True, allow_inf_nan=False, protected_namespaces=()
    )
