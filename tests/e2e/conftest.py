from __future__ import annotations

import fcntl
import shutil
from pathlib import Path

import pytest

from tests.e2e.support import trained


@pytest.fixture(scope="session")
def sft_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the SFT quickstart has run: once for all processes of the suite."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if base.name.startswith("popen-") else base) / "quickstart-sft"
    shared.mkdir(exist_ok=True)
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "models/quickstart-sft/run/finished").is_file():
            trained("sft.yaml", shared)
    return shared


@pytest.fixture
def after_sft(sft_model: Path, tmp_path: Path) -> Path:
    """A folder of one's own in which the SFT quickstart has run."""
    shutil.copytree(sft_model / "models", tmp_path / "models")
    return tmp_path
