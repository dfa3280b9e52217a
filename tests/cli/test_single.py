"""Stages by themselves: checked like a pipeline, run in a folder, and not twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.support import recipe
from tests.runtime.rewards.server import Answer, chat, serving


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def answer(body: dict[str, object]) -> Answer:
    return 200, {**chat("7"), "usage": {"prompt_tokens": 5, "completion_tokens": 1}}


def test_a_stage_of_flags_and_settings_is_generated_scored_and_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "questions.jsonl").write_text("".join(f'{{"prompt": "{n}", "answer": "{n}"}}\n' for n in range(5, 9)))
    with serving(answer) as server:
        (tmp_path / "strong.yaml").write_text(f"engine: {{type: http, base_url: {server.url}}}\nsampling: {{n: 3}}\n")
        flags = ["--model", "strong", "--rows", "questions.jsonl", "--out", "made"]
        made = recipe("generate", "strong.yaml", *flags, "sampling.n=2")
        assert made.exit_code == 0, made.output
        again = recipe("generate", "strong.yaml", *flags, "sampling.n=2")
        assert (again.exit_code, "skipped" in (tmp_path / "made/log.txt").read_text()) == (0, True)
        assert len(server.bodies) == 8
        other = recipe("generate", "strong.yaml", *flags, "sampling.n=1")
        assert (other.exit_code, "--replace" in (tmp_path / "made/log.txt").read_text()) == (1, True)
        assert len(server.bodies) == 8
    rows = [json.loads(line) for line in (tmp_path / "made/generate/rows/train/part-00000.jsonl").open()]
    assert [(row["answer"], row["sample_idx"], row["completion"]) for row in rows][:2] == [("5", 0, "7"), ("5", 1, "7")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["generate", "--model", "m", "--rows", "builtin/questions", "sampling.nn=4"], "unknown key `nn`"),
        (["generate", "--rows", "builtin/questions"], "lacks the key `model`"),
        (
            ["generate", "--model", "builtin/tiny-chat", "data={datasets: [{name: builtin/questions}], shuffle: true}"],
            "`data.shuffle` is about training",
        ),
        (["generate", "--model", "./none", "--rows", "builtin/questions"], "error[T505]"),
        (["generate", "--model", "builtin/tiny-chat", "--rows", "none.jsonl"], "there is no none.jsonl"),
        (
            ["generate", "--model", "builtin/tiny-chat", "--rows", "builtin/questions", "chat_template=no.jinja"],
            "there is no no.jinja",
        ),
        (["score", "--rows", "builtin/completions", "rewards=[{type: exact_mach}]"], "did you mean `exact_match`?"),
        (
            [
                "score",
                "--rows",
                "builtin/completions",
                "rewards=[{type: judge, base_url: http://x, model: m, "
                "prompt: '{completion}', api_key_env: NOT_SET_HERE}]",
            ],
            "NOT_SET_HERE",
        ),
        (
            ["score", "--rows", "builtin/completions", "rewards=[{type: function, path: f.py, name: f}]"],
            "--allow-reward-code",
        ),
        (["evaluate", "--model", "builtin/tiny-chat"], "measures nothing"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_loaded_or_written(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    done = recipe(*arguments, "--out", "made")
    assert done.exit_code == 1
    assert said in done.stderr
    assert not (tmp_path / "made" / arguments[0]).exists()
