"""How processes meet; what comes of it with several is in ``spread/``."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from torch import distributed

from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.process_group import connect
from tests.runtime.support import compiled

TWO = {"cpu_processes": 2, "start_minutes": 0.02}


def test_a_process_by_itself_meets_nobody(tmp_path: Path) -> None:
    connect(compiled(tmp_path, "sft", {"name": "d"}))
    assert not distributed.is_initialized()


def test_processes_that_nobody_started_are_missed_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(RunError, match="2 processes were asked for, and 1 were started"):
        connect(compiled(tmp_path, "sft", {"name": "d"}, launch=TWO))


@pytest.mark.parametrize("rank", ["0", "1"])
def test_one_that_does_not_come_is_waited_for_as_long_as_the_recipe_says(
    rank: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    for name, value in (("RANK", rank), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "127.0.0.1"), ("MASTER_PORT", port)):
        monkeypatch.setenv(name, value)
    with pytest.raises(RunError, match=rf"the 2 processes did not meet at 127.0.0.1:{port} within 0.02 minutes"):
        connect(compiled(tmp_path, "sft", {"name": "d"}, launch=TWO))
