"""Rows in the forms of the field become conversations; what cannot is named or counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipe_engine.data.thinking import split
from recipe_engine.recipe.thinking import ThinkingBlock
from tests.pipeline.stage import Row, prepared, rows_file, run, start

ASK, SAY = {"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}
MESSAGES = [ASK, SAY]
THOUGHT: Row = {"id": 1, "messages": [ASK], "thought": "two and two", "response": "4", "source": "api"}
THOUGHTS: list[Row] = [
    THOUGHT,
    {**THOUGHT, "id": 2, "thought": None},
    {**THOUGHT, "id": 3, "response": "4 </think>"},
    {**THOUGHT, "id": 1},
    {**THOUGHT, "id": 4, "thought": "a <think> in it"},
    {**THOUGHT, "id": 5},
]
THINKING = ThinkingBlock(open="<think>", close="</think>")


@pytest.mark.parametrize(
    "row",
    [
        {"instruction": "2+2?", "input": "", "output": "4"},
        {"conversations": [{"from": "human", "value": "2+2?"}, {"from": "gpt", "value": "4"}]},
        {"messages": MESSAGES},
        {"prompt": "2+2?", "completion": "4"},
        {"prompt": [ASK], "completion": [SAY]},
    ],
    ids=["alpaca", "sharegpt", "messages", "prompt and completion", "conversational"],
)
def test_every_form_of_sft_rows_becomes_messages(tmp_path: Path, row: Row) -> None:
    assert prepared(tmp_path, [row], {"do": "messages"})["rows"] == [{"messages": MESSAGES}]


def test_forms_may_be_mixed_in_one_file_and_other_columns_kept(tmp_path: Path) -> None:
    rows = [{"instruction": "2+2?", "input": "", "output": "4", "id": 7}, {"messages": MESSAGES}]
    made = prepared(tmp_path, rows, {"do": "messages", "keep_columns": True})["rows"]
    assert [row["messages"] for row in made] == [MESSAGES, MESSAGES]
    assert made[0]["id"] == 7


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([ASK, ASK, SAY], "messages[1]` has the role user after user"),
        ([SAY], "has the role assistant at the beginning"),
        ([ASK, SAY, ASK], "ends with no answer"),
        ([ASK, {"role": "assistant", "content": " "}, ASK, SAY], "messages[1]` is empty"),
        ([{"role": "system", "content": "s"}, SAY], "at the beginning"),
    ],
)
def test_roles_take_turns_and_say_something(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], messages: list[Row], why: str
) -> None:
    source = rows_file(tmp_path, [{"messages": MESSAGES}, {"messages": messages}])
    assert start(tmp_path / "out", "prepare", {"rows": source, "steps": [{"do": "messages"}]}) == 1
    said = capsys.readouterr().err
    assert "row 2" in said
    assert why in said
    assert not (tmp_path / "out/result.json").exists()


ONE_OF_TEN_IS_INVALID: list[Row] = [{"messages": MESSAGES}] * 9 + [{"messages": [ASK]}]


class TestInvalidRows:
    def test_are_dropped_and_counted_up_to_a_stated_share(self, tmp_path: Path) -> None:
        made = prepared(tmp_path, ONE_OF_TEN_IS_INVALID, {"do": "messages"}, invalid_rows="drop", max_invalid_share=0.1)
        assert len(made["rows"]) == 9
        assert list(made["dropped"].values()) == [1]
        assert "invalid" in next(iter(made["dropped"]))

    def test_beyond_it_are_an_error_that_names_the_first(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        source = rows_file(tmp_path, ONE_OF_TEN_IS_INVALID)
        settings = {"rows": source, "steps": [{"do": "messages"}], "invalid_rows": "drop", "max_invalid_share": 0.05}
        assert start(tmp_path / "out", "prepare", settings) == 1
        assert "1 of 10 rows cannot be read; the first: " in capsys.readouterr().err


class TestThoughtResponse:
    """Seed 000: an answer is the thought in its tags and the response; what would confuse the tags is left out."""

    def test_renders_and_counts(self, tmp_path: Path) -> None:
        made = prepared(tmp_path, THOUGHTS, {"do": "thought_response"}, thinking=THINKING)
        assert [row["id"] for row in made["rows"]] == [1, 5]
        answer = made["rows"][0]["messages"][-1]
        assert answer == {"role": "assistant", "content": "<think>two and two</think>4"}
        parts = split(THINKING, answer["content"])
        assert (parts.thought, parts.answer) == ("two and two", "4")
        assert made["dropped"] == {"a tag inside": 2, "no thought": 1, "repeated id": 1}

    def test_without_thoughts_it_is_the_response_alone(self, tmp_path: Path) -> None:
        made = prepared(tmp_path, [THOUGHT], {"do": "thought_response", "thoughts": False}, thinking=THINKING)
        assert made["rows"][0]["messages"][-1]["content"] == "4"

    def test_needs_tags(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        settings = {"rows": rows_file(tmp_path, [THOUGHT]), "steps": [{"do": "thought_response"}]}
        assert start(tmp_path / "out", "prepare", settings) == 1
        assert "needs a `thinking` block" in capsys.readouterr().err


class TestPrompts:
    def test_a_conversation_loses_its_last_answers_and_keeps_its_columns(self, tmp_path: Path) -> None:
        rows: list[Row] = [{"conversation": [ASK, SAY, ASK, SAY, SAY], "language": "English"}]
        made = prepared(tmp_path, rows, {"do": "prompts"})["rows"]
        assert made == [{"language": "English", "prompt": [ASK, SAY, ASK]}]

    def test_an_instruction_is_a_prompt_with_its_input(self, tmp_path: Path) -> None:
        made = prepared(tmp_path, [{"instruction": "Add", "input": "2 2", "answer": "4"}], {"do": "prompts"})["rows"]
        assert made[0]["prompt"] == [{"role": "user", "content": "Add\n\n2 2"}]
        assert made[0]["answer"] == "4"

    def test_a_system_message_is_put_first_where_there_is_none(self, tmp_path: Path) -> None:
        own = {"role": "system", "content": "own"}
        rows = [{"prompt": "2+2?"}, {"prompt": [own, ASK]}]
        made = prepared(tmp_path, rows, {"do": "prompts", "system": "given"})["rows"]
        assert [row["prompt"][0]["content"] for row in made] == ["given", "own"]

    def test_nothing_but_answers_asks_nothing(self, tmp_path: Path) -> None:
        made = prepared(tmp_path, [{"prompt": "2+2?"}, {"messages": [SAY]}], {"do": "prompts"})
        assert made["dropped"] == {"no question": 1}


def test_the_result_counts_what_was_read_and_written(tmp_path: Path) -> None:
    source = rows_file(tmp_path, [{"text": "a"}, {"text": "b"}])
    result = run(tmp_path / "out", "prepare", {"datasets": [{"name": source}, {"name": source, "max_samples": 1}]})
    assert (result.rows_in, result.rows_out, result.splits) == (3, 3, {"train": 3})


def test_a_conversation_is_parted_into_a_prompt_and_its_answer(tmp_path: Path) -> None:
    first = {"chosen": [ASK, SAY, ASK, SAY], "rejected": [ASK], "source": "x"}
    done = prepared(
        tmp_path, [first, {"chosen": [ASK]}, {"chosen": [SAY]}], {"do": "prompt_completion", "column": "chosen"}
    )
    assert done["rows"] == [{"rejected": [ASK], "source": "x", "prompt": [ASK, SAY, ASK], "completion": [SAY]}]
    assert done["dropped"] == {"no answer": 1, "no question": 1}
