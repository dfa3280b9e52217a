"""``python -m recipe_engine.runtime COMPILED.json``: one training process."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Run the compiled file named by the only argument. Returns the exit code."""
    quieten()
    from recipe_engine.compiled import CompiledRun
    from recipe_engine.data.errors import DataError
    from recipe_engine.runtime.errors import RunError
    from recipe_engine.runtime.worker import train

    run = CompiledRun.model_validate_json(Path(arguments[0]).read_text(encoding="utf-8"))
    try:
        train(run)
    except (RunError, DataError) as error:
        print(f"error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  {error.hint}", file=sys.stderr)
        sys.stderr.flush()
        return 1
    return 0


def quieten() -> None:
    """Leave out what libraries say that no user of a recipe can act on, and bars where no terminal shows them."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    # TRL and PEFT themselves use names that transformers renames in version 6.
    warnings.filterwarnings("ignore", message=".*gradient_checkpointing` is deprecated", category=FutureWarning)
    # bitsandbytes says at import which optional kernels it did not find.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    if not sys.stderr.isatty():
        import datasets
        from transformers.utils import logging as transformers_logging

        datasets.disable_progress_bars()
        transformers_logging.disable_progress_bar()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
