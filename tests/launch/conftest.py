from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from recipe_engine.compiled import CompiledRun
from tests.compile.support import SFT, compiled


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def embedded_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder in which the trainings of these tests keep the embedded model."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("RECIPE_ENGINE_CACHE", str(folder))
        yield folder


@pytest.fixture
def run() -> CompiledRun:
    """A run of one process on the CPU."""
    return compiled(SFT)
