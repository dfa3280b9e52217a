"""What every P code means, in the form of the rules' docstrings. Examples are pipelines, which the tests check."""

from __future__ import annotations

from recipe_engine.pipeline.codes.references import REFERENCES
from recipe_engine.pipeline.codes.rows import ROWS
from recipe_engine.pipeline.codes.running import RUNNING
from recipe_engine.pipeline.codes.settings import SETTINGS

CHECKED: dict[str, str] = {text[:4]: text for text in sorted((*REFERENCES, *ROWS, *SETTINGS))}
"""What `recipe lint` finds."""
CODES: dict[str, str] = {**CHECKED, **{text[:4]: text for text in RUNNING}}
