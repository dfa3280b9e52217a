from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import wandb

from recipe_engine.compiled import CompiledRun
from recipe_engine.runtime import tracking
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.tracking import start_wandb
from tests.runtime.support import compiled

NOBODY = "http://127.0.0.1:9"
KEY = "0123456789abcdef" * 2 + "01234567"


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No key and no settings of the user's; and a run that a test began is ended."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "home" / "config"))
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "home" / "cache"))
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in {"WANDB_API_KEY", "WANDB_MODE", "NETRC"}:
            monkeypatch.delenv(name)
    monkeypatch.delenv("WANDB_ERROR_REPORTING", raising=False)
    (tmp_path / "home").mkdir()
    yield
    wandb.finish()


def run_of(folder: Path, **settings: Any) -> CompiledRun:
    block = {"enabled": True, "project": "p", "tags": ["t"], "base_url": NOBODY, **settings}
    return compiled(folder, "sft", {"name": "d"}, training={"run_name": "first-run"}, wandb=block)


def started(run: CompiledRun) -> tuple[list[str], float]:
    said: list[str] = []
    begin = time.monotonic()
    start_wandb(run, said.append)
    return said, time.monotonic() - begin


def test_without_a_key_it_goes_offline_and_says_how_to_sync(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    said, _ = started(run)
    (folder,) = Path(run.run_dir, "wandb").glob("offline-run-*")
    reason = "there is no key (set WANDB_API_KEY, or run `wandb login` once)"
    assert said == [f"wandb: offline, since {reason}; send it later with: wandb sync {folder}"]
    assert wandb.run is not None
    assert (wandb.run.name, wandb.run.project, wandb.run.tags) == ("first-run", "p", ("t",))


def test_with_a_key_and_a_server_that_cannot_be_reached_it_goes_offline_within_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    said, seconds = started(run_of(tmp_path))
    assert "127.0.0.1 cannot be reached" in said[0]
    assert os.environ["WANDB_ERROR_REPORTING"] == "false"  # else the process waits for the server when it ends
    assert seconds < tracking.CONNECT_SECONDS + 4


def test_with_a_key_and_a_server_that_never_answers_it_goes_offline_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setattr(tracking, "INIT_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        said, seconds = started(run_of(tmp_path, base_url=f"http://127.0.0.1:{server.getsockname()[1]}"))
    assert said[0].startswith("wandb: offline, since the server refused: ")
    assert seconds < 20


def test_a_key_that_the_server_refuses_is_told_and_it_goes_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setattr(tracking, "INIT_SECONDS", 3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        answer = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"

        def refuse() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    if connection.recv(65536):
                        connection.sendall(answer)

        threading.Thread(target=refuse, daemon=True).start()
        said, _ = started(run_of(tmp_path, base_url=f"http://127.0.0.1:{server.getsockname()[1]}"))
    assert said[0].startswith("wandb: offline, since the server refused: ")


@pytest.mark.parametrize("mode", ["offline", "disabled"])
def test_the_mode_of_the_environment_is_respected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    monkeypatch.setenv("WANDB_MODE", mode)
    run = run_of(tmp_path)
    said, _ = started(run)
    written = list(Path(run.run_dir).glob("wandb/offline-run-*"))
    if mode == "disabled":
        assert (said, written) == ([], [])
    else:
        assert said == [f"wandb: offline, since WANDB_MODE says so; send it later with: wandb sync {written[0]}"]


def test_online_is_no_way_around_a_missing_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    said, _ = started(run_of(tmp_path))
    assert "there is no key" in said[0]


def test_a_mode_that_wandb_does_not_know_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "sometimes")
    with pytest.raises(RunError, match="wandb cannot run in the mode 'sometimes'"):
        started(run_of(tmp_path))


def test_a_key_in_netrc_counts(tmp_path: Path) -> None:
    netrc = tmp_path / "home" / ".netrc"
    netrc.write_text(f"machine 127.0.0.1\n  login user\n  password {KEY}\n", encoding="utf-8")
    netrc.chmod(0o600)
    assert "cannot be reached" in started(run_of(tmp_path))[0][0]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, ("api.example.com", 443)),
        ({"https_proxy": "http://proxy.example.com:3128"}, ("proxy.example.com", 3128)),
        ({"HTTPS_PROXY": "proxy.example.com"}, ("proxy.example.com", 80)),
        ({"https_proxy": "http://proxy.example.com:3128", "no_proxy": "example.com"}, ("api.example.com", 443)),
        ({"http_proxy": "http://proxy.example.com:3128"}, ("api.example.com", 443)),
    ],
)
def test_where_a_proxy_is_named_the_proxy_must_be_reached(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: tuple[str, int]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert tracking._first_hop("https://api.example.com") == expected
