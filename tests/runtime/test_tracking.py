from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import wandb

from recipe_engine.compiled import CompiledRun
from recipe_engine.runtime import tracking
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.tracking import end_wandb, start_wandb
from tests.runtime.support import compiled
from tests.wandb_server import KEY, Mood, Server, serving

NOBODY = "http://127.0.0.1:9"


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
    with suppress(ConnectionError):
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


@pytest.mark.parametrize("mood", ["hanging", "failing", "refusing"])
def test_with_a_key_and_a_server_that_does_not_do_its_work_it_goes_offline_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mood: Mood
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_INIT_TIMEOUT", "1")
    with serving(mood) as server:
        said, seconds = started(run_of(tmp_path, base_url=server.url))
    assert said[0].startswith("wandb: offline, since the server refused: ")
    assert "wandb sync" in said[0]
    assert seconds < 20


@pytest.mark.parametrize("mood", ["well", "slow"])
def test_a_server_that_does_its_work_is_told_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mood: Mood
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    with serving(mood) as server:
        run = run_of(tmp_path, base_url=server.url)
        said, _ = started(run)
        wandb.log({"loss": 1.25})
        assert end_wandb(0, said.append)
        assert any(b"1.25" in sent for sent in server.sent)
    (folder,) = Path(run.run_dir, "wandb").glob("run-*")
    assert said == [f"wandb: {server.url}; should it fail from now on, send what is missing with: wandb sync {folder}"]


class TestAnOutageThatBeginsLater:
    """The run goes on; its end waits for a bounded time, and says how to send what the server did not take."""

    @pytest.fixture
    def server(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        monkeypatch.setenv("WANDB_FINISH_TIMEOUT", "1")
        with serving() as server:
            started(run_of(tmp_path, base_url=server.url))
            yield server
            with suppress(ConnectionError):
                wandb.teardown()  # what a test did to wandb's process is not the next one's

    @pytest.mark.parametrize("mood", ["hanging", "failing"])
    def test_the_server_is_waited_for_in_vain(self, server: Server, mood: Mood) -> None:
        server.mood = mood
        wandb.log({"loss": 1.25})
        said, seconds = ended()
        assert "the server did not take all of the run in time; send it with: wandb sync " in said[0]
        assert seconds < 8

    def test_wandb_s_own_process_is_killed(
        self, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        os.kill(own_process(), signal.SIGKILL)
        said, seconds = ended(sound=False)
        assert "wandb: not all was sent" in said[0]
        assert "wandb sync" in said[0]
        assert seconds < 3

    def test_wandb_s_own_process_hangs(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tracking, "_GRACE_SECONDS", 1)
        stopped = own_process()
        os.kill(stopped, signal.SIGSTOP)
        said, seconds = ended(sound=False)
        os.kill(stopped, signal.SIGCONT)
        assert "its own process does not answer" in said[0]
        assert seconds < 5


def ended(*, sound: bool = True) -> tuple[list[str], float]:
    said: list[str] = []
    begin = time.monotonic()
    assert end_wandb(0, said.append) == sound
    return said, time.monotonic() - begin


def own_process() -> int:
    """The process in which wandb talks to its server."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"wandb-core" in arguments[0] and str(os.getpid()).encode() in arguments:
            return int(folder.name)
    raise AssertionError("wandb has no process")


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
