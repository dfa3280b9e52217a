"""Answers are read from the ids of completions, for a tag may be a special token."""

from __future__ import annotations

from pathlib import Path

from transformers import PreTrainedTokenizerBase

from recipe_engine.data.thinking import Split
from recipe_engine.recipe.thinking import ThinkingBlock
from recipe_engine.runtime.answers import answers, texts
from recipe_engine.runtime.rewards import reward_functions
from tests.runtime.support import Row, assistant, compiled

THINK = ThinkingBlock()


def test_completions_are_split_without_what_ends_the_turn(tokenizer: PreTrainedTokenizerBase) -> None:
    end, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    ids = tokenizer(["so</think> 4", "so 4"])["input_ids"]
    assert answers(THINK, tokenizer, [[*ids[0], end, pad, pad], [*ids[1], end]]) == [
        Split("so", "4", malformed=False),
        Split(None, None, malformed=True),
    ]
    assert answers(ThinkingBlock(strict=False), tokenizer, [[*ids[1], end], []]) == [
        Split(None, "so 4", malformed=True),
        Split(None, "", malformed=True),
    ]


def test_tags_that_are_special_tokens_are_seen(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|thought|>", "<|answer|>"]})
    block = ThinkingBlock(open="<|thought|>", close="<|answer|>")
    ids = tokenizer("so<|answer|>4<|end|>")["input_ids"]
    assert "<|answer|>" not in tokenizer.decode(ids, skip_special_tokens=True)
    assert answers(block, tokenizer, [ids]) == [Split("so", "4", malformed=False)]


def test_a_tag_that_is_the_end_token_too_is_kept(tokenizer: PreTrainedTokenizerBase) -> None:
    block = ThinkingBlock(answer_close="<|end|>")
    (split,) = answers(block, tokenizer, [tokenizer("so</think>4<|end|><|pad|>")["input_ids"]])
    assert split == Split("so", "4", malformed=False)


def test_white_space_is_decoded_as_it_was_written(tokenizer: PreTrainedTokenizerBase) -> None:
    assert texts(THINK, tokenizer, [tokenizer("a , b .\n</think> 4 !")["input_ids"]]) == ["a , b .\n</think> 4 !"]


def test_rewards_that_check_answers_see_no_thought_and_the_others_see_everything(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    rewards: list[Row] = [
        {"type": "exact_match"},
        {"type": "format", "pattern": "[^<]*</think>.*"},
        {"type": "length", "max": 1, "unit": "characters"},
    ]
    completions = ["3, no: 4</think>\n4", "4", "</think>5"]
    given: Row = {
        "prompts": [""] * 3,
        "completions": [[assistant(text)] for text in completions],
        "completion_ids": [tokenizer(f"{text}<|end|>")["input_ids"] for text in completions],
        "answer": ["4", "4", "4"],
    }
    for thinking, exact in ((THINK, [1, 0, 0]), (ThinkingBlock(strict=False), [1, 1, 0]), (None, [0, 1, 0])):
        block = {} if thinking is None else {"thinking": thinking.model_dump()}
        run = compiled(tmp_path, "grpo", {"name": "rows.jsonl"}, rewards=rewards, **block)
        scores = [function(**given) for function in reward_functions(run, tokenizer)]
        assert scores == [exact, [1, 0, 1], [0, 1, 0]]
