from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("RECIPE_ENGINE_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def tokenizer(_cache: Path) -> object:
    """The embedded model's tokenizer."""
    from transformers import AutoTokenizer

    from recipe_engine.runtime import builtin_model

    return AutoTokenizer.from_pretrained(builtin_model.ensure())
