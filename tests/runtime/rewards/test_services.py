from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from recipe_engine.data.errors import RowError
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.rewards import service

from .server import Answer, chat, serving
from .support import Rewards

KEY = "correct-horse-battery-staple"


@pytest.fixture(autouse=True)
def _short_waits_and_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "FIRST_WAIT", 0.01)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def judge(url: str, **settings: Any) -> dict[str, Any]:
    prompt = "Question: {prompt} Right: {answer} Said: {completion}"
    return {"type": "judge", "base_url": f"{url}/v1", "model": "m", "prompt": prompt, **settings}


def asked(folder: Path, reward: dict[str, Any], count: int = 1) -> list[float | None]:
    return Rewards(folder, reward).scores(["four"] * count, prompts=["2 + 2?"] * count, answer=["4"] * count)


class TestJudge:
    def test_it_is_asked_as_openais_protocol_has_it(self, tmp_path: Path) -> None:
        with serving(lambda body: (200, chat("Good.\nScore: 7.5"))) as seen:
            settings = {"system_prompt": "Be strict.", "temperature": 0.3, "max_tokens": 9}
            assert asked(tmp_path, judge(seen.url, **settings)) == [7.5]
        assert seen.paths == ["/v1/chat/completions"]
        said = {"role": "user", "content": "Question: 2 + 2? Right: 4 Said: four"}
        assert seen.bodies == [
            {
                "model": "m",
                "messages": [{"role": "system", "content": "Be strict."}, said],
                "max_tokens": 9,
                "temperature": 0.3,
            }
        ]
        assert seen.keys == [None]

    def test_chat_prompts_and_columns_that_hold_braces_are_told_as_they_are(self, tmp_path: Path) -> None:
        with serving(lambda body: (200, chat("score 1"))) as seen:
            rewards = Rewards(tmp_path, judge(seen.url))
            rewards.scores(["{x}"], prompts=[[{"role": "user", "content": "{answer}?"}]], answer=[{"a": 1}])
        assert seen.bodies[0]["messages"][0]["content"] == 'Question: {answer}? Right: {"a": 1} Said: {x}'

    @pytest.mark.parametrize(
        ("reply", "settings", "score"),
        [
            ("Score: 3 at first. Final score: 8", {}, 8),
            ("Score: -2", {}, -2),
            ("**Score:** 4/5", {}, 4),
            ("[[9]]", {"pattern": r"\[\[(\d+)\]\]"}, 9),
            ("score: 4", {"min": 1, "max": 5, "normalize": True}, 0.75),
        ],
    )
    def test_the_score_is_read_from_the_reply(
        self, tmp_path: Path, reply: str, settings: dict[str, Any], score: float
    ) -> None:
        with serving(lambda body: (200, chat(reply))) as seen:
            assert asked(tmp_path, judge(seen.url, **settings)) == [score]

    @pytest.mark.parametrize(
        ("answer", "message"),
        [
            ((200, chat("I would rather not.")), "the judge's reply holds no score"),
            ((200, chat("Score: 11")), "the judge's score 11 is out of range"),
            ((200, chat(None)), "the reply holds no text"),
            ((200, {"error": "x"}), "the answer is no chat completion"),
            ((200, "{broken"), "answered no JSON: '{broken'"),
            ((401, {"error": "bad key"}), 'gave no answer: HTTP 401: {"error": "bad key"}'),
            ((503, "busy"), "gave no answer after 3 attempts: HTTP 503: busy"),
        ],
        ids=str,
    )
    def test_what_is_no_score_is_a_failure(self, tmp_path: Path, answer: Answer, message: str) -> None:
        with serving(lambda body: answer) as seen:
            reward = judge(seen.url, min=0, max=10, retries=2)
            with pytest.raises(RunError) as caught:
                asked(tmp_path, reward)
            assert message in caught.value.message
            assert "2 + 2?" in caught.value.message
            assert asked(tmp_path, {**reward, "on_error": -1}) == [-1]

    def test_it_is_asked_again_after_429_and_5xx(self, tmp_path: Path) -> None:
        answers: list[Answer] = [(429, "slow down", {"Retry-After": "0.2"}), (500, "oops"), (200, chat("score: 1"))]
        with serving(lambda body: answers.pop(0)) as seen:
            begin = time.monotonic()
            assert asked(tmp_path, judge(seen.url)) == [1]
        assert len(seen.bodies) == 3
        assert time.monotonic() - begin >= 0.2

    def test_it_is_not_asked_again_after_a_refusal(self, tmp_path: Path) -> None:
        with serving(lambda body: (400, "no such model")) as seen:
            asked(tmp_path, judge(seen.url, on_error=0))
        assert len(seen.bodies) == 1

    def test_a_service_that_is_not_there_is_a_failure(self, tmp_path: Path) -> None:
        with serving(lambda body: (200, "")) as seen:
            url = seen.url
        with pytest.raises(RunError, match="gave no answer after 2 attempts: ConnectError"):
            asked(tmp_path, judge(url, retries=1))

    def test_one_that_is_slow_is_not_waited_for(self, tmp_path: Path) -> None:
        def slow(body: Any) -> Answer:
            time.sleep(2)
            return 200, chat("score: 1")

        with serving(slow) as seen:
            begin = time.monotonic()
            assert asked(tmp_path, judge(seen.url, timeout=0.2, retries=1, on_error=0)) == [0]
            assert time.monotonic() - begin < 1.5

    def test_no_more_requests_are_under_way_than_allowed(self, tmp_path: Path) -> None:
        def slow(body: Any) -> Answer:
            time.sleep(0.05)
            return 200, chat("score: 1")

        with serving(slow) as seen:
            assert asked(tmp_path, judge(seen.url, concurrency=3), count=9) == [1] * 9
        assert seen.most_at_once == 3

    def test_the_order_is_kept(self, tmp_path: Path) -> None:
        def echo(body: Any) -> Answer:
            number = int(body["messages"][0]["content"].rpartition(" ")[2])
            time.sleep(0.05 if number % 2 else 0)
            return 200, chat(f"score: {number}")

        with serving(echo) as seen:
            rewards = Rewards(tmp_path, judge(seen.url))
            assert rewards.scores([str(n) for n in range(8)], answer=["4"] * 8) == list(range(8))

    def test_a_column_that_the_prompt_names_is_looked_for_before_training(self, tmp_path: Path) -> None:
        rewards = Rewards(tmp_path, judge("http://127.0.0.1:1"))
        rewards.check({"answer": "4"})
        with pytest.raises(RowError, match="column `answer`"):
            rewards.check({"answer": None})


class TestKeys:
    def test_the_key_is_sent_and_never_shown(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("JUDGE_KEY", KEY)
        with serving(lambda body: (403, f"the key {KEY} is not known")) as seen:
            rewards = Rewards(tmp_path, judge(seen.url, api_key_env="JUDGE_KEY"))
            with pytest.raises(RunError) as caught:
                rewards.scores(["four"], answer=["4"])
        assert seen.keys == [f"Bearer {KEY}"]
        assert KEY not in caught.value.message
        assert KEY not in "".join(rewards.said) + rewards.run.model_dump_json()

    @pytest.mark.parametrize("value", [None, " "])
    def test_a_variable_that_is_not_set_is_told_before_training(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
    ) -> None:
        monkeypatch.delenv("JUDGE_KEY", raising=False)
        if value is not None:
            monkeypatch.setenv("JUDGE_KEY", value)
        with pytest.raises(RunError, match="the environment variable JUDGE_KEY is not set"):
            Rewards(tmp_path, judge("http://127.0.0.1:1", api_key_env="JUDGE_KEY"))


class TestHttp:
    def reward(self, url: str, **settings: Any) -> dict[str, Any]:
        return {"type": "http", "url": f"{url}/score", **settings}

    def test_batches_of_prompts_completions_and_columns_are_posted(self, tmp_path: Path) -> None:
        with serving(lambda body: (200, {"scores": [len(text) for text in body["completions"]]})) as seen:
            rewards = Rewards(tmp_path, self.reward(seen.url, batch_size=2, concurrency=1))
            scores = rewards.scores(
                ["a", [{"role": "assistant", "content": "bb"}], "ccc"],
                prompts=["p", "q", "r"],
                answer=["1", "2", "3"],
                completion_ids=[[1], [2], [3]],
            )
        assert scores == [1, 2, 3]
        assert seen.bodies == [
            {"prompts": ["p", "q"], "completions": ["a", "bb"], "columns": {"answer": ["1", "2"]}},
            {"prompts": ["r"], "completions": ["ccc"], "columns": {"answer": ["3"]}},
        ]

    def test_columns_may_be_chosen(self, tmp_path: Path) -> None:
        with serving(lambda body: (200, {"scores": [1]})) as seen:
            rewards = Rewards(tmp_path, self.reward(seen.url, columns=["answer"]))
            rewards.scores(["a"], answer=["1"], other=["2"])
            with pytest.raises(RowError, match="column `answer`"):
                rewards.check({"other": "2"})
        assert seen.bodies[0]["columns"] == {"answer": ["1"]}

    @pytest.mark.parametrize(
        ("answer", "message"),
        [
            ({"scores": [1]}, "answered 1 scores for 2 completions"),
            ({"rewards": [1, 2]}, "answered no list `scores` for 2 completions"),
            ([1, 2], "answered no list `scores`"),
            ({"scores": [1, None]}, "returned None"),
            ({"scores": [1, "2"]}, "returned '2'"),
        ],
    )
    def test_what_is_no_list_of_scores_is_a_failure(self, tmp_path: Path, answer: Any, message: str) -> None:
        with serving(lambda body: (200, answer)) as seen, pytest.raises(RunError) as caught:
            Rewards(tmp_path, self.reward(seen.url)).scores(["a", "b"])
        assert message in caught.value.message

    def test_one_bad_batch_does_not_spoil_the_others(self, tmp_path: Path) -> None:
        def answer(body: Any) -> Answer:
            return (200, {"scores": [1]}) if body["completions"] == ["a"] else (422, "no")

        with serving(answer) as seen:
            rewards = Rewards(tmp_path, self.reward(seen.url, batch_size=1, on_error=-1))
            assert rewards.scores(["a", "b"]) == [1, -1]
        assert rewards.mean("rewards/http/failed") == 0.5
