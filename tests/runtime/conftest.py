from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from recipe_engine.runtime import builtin_model


@pytest.fixture(scope="session", autouse=True)
def _quiet_and_apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The embedded model in a folder of the tests, one thread, and nothing of the user's trackers or networks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECIPE_ENGINE_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("TOKENIZERS_PARALLELISM", "false")
        for name in [name for name in os.environ if name.startswith("WANDB_")]:
            patch.delenv(name)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tiny_chat() -> Path:
    """The folder of the embedded model."""
    return builtin_model.ensure()


@pytest.fixture
def tokenizer(tiny_chat: Path) -> PreTrainedTokenizerBase:
    """The embedded model's tokenizer; a test may change it."""
    loaded: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(tiny_chat)
    return loaded
