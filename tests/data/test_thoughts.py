"""Rows with thoughts, in every format that may have them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from recipe_engine.data.check import check_dataset
from recipe_engine.data.errors import DataError, RowError
from recipe_engine.data.rows import converter_for
from recipe_engine.recipe.data import DataBlock, DatasetEntry, RowShape
from recipe_engine.recipe.thinking import ThinkingBlock
from tests.data.support import DPO, GRPO, SFT, Row, assistant, user
from tests.runtime.support import write_rows

THINK = ThinkingBlock()
TAGGED = "<think>so</think>4"
SEED = {"id": "1", "messages": [user("2+2?")], "thought": "so", "response": "4", "source": "x"}


def convert(
    row: Row,
    shapes: Sequence[RowShape] = SFT,
    entry: Row | None = None,
    data: Row | None = None,
    thinking: ThinkingBlock | None = THINK,
) -> Row:
    described = DatasetEntry(name="rows.jsonl", **(entry or {}))
    block = DataBlock(datasets=[described], **(data or {}))
    return converter_for(described, block, shapes, list(row), thinking).convert(row)


def problem(row: Row, shapes: Sequence[RowShape] = SFT, entry: Row | None = None) -> str:
    with pytest.raises(RowError) as caught:
        convert(row, shapes, entry)
    return caught.value.message


class TestWhereThoughtsStand:
    def test_rows_of_thought_and_response(self) -> None:
        assert convert(SEED) == {"prompt": [user("2+2?")], "completion": [assistant(TAGGED)]}

    def test_the_response_alone_without_a_thinking_block(self) -> None:
        assert convert(SEED, thinking=None) == {"prompt": [user("2+2?")], "completion": [assistant("4")]}

    @pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "thinking", "thought"])
    def test_messages_hold_them_in_the_spellings_of_datasets(self, field: str) -> None:
        row = {"messages": [user("q"), {**assistant("4"), field: "so"}]}
        assert convert(row) == {"messages": [user("q"), assistant(TAGGED)]}

    def test_every_turn_that_has_a_thought_gets_it_and_earlier_ones_need_none(self) -> None:
        turns = [user("q"), {**assistant("3"), "reasoning": "well"}, user("r"), assistant("5"), user("s")]
        made = convert({"messages": [*turns, {**assistant("4"), "reasoning": "so"}]})["messages"]
        assert [turn["content"] for turn in made[1::2]] == ["<think>well</think>3", "5", TAGGED]

    def test_a_column_holds_the_thought_of_the_last_turn(self) -> None:
        row = {"messages": [user("q"), assistant("3"), user("r"), assistant("4")], "why": "so"}
        made = convert(row, entry={"thought_column": "why"})
        assert [turn["content"] for turn in made["messages"]] == ["q", "3", "r", TAGGED]

    def test_sharegpt(self) -> None:
        turns = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "4", "reasoning_content": "so"}]
        assert convert({"conversations": turns}) == {"messages": [user("q"), assistant(TAGGED)]}

    @pytest.mark.parametrize("wrapped", [False, True])
    def test_prompt_and_completion_as_text(self, wrapped: bool) -> None:
        made = convert({"prompt": "q", "completion": " 4", "thought": "so"}, data={"wrap_in_chat": wrapped})
        assert made["completion"] == ([assistant(TAGGED)] if wrapped else TAGGED)

    def test_prompt_and_completion_as_messages(self) -> None:
        row = {"prompt": [user("q")], "completion": [{**assistant("4"), "reasoning_content": "so"}]}
        assert convert(row)["completion"] == [assistant(TAGGED)]

    def test_alpaca(self) -> None:
        row = {"instruction": "q", "output": "\n\n4", "why": "so"}
        assert convert(row, entry={"thought_column": "why"})["completion"] == [assistant(TAGGED)]

    def test_prompt_templates(self) -> None:
        data = {"user_prompt": "{q}", "assistant_prompt": "{a}"}
        assert convert({"q": "q", "a": "4", "thought": "so"}, data=data)["completion"] == [assistant(TAGGED)]

    @pytest.mark.parametrize("prompt", ["q", [user("q")]])
    def test_preferences_have_a_column_for_each_side(self, prompt: object) -> None:
        row = {"prompt": prompt, "chosen": "4", "rejected": "5", "chosen_thought": "so", "rejected_thought": "hm"}
        made = convert(row, DPO)
        texts = [side if isinstance(side, str) else side[0]["content"] for side in (made["chosen"], made["rejected"])]
        assert texts == [TAGGED, "<think>hm</think>5"]

    def test_preferences_whose_messages_hold_their_thoughts(self) -> None:
        sides = {"chosen": "so", "rejected": "hm"}
        row = {name: [user("q"), {**assistant("4"), "reasoning": thought}] for name, thought in sides.items()}
        assert convert(row, DPO) == {
            "prompt": [user("q")],
            "chosen": [assistant(TAGGED)],
            "rejected": [assistant("<think>hm</think>4")],
        }

    def test_one_answer_with_two_thoughts_is_a_preference_too(self) -> None:
        row = {"prompt": "q", "chosen": "4", "rejected": "4", "chosen_thought": "so", "rejected_thought": "hm"}
        assert convert(row, DPO)["rejected"] == "<think>hm</think>4"

    def test_a_turn_that_calls_a_tool_has_a_thought_and_no_answer(self) -> None:
        call = {**assistant(""), "tool_calls": [{"function": {"name": "f"}}], "reasoning_content": "look"}
        last = {**assistant("4"), "reasoning_content": "so"}
        made = convert({"messages": [user("q"), call, {"role": "tool", "content": "4"}, last]})
        assert [turn["content"] for turn in made["messages"]] == ["q", "<think>look</think>", "4", TAGGED]

    def test_prompts_to_sample_from_are_left_as_they_are(self) -> None:
        row = {"prompt": [user("q"), assistant("a"), user("r")], "answer": "4", "thought": "so"}
        assert convert(row, GRPO) == row


class TestRowsThatHoldTheTagsAlready:
    @pytest.mark.parametrize("content", [TAGGED, "<think>\n\n</think>\n\n4"])
    def test_they_are_taken_as_they_are(self, content: str) -> None:
        assert convert({"messages": [user("q"), assistant(content)]})["messages"][1] == assistant(content)
        assert convert({"prompt": "q", "completion": content})["completion"] == content

    @pytest.mark.parametrize("content", ["<think>so 4", "so</think>4", "<think>so</think>", "x <think>so</think>4"])
    def test_they_are_invalid_where_the_tags_are_out_of_order(self, content: str) -> None:
        assert problem({"messages": [user("q"), assistant(content)]}).startswith("column `messages[1]` ")

    def test_a_plain_prompt_may_begin_the_thought(self) -> None:
        row = {"prompt": "q\n<think>\n", "completion": "so</think>4"}
        assert convert(row) == row
        assert problem({**row, "completion": TAGGED}) == "column `completion` holds the tag <think> 1 times"
        assert problem({**row, "completion": "4"}) == "column `completion` lacks the tag </think>"
        assert problem({**row, "thought": "so", "completion": "4"}).startswith("column `prompt` ends with the tag")

    def test_earlier_turns_are_checked_where_they_have_a_tag(self) -> None:
        turns = [user("q"), assistant("4</think>"), user("r"), assistant(TAGGED)]
        assert problem({"messages": turns}) == "column `messages[1]` lacks the tag <think>"


class TestInvalidRows:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"thought": None}, "column `response` has no thought: no tags in it, and none in the column `thought`"),
            ({"thought": " "}, "column `thought` is empty"),
            ({"thought": 3}, "column `thought` is int, not text"),
            ({"thought": "a<think>"}, "column `thought` holds the tag <think>"),
            ({"response": None}, "column `response` is missing"),
            ({"response": "  "}, "column `response` is empty"),
            ({"response": "4</think>"}, "column `response` holds the tag </think>"),
            ({"messages": None}, "column `messages` must be a list of messages"),
            ({"messages": [user("q"), assistant("a")]}, "column `messages` ends with the role assistant"),
            ({"id": None}, "column `id` is missing"),
        ],
    )
    def test_a_row_with_a_missing_field_or_a_tag_inside_is_named(self, change: Row, message: str) -> None:
        assert problem({**SEED, **change}).startswith(message)

    def test_two_thoughts_for_one_response_are_named(self) -> None:
        row = {"messages": [user("q"), {**assistant("4"), "reasoning": "so"}], "thought": "hm"}
        assert "another one, as reasoning" in problem(row)

    def test_a_response_without_a_thought_is_taken_where_thoughts_are_optional(self) -> None:
        for thought in (None, "", " "):
            made = convert({"prompt": "q", "completion": "4", "thought": thought}, entry={"thoughts": "optional"})
            assert made["completion"] == "4"

    def test_plain_texts_have_no_thoughts(self) -> None:
        with pytest.raises(DataError, match="its rows are plain text"):
            convert({"text": "a"})
        assert convert({"text": "a"}, entry={"thoughts": "optional"}) == {"text": "a"}

    def test_a_row_with_the_id_of_an_earlier_one_is_counted(self, tmp_path: Path) -> None:
        rows = [SEED, {**SEED, "id": 1}, {**SEED, "response": "5"}, {**SEED, "id": "2"}]
        entry = DatasetEntry(name=write_rows(tmp_path / "rows.jsonl", rows))
        report = check_dataset(entry, DataBlock(datasets=[entry]), SFT, thinking=THINK)
        assert report is not None
        assert (report.used, report.invalid_count) == (3, 1)
        assert report.invalid[0].row == 3
        assert report.invalid[0].message == "column `id` is '1', which an earlier row has"


@pytest.mark.parametrize(
    ("row", "shapes", "where"),
    [
        (SEED, SFT, "thought"),
        ({"prompt": "q", "completion": "a", "thought": "so"}, SFT, "thought"),
        ({"prompt": "q", "chosen": "a", "rejected": "b", "rejected_thought": "so"}, DPO, "rejected_thought"),
        ({"messages": [user("q"), {**assistant("a"), "reasoning_content": "so"}]}, SFT, "messages[].reasoning_content"),
        ({"prompt": "q", "completion": "a"}, SFT, None),
        ({"prompt": "q", "thought": "so"}, GRPO, None),
    ],
)
def test_thoughts_that_no_thinking_block_reads_are_reported(
    row: Row, shapes: Sequence[RowShape], where: str | None, tmp_path: Path
) -> None:
    entry = DatasetEntry(name=write_rows(tmp_path / "rows.jsonl", [row]))
    for thinking in (None, THINK):
        described = entry.model_copy(update={"thoughts": "optional"})
        report = check_dataset(described, DataBlock(datasets=[described]), shapes, thinking=thinking)
        assert report is not None
        assert report.converter is not None
        assert report.converter.unread_thoughts == (where if thinking is None else None)
