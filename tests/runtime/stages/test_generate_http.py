"""The HTTP engine against a real server on this machine, in all of its moods."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from recipe_engine.data.errors import DataError
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.generation import http
from recipe_engine.runtime.generation.pace import BudgetError
from recipe_engine.runtime.stages.processes import WorkerEndedError
from tests.runtime.rewards.server import DROPPED, Answer, chat, serving
from tests.runtime.stages.support import Row, carried_out, command, questions, result_in, rows_in, stage_in

THINKING = {"answer_open": "<response>", "answer_close": "</response>", "instruction": "Plan in <think> tags."}
GOOD = "<think>a plan</think><response>the answer</response>"
TEXTS = [f"question {number}" for number in range(12)]


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_WAIT", 0.01)


def settings(folder: Path, url: str, *, texts: list[str] = TEXTS, n: int = 1, **stage: Any) -> Row:
    engine = {"type": "http", "base_url": url, **stage.pop("engine", {})}
    sampling = {"n": n, "max_tokens": 8, **stage.pop("sampling", {})}
    rows = questions(folder, texts)
    return {"kind": "generate", "model": "strong", "rows": rows, "engine": engine, "sampling": sampling, **stage}


def answered(body: Row, text: str | None = None, **choice: Any) -> Answer:
    """A whole answer, of 10 tokens for 5."""
    said = chat(f"to {body['messages'][-1]['content']}, seed {body['seed']}" if text is None else text)
    said["choices"][0] |= choice
    return 200, {**said, "usage": {"prompt_tokens": 10, "completion_tokens": 5}}


def moody(body: Row, moods: dict[int, list[Answer | float]], lock: threading.Lock) -> Answer:
    """What a request's next mood is; a number is for how many seconds the server sleeps before it answers."""
    with lock:
        left = moods.setdefault(
            body["seed"],
            [(429, "slow down", {"Retry-After": "0.3"}), (503, "overloaded"), DROPPED, (200, '{"choices": ['), 0.6],
        )
        mood = left.pop(0) if left else None
    if isinstance(mood, float):
        time.sleep(mood)
        mood = None
    return answered(body) if mood is None else mood


def test_a_service_of_bad_moods_gives_each_completion_once(tmp_path: Path) -> None:
    moods: dict[int, list[Answer | float]] = {}
    lock = threading.Lock()
    with serving(lambda body: moody(body, moods, lock)) as server:
        engine = {"concurrency": 3, "attempts": 6, "timeout_seconds": 0.3}
        carried_out(tmp_path, settings(tmp_path, server.url, texts=TEXTS[:4], n=2, engine=engine))
    rows = rows_in(tmp_path)
    assert [(row["prompt"], row["sample_idx"]) for row in rows] == [(text, n) for text in TEXTS[:4] for n in (0, 1)]
    assert all(row["completion"].startswith(f"to {row['prompt']}, seed ") for row in rows)
    assert {(row["finish_reason"], row["completion_tokens"], row["model"]) for row in rows} == {("stop", 5, "strong")}
    assert Counter(Counter(body["seed"] for body in server.bodies).values()) == {6: 8}
    summary = result_in(tmp_path)["summary"]
    assert (summary["requests"], summary["retries"]) == (8, 40)
    assert (summary["input_tokens"], summary["output_tokens"]) == (80, 40)


def test_a_retry_after_keeps_every_request_away(tmp_path: Path) -> None:
    times: list[float] = []

    def answer(body: Row) -> Answer:
        times.append(time.monotonic())
        return (429, "", {"Retry-After": "0.5"}) if len(times) == 1 else answered(body)

    with serving(answer) as server:
        carried_out(tmp_path, settings(tmp_path, server.url, engine={"concurrency": 1}))
    assert times[1] - times[0] >= 0.5


def test_so_many_requests_are_under_way_at_once(tmp_path: Path) -> None:
    def answer(body: Row) -> Answer:
        time.sleep(0.05)
        return answered(body)

    with serving(answer) as server:
        carried_out(tmp_path, settings(tmp_path, server.url, engine={"concurrency": 3}))
    assert server.most_at_once == 3


def test_no_more_requests_begin_than_a_minute_may_have(tmp_path: Path) -> None:
    with serving(answered) as server:
        begin = time.monotonic()
        carried_out(tmp_path, settings(tmp_path, server.url, engine={"requests_per_minute": 1200.0}))
    assert time.monotonic() - begin >= 11 * 60 / 1200


class TestTheKey:
    KEY = "very-secret-of-mine-0123456789"

    def test_is_sent_and_stands_nowhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("STRONG_KEY", self.KEY)
        with serving(answered) as server:
            said = carried_out(tmp_path, settings(tmp_path, server.url, engine={"api_key_env": "STRONG_KEY"}))
        assert set(server.keys) == {f"Bearer {self.KEY}"}
        written = [path.read_text(encoding="utf-8") for path in tmp_path.rglob("*") if path.is_file()]
        assert not any(self.KEY in text for text in [*written, *said])

    def test_is_masked_where_the_service_repeats_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("STRONG_KEY", self.KEY)
        with serving(lambda body: (401, f"no such key: {self.KEY}")) as server:
            with pytest.raises(RunError, match="HTTP 401") as caught:
                carried_out(tmp_path, settings(tmp_path, server.url, engine={"api_key_env": "STRONG_KEY"}))
            assert len(server.bodies) <= 8  # those at once, and none after
        assert self.KEY not in str(caught.value)

    def test_that_is_not_there_is_an_error_before_anything_is_asked(self, tmp_path: Path) -> None:
        with serving(answered) as server, pytest.raises(RunError, match="STRONG_KEY is not set"):
            carried_out(tmp_path, settings(tmp_path, server.url, engine={"api_key_env": "STRONG_KEY"}))
        assert server.bodies == []


def test_a_stage_stops_before_it_costs_more_and_goes_on_when_it_may(tmp_path: Path) -> None:
    # 10 tokens at 100 and 5 at 200 dollars a million: 0.002 a request. At most it may cost 0.0066.
    prices = {"dollars_per_million_input": 100.0, "dollars_per_million_output": 200.0, "concurrency": 4}
    with serving(answered) as server:
        given = settings(tmp_path, server.url, engine={**prices, "max_dollars": 0.015}, shard_rows=4)
        with pytest.raises(BudgetError, match=r"0\.0\d+ of 0\.015 dollars are spent"):
            carried_out(tmp_path, given)
        asked = len(server.bodies)
        assert 4 <= asked < 12
        assert asked * 0.002 <= 0.015
        assert not (tmp_path / "result.json").exists()
        given["engine"]["max_dollars"] = 1.0
        carried_out(tmp_path, given)
        assert len(server.bodies) == 12
    assert len(rows_in(tmp_path)) == 12
    assert result_in(tmp_path)["summary"]["dollars"] == pytest.approx(12 * 0.002)


def test_a_killed_client_goes_on_and_nothing_is_counted_twice(tmp_path: Path) -> None:
    texts = [f"question {number}" for number in range(60)]
    enough = threading.Event()

    def answer(body: Row) -> Answer:
        if len(server.bodies) > 33:
            enough.set()
            time.sleep(0.05)
        return answered(body)

    with serving(answer) as server:
        given = settings(tmp_path, server.url, texts=texts, engine={"concurrency": 4}, shard_rows=25)
        stage_in(tmp_path, given)
        process = subprocess.Popen(command(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert enough.wait(60)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        before = {path.name for path in (tmp_path / "rows" / "train").glob("part-*.jsonl")}
        assert before == {"part-00000.jsonl"}
        carried_out(tmp_path, given)
        asked = len(server.bodies)
    alone = tmp_path / "alone"
    with serving(answered) as other:
        carried_out(alone, settings(alone, other.url, texts=texts, shard_rows=25))
    assert rows_in(tmp_path) == rows_in(alone)
    assert asked <= 60 + 4  # those that were under way were asked again, no other
    assert result_in(tmp_path)["summary"]["requests"] == 60


class TestSeveralSamples:
    def test_come_of_one_request_where_the_service_honours_n(self, tmp_path: Path) -> None:
        def answer(body: Row) -> Answer:
            choices = [{"message": {"content": f"{place}"}, "finish_reason": "stop"} for place in range(body["n"])]
            return 200, {"choices": choices, "usage": {"prompt_tokens": 10, "completion_tokens": 9}}

        with serving(answer) as server:
            given = settings(tmp_path, server.url, n=3, engine={"samples": "parameter"}, texts=TEXTS[:4])
            carried_out(tmp_path, given)
        assert len(server.bodies) == 4
        rows = rows_in(tmp_path)
        assert [row["completion"] for row in rows] == ["0", "1", "2"] * 4
        assert rows[0]["completion_tokens"] is None  # one count for three
        assert result_in(tmp_path)["summary"]["output_tokens"] == 36

    def test_are_asked_for_one_by_one_where_it_does_not(self, tmp_path: Path) -> None:
        with serving(answered) as server:
            given = settings(tmp_path, server.url, n=3, engine={"samples": "parameter"}, texts=TEXTS[:4])
            said = carried_out(tmp_path, given)
        assert len(server.bodies) == 12
        assert len({row["completion"] for row in rows_in(tmp_path)}) == 12
        assert any("answered 1 of n=3" in line for line in said)


def test_a_shard_that_was_cut_or_replaced_is_made_anew_and_said(tmp_path: Path) -> None:
    with serving(answered) as server:
        given = settings(tmp_path, server.url, texts=TEXTS[:6], shard_rows=2)
        carried_out(tmp_path, given)
        wanted = rows_in(tmp_path)
        (tmp_path / "result.json").unlink()
        whole, cut, other = sorted((tmp_path / "rows/train").iterdir())
        before = whole.stat().st_mtime_ns
        cut.write_bytes(cut.read_bytes()[: cut.read_bytes().index(b"\n") + 1])
        other.write_bytes(other.read_bytes().replace(b"question", b"querstiom"[:8]))
        said = carried_out(tmp_path, given)
        assert len(server.bodies) == 10
    assert rows_in(tmp_path) == wanted
    assert whole.stat().st_mtime_ns == before
    assert [line for line in said if "made anew" in line] == [
        f"generate: {path.name} is not as it was made: damaged, or replaced; it is made anew" for path in (cut, other)
    ]


def test_what_the_service_refuses_is_left_out_and_counted(tmp_path: Path) -> None:
    def answer(body: Row) -> Answer:
        too_long = body["messages"][0]["content"] == TEXTS[3]
        return (400, {"error": "too many tokens"}) if too_long else answered(body)

    with serving(answer) as server:
        said = carried_out(tmp_path, settings(tmp_path, server.url))
    assert len(rows_in(tmp_path)) == 11
    assert result_in(tmp_path)["dropped"] == {"refused_by_service": 1}
    assert any("too many tokens" in line for line in said)
    with serving(lambda body: (400, "no")) as server, pytest.raises(RunError, match="no row is left"):
        carried_out(tmp_path / "none", settings(tmp_path / "none", server.url))


def test_what_no_file_can_hold_is_replaced_and_what_json_has_not_becomes_text(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    day = datetime(2026, 1, 2)
    table = pyarrow.table({"prompt": ["a", "b"], "day": [day, day], "share": [0.5, float("nan")]})
    parquet.write_table(table.slice(0, 1), tmp_path / "rows.parquet")
    parquet.write_table(table, tmp_path / "more.parquet")
    body = '{"choices": [{"message": {"content": "half \\ud83d, whole \\ud83d\\ude00"}, "finish_reason": "stop"}]}'
    with serving(lambda _: (200, body)) as server:
        given = settings(tmp_path, server.url)
        carried_out(tmp_path / "made", {**given, "rows": str(tmp_path / "rows.parquet")})
        with pytest.raises(DataError, match=r"a number that is none .* in share"):
            carried_out(tmp_path / "nan", {**given, "rows": str(tmp_path / "more.parquet")})
    row = rows_in(tmp_path / "made")[0]
    assert (row["completion"], row["day"]) == ("half \ufffd, whole \U0001f600", "2026-01-02 00:00:00")


def test_completions_that_were_cut_are_kept_or_counted(tmp_path: Path) -> None:
    def answer(body: Row) -> Answer:
        return answered(body, finish_reason="length" if body["messages"][0]["content"] in TEXTS[:5] else "stop")

    with serving(answer) as server:
        carried_out(tmp_path / "all", settings(tmp_path / "all", server.url))
        carried_out(tmp_path / "some", settings(tmp_path / "some", server.url, keep="finished"))
    assert Counter(row["finish_reason"] for row in rows_in(tmp_path / "all")) == {"length": 5, "stop": 7}
    assert (len(rows_in(tmp_path / "some")), result_in(tmp_path / "some")["dropped"]) == (7, {"unfinished": 5})


class TestThoughtAndResponse:
    def test_well_formed_ones_become_rows_to_train_on(self, tmp_path: Path) -> None:
        tries: Counter[str] = Counter()

        def answer(body: Row) -> Answer:
            text = body["messages"][-1]["content"]
            tries[text] += 1
            malformed = text in TEXTS[:2] or (text == TEXTS[2] and tries[text] == 1)
            return answered(body, "<think>no end" if malformed else GOOD)

        with serving(answer) as server:
            given = settings(tmp_path, server.url, answers="thought_and_response")
            carried_out(tmp_path, given, thinking=THINKING)
        assert [tries[text] for text in TEXTS[:4]] == [2, 2, 2, 1]
        assert server.bodies[0]["messages"][0] == {"role": "system", "content": "Plan in <think> tags."}
        seeds = Counter(body["seed"] for body in server.bodies)
        assert set(seeds.values()) == {1}  # the second attempt is another draw
        result = result_in(tmp_path)
        assert (result["rows_out"], result["dropped"]) == (10, {"malformed": 2})
        row = rows_in(tmp_path)[0]
        assert (row["thought"], row["response"]) == ("a plan", "the answer")
        assert row["messages"] == [{"role": "user", "content": TEXTS[2]}]
        assert (row["completion"], row["id"]) == (GOOD, row["prompt_id"])

    def test_a_thought_that_comes_apart_is_put_together(self, tmp_path: Path) -> None:
        def answer(body: Row) -> Answer:
            said = chat("the answer")
            said["choices"][0]["message"]["reasoning_content"] = "a plan"
            return 200, said

        with serving(answer) as server:
            carried_out(tmp_path, settings(tmp_path, server.url, answers="thought_and_response"), thinking=THINKING)
        assert {row["completion"] for row in rows_in(tmp_path)} == {GOOD}


def test_a_stage_that_only_asks_needs_no_torch(tmp_path: Path) -> None:
    check = (
        "import sys; from recipe_engine.runtime.__main__ import main; code = main(['stage', sys.argv[1]]); "
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules; sys.exit(code)"
    )
    with serving(answered) as server:
        folder = stage_in(tmp_path, settings(tmp_path, server.url))
        command = [sys.executable, "-c", check, str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "result.json").read_text())["rows_out"] == 12


class TestSeveralProcesses:
    """Each takes the next shard that no other has."""

    def test_make_the_rows_of_one_and_no_shard_twice(self, tmp_path: Path) -> None:
        def answer(body: Row) -> Answer:
            time.sleep(0.02)  # long enough for both to take part
            return answered(body)

        with serving(answer) as server:
            given = settings(tmp_path / "two", server.url, texts=[str(n) for n in range(60)], shard_rows=5)
            carried_out(tmp_path / "two", given, processes=2)
            assert len(server.bodies) == 60
            carried_out(tmp_path / "one", {**given, "rows": given["rows"]})
        assert rows_in(tmp_path / "two") == rows_in(tmp_path / "one")

    def test_are_all_ended_by_an_error_of_one(self, tmp_path: Path) -> None:
        with serving(lambda body: (401, "no")) as server:
            given = settings(tmp_path, server.url, shard_rows=2)
            with pytest.raises(WorkerEndedError, match="exit code 1"):
                carried_out(tmp_path, given, processes=2)
        assert not (tmp_path / "result.json").exists()
