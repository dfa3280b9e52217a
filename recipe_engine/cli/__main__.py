"""``python -m recipe_engine.cli``: the ``recipe`` command where no script is installed."""

from __future__ import annotations

from recipe_engine.cli import main

main()
