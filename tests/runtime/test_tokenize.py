"""Rows are tokenized before the trainer is made. It must give the very tokens that TRL's trainers would make."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from datasets import Dataset
from transformers import PreTrainedTokenizerBase
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from recipe_engine.data.errors import RowError
from recipe_engine.recipe.data import RowShape
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.tokenize import IGNORED, shared_length, tokenizer_for
from recipe_engine.runtime.tokenizer import CHATML
from tests.runtime.support import Row, assistant, user

SYSTEM = {"role": "system", "content": "Answer."}
CHAT = [SYSTEM, user("2 + 2?"), assistant("4"), user("And 3 + 3?"), assistant("6")]
TOOLS = [{"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": {}}}]
TEXTS = [{"text": "Water boils."}, {"text": "Already ended.<|end|>"}, {"text": "ä 漢字 \n\n x "}]
CHATS = [{"messages": CHAT}, {"messages": CHAT[1:3]}]
STRINGS = [
    {"prompt": "2 + 2 =", "completion": " 4"},
    {"prompt": "Ends in a space ", "completion": "which merges"},
    {"prompt": "x", "completion": "y<|end|>"},
]
TURNS = [{"prompt": CHAT[:2], "completion": CHAT[2:3]}, {"prompt": CHAT[:4], "completion": CHAT[4:]}]
PAIRS = [
    {"prompt": "The sky is", "chosen": " blue", "rejected": " green"},
    {"prompt": "\n\nHuman: hi\n\nAssistant:", "chosen": " hi", "rejected": " hi there, you"},
    {"prompt": "space ", "chosen": "a", "rejected": "b"},
]
CHAT_PAIRS = [{"prompt": CHAT[:2], "chosen": [assistant("4")], "rejected": [assistant("22")]}]

# A template as Qwen3's: a turn begins with a thought, which is left out of what came before.
THINKING = (
    "{% for m in messages %}<|{{ m.role }}|>{% if m.role == 'assistant' and not loop.last %}{{ m.content }}"
    "{% elif m.role == 'assistant' %}{% generation %}<think>{{ thought }}</think>{{ m.content }}{% endgeneration %}"
    "{% else %}{{ m.content }}{% endif %}<|end|>{% endfor %}{% if tools %}{{ tools | tojson }}{% endif %}"
    "{% if add_generation_prompt %}<|assistant|>{% if not thought %}<think>\n{% endif %}{% endif %}"
)


def sft_of_trl(tokenizer: PreTrainedTokenizerBase, rows: list[Row], folder: Path, **arguments: Any) -> list[Row]:
    """What SFTTrainer makes of rows, without a trainer and its model: the method needs only these attributes."""
    config = SFTConfig(output_dir=str(folder), max_length=None, bf16=False, use_cpu=True, **arguments)
    completion_only = config.completion_only_loss
    trainer = SimpleNamespace(
        _tokenizer=tokenizer,
        chat_template=None,
        completion_only_loss="completion" in rows[0] if completion_only is None else completion_only,
    )
    dataset = SFTTrainer._prepare_dataset(trainer, Dataset.from_list(rows), tokenizer, config, False, None, "train")
    return [{"input_ids": row["input_ids"], "labels": row["labels"]} for row in dataset]


def dpo_of_trl(tokenizer: PreTrainedTokenizerBase, rows: list[Row], folder: Path) -> list[Row]:
    config = DPOConfig(output_dir=str(folder), max_length=None, bf16=False, use_cpu=True)
    trainer = SimpleNamespace(_tokenizer=tokenizer)
    dataset = DPOTrainer._prepare_dataset(trainer, Dataset.from_list(rows), tokenizer, config, "train")
    return [{name: row[name] for name in ("prompt_ids", "chosen_ids", "rejected_ids")} for row in dataset]


def ours(tokenizer: PreTrainedTokenizerBase, shape: RowShape, rows: list[Row], **arguments: Any) -> list[Row]:
    made = [tokenizer_for(shape, tokenizer, arguments)(row) for row in rows]
    return [{name: value for name, value in row.items() if name.endswith(("_ids", "labels"))} for row in made]


@pytest.mark.parametrize(
    ("shape", "rows", "arguments"),
    [
        ("text", TEXTS, {}),
        ("messages", CHATS, {}),
        ("messages", [CHATS[0]], {"assistant_only_loss": True}),
        ("prompt_completion", STRINGS, {}),
        ("prompt_completion", STRINGS, {"completion_only_loss": False}),
        ("prompt_completion", TURNS, {}),
        ("prompt_completion", TURNS, {"completion_only_loss": False}),
        ("prompt_completion", TURNS, {"assistant_only_loss": True}),
        ("prompt_completion", TURNS, {"completion_only_loss": False, "assistant_only_loss": True}),
    ],
)
@pytest.mark.parametrize("template", [None, CHATML, THINKING], ids=["own template", "chatml", "thinking"])
def test_supervised_rows_have_the_ids_and_labels_that_trl_makes(
    tokenizer: PreTrainedTokenizerBase,
    tmp_path: Path,
    template: str | None,
    shape: RowShape,
    rows: list[Row],
    arguments: dict[str, bool],
) -> None:
    tokenizer.chat_template = template or tokenizer.chat_template
    assert ours(tokenizer, shape, rows, **arguments) == sft_of_trl(tokenizer, rows, tmp_path, **arguments)


@pytest.mark.parametrize("rows", [PAIRS, CHAT_PAIRS])
@pytest.mark.parametrize("template", [None, THINKING], ids=["own template", "thinking"])
def test_preferences_have_the_ids_that_trl_makes(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path, template: str | None, rows: list[Row]
) -> None:
    tokenizer.chat_template = template or tokenizer.chat_template
    assert ours(tokenizer, "preference", rows) == dpo_of_trl(tokenizer, rows, tmp_path)


def test_both_responses_follow_the_same_prompt_tokens_where_one_of_them_merges_with_its_end(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    tokenizer.add_tokens([" b"])
    pairs = [{"prompt": "a ", "chosen": "c", "rejected": "b"}, {"prompt": "a ", "chosen": "b", "rejected": "c"}]
    made = ours(tokenizer, "preference", pairs)
    assert made == dpo_of_trl(tokenizer, pairs, tmp_path)
    assert made[0]["prompt_ids"] == made[1]["prompt_ids"] == tokenizer("a")["input_ids"]


def test_tools_and_template_arguments_of_a_row_are_given_to_the_template_as_trl_does(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    tokenizer.chat_template = THINKING
    extras = {"tools": TOOLS, "chat_template_kwargs": {"thought": "well"}}
    chat, turn, pair = {**CHATS[0], **extras}, {**TURNS[0], **extras}, {**CHAT_PAIRS[0], **extras}
    assert ours(tokenizer, "messages", [chat]) == sft_of_trl(tokenizer, [chat], tmp_path)
    assert ours(tokenizer, "prompt_completion", [turn]) == sft_of_trl(tokenizer, [turn], tmp_path)
    assert ours(tokenizer, "preference", [pair]) == dpo_of_trl(tokenizer, [pair], tmp_path)
    assert ours(tokenizer, "messages", [chat]) != ours(tokenizer, "messages", CHATS[:1])


def test_only_the_assistants_tokens_are_trained_when_asked(tokenizer: PreTrainedTokenizerBase) -> None:
    (row,) = ours(tokenizer, "messages", CHATS[:1], assistant_only_loss=True)
    trained = [label for label in row["labels"] if label != IGNORED]
    assert tokenizer.decode(trained) == "4<|end|>6<|end|>"


def test_only_the_completion_is_trained_unless_told_otherwise(tokenizer: PreTrainedTokenizerBase) -> None:
    (row,) = ours(tokenizer, "prompt_completion", TURNS[:1])
    assert tokenizer.decode([label for label in row["labels"] if label != IGNORED]) == "4<|end|>"


def test_a_text_ends_with_one_end_token(tokenizer: PreTrainedTokenizerBase) -> None:
    for row in ours(tokenizer, "text", TEXTS):
        assert row["input_ids"].count(tokenizer.eos_token_id) == 1
        assert row["input_ids"][-1] == tokenizer.eos_token_id


def test_a_prompt_that_ends_otherwise_before_its_response_is_marked(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.chat_template = THINKING
    made = tokenizer_for("prompt_completion", tokenizer, {})
    assert made({**TURNS[0], "chat_template_kwargs": {"thought": "well"}})["reshaped_prompt"] is False
    assert made(TURNS[0])["reshaped_prompt"] is True


class TestPrompts:
    def test_a_prompt_is_measured_with_the_turn_it_opens(self, tokenizer: PreTrainedTokenizerBase) -> None:
        measure = tokenizer_for("prompt", tokenizer, {})
        rendered = tokenizer.apply_chat_template(CHAT[:2], add_generation_prompt=True)["input_ids"]
        row = {"prompt": CHAT[:2], "answer": 4}
        assert measure(row) == {"row": row, "prompt_length": len(rendered)}

    def test_a_plain_prompt_is_measured_as_it_stands(self, tokenizer: PreTrainedTokenizerBase) -> None:
        measured = tokenizer_for("prompt", tokenizer, {})({"prompt": "2 + 2 ="})
        assert measured["prompt_length"] == len(tokenizer("2 + 2 =")["input_ids"])

    def test_the_template_gets_the_trainers_arguments_and_not_the_rows_tools(
        self, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        tokenizer.chat_template = THINKING
        row = {"prompt": CHAT[:2], "tools": TOOLS}
        plain = tokenizer_for("prompt", tokenizer, {})(row)["prompt_length"]
        thinking = tokenizer_for("prompt", tokenizer, {"chat_template_kwargs": {"thought": "x"}})(row)["prompt_length"]
        assert plain == tokenizer_for("prompt", tokenizer, {})({"prompt": CHAT[:2]})["prompt_length"]
        assert thinking < plain


class TestRefusals:
    def test_chat_rows_without_a_template_end_the_run(self, tokenizer: PreTrainedTokenizerBase) -> None:
        tokenizer.chat_template = None
        for shape, row in (("messages", CHATS[0]), ("preference", CHAT_PAIRS[0]), ("prompt", {"prompt": CHAT})):
            with pytest.raises(RunError, match="no chat template"):
                tokenizer_for(shape, tokenizer, {})(row)  # type: ignore[arg-type]

    def test_a_row_that_the_template_refuses_is_named_with_its_reason(self, tokenizer: PreTrainedTokenizerBase) -> None:
        row = {"messages": [{"role": "tool", "content": "4"}, assistant("4")]}
        with pytest.raises(RowError, match=r"cannot be rendered with the chat template: .*not tool"):
            tokenizer_for("messages", tokenizer, {})(row)

    def test_a_template_that_trips_over_a_row_names_the_row(self, tokenizer: PreTrainedTokenizerBase) -> None:
        tokenizer.chat_template = "{% for m in messages %}{{ m.content + m.name + 1 }}{% endfor %}"
        with pytest.raises(RowError, match="cannot be rendered"):
            tokenizer_for("messages", tokenizer, {})(CHATS[0])

    def test_assistant_only_needs_markers(self, tokenizer: PreTrainedTokenizerBase) -> None:
        tokenizer.chat_template = "{% for m in messages %}{{ m.role }}{{ m.content }}{% endfor %}"
        with pytest.raises(RunError, match="does not mark"):
            tokenizer_for("messages", tokenizer, {"assistant_only_loss": True})

    @pytest.mark.parametrize(("shape", "row"), [("text", TEXTS[0]), ("prompt_completion", STRINGS[0])])
    def test_assistant_only_needs_chat(self, tokenizer: PreTrainedTokenizerBase, shape: RowShape, row: Row) -> None:
        with pytest.raises(RunError, match="needs rows of chat messages"):
            tokenizer_for(shape, tokenizer, {"assistant_only_loss": True})(row)

    def test_a_row_without_a_trained_token_is_named(self, tokenizer: PreTrainedTokenizerBase) -> None:
        masked = "{% for m in messages %}{% if loop.first %}{% generation %}{{ m.content }}{% endgeneration %}"
        tokenizer.chat_template = masked + "{% else %}{{ m.content }}{% endif %}{% endfor %}"
        row = {"prompt": [user("a b c d e f")], "completion": [assistant("4")]}
        with pytest.raises(RowError, match="no token that would be trained"):
            tokenizer_for("prompt_completion", tokenizer, {"assistant_only_loss": True})(row)

    def test_responses_that_the_template_makes_the_same_are_named(self, tokenizer: PreTrainedTokenizerBase) -> None:
        tokenizer.chat_template = "{% for m in messages %}{{ m.content | trim }}<|end|>{% endfor %}"
        row = {"prompt": [user("q")], "chosen": [assistant("a")], "rejected": [assistant("a ")]}
        with pytest.raises(RowError, match="tokenized like `chosen`"):
            tokenizer_for("preference", tokenizer, {})(row)

    def test_a_response_that_the_template_leaves_out_is_named(self, tokenizer: PreTrainedTokenizerBase) -> None:
        tokenizer.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}"
        row = {"prompt": [user("q")], "chosen": [assistant("a")], "rejected": [assistant("")]}
        with pytest.raises(RowError, match="column `rejected` has no token of its own"):
            tokenizer_for("preference", tokenizer, {})(row)


@pytest.mark.parametrize(
    ("one", "other", "length"), [([], [], 0), ([1], [2], 0), ([1, 2], [1, 2, 3], 2), ([1, 2, 3], [1, 4], 1)]
)
def test_the_shared_beginning_is_counted(one: list[int], other: list[int], length: int) -> None:
    assert shared_length(one, other) == length
