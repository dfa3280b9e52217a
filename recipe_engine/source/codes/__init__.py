"""What every S code means: a heading, why it matters and what to do, and an example that fails and one that passes.

The examples are recipes, whole or in part. A line ``# file: NAME`` starts another file; the last one is the one that
is read. A line ``# override: TEXT`` is an override given on the command line. Examples that no YAML text can show are
shell commands after ``$``.
"""

from __future__ import annotations

from recipe_engine.source.codes.extends import EXTENDS
from recipe_engine.source.codes.files import FILES
from recipe_engine.source.codes.overrides import OVERRIDES
from recipe_engine.source.codes.values import VALUES
from recipe_engine.source.codes.yaml_subset import YAML_SUBSET

CODES: dict[str, str] = {text[:4]: text for text in (*FILES, *YAML_SUBSET, *VALUES, *EXTENDS, *OVERRIDES)}
