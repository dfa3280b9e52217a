from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedTokenizerBase,
    Qwen3Config,
)

from recipe_engine.runtime.errors import RunError
from tests.runtime.support import assistant, user

from .support import Rewards

THINKING: dict[str, Any] = {"begin_completion": False}


@pytest.fixture(scope="module")
def judge(tiny_chat: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny sequence classifier of one label with random weights, large enough for scores to differ."""
    folder = tmp_path_factory.mktemp("judge")
    config = Qwen3Config.from_pretrained(tiny_chat, num_labels=1)
    torch.manual_seed(3)
    model = AutoModelForSequenceClassification.from_config(config)
    torch.nn.init.normal_(model.score.weight)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_chat).save_pretrained(folder)
    return folder


def reward(folder: Path, **settings: Any) -> dict[str, Any]:
    return {"type": "reward_model", "model": str(folder), "torch_dtype": "float32", **settings}


def reference(folder: Path, text: str, cut: int = 10**6) -> float:
    """The score of one text, alone and without padding, at its last token."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    ids = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"][:cut]])
    with torch.no_grad():
        hidden = model.model(input_ids=ids).last_hidden_state
        return float(model.score(hidden)[0, -1, 0])


def rendered(question: str, answer: str) -> str:
    return f"<|user|>{question}<|end|><|assistant|>{answer}<|end|>"


class TestRewardModel:
    def test_the_score_is_read_at_the_last_token_whatever_the_padding(self, tmp_path: Path, judge: Path) -> None:
        answers = ["4", "it is four, is it not", ""]
        rewards = Rewards(tmp_path, reward(judge, batch_size=2))
        scores = rewards.scores(
            [[assistant(one)] for one in answers], prompts=[[user("2 + 2?")]] * 3, completion_ids=[[0]] * 3
        )
        assert scores == pytest.approx([reference(judge, rendered("2 + 2?", one)) for one in answers], rel=1e-4)
        assert len({round(score or 0, 4) for score in scores}) == 3

    def test_plain_prompts_become_a_users_turn(self, tmp_path: Path, judge: Path) -> None:
        (score,) = Rewards(tmp_path, reward(judge)).scores(["4"], prompts=["2 + 2?"])
        assert score == pytest.approx(reference(judge, rendered("2 + 2?", "4")), rel=1e-4)

    def test_it_is_cut_on_the_right(self, tmp_path: Path, judge: Path) -> None:
        (score,) = Rewards(tmp_path, reward(judge, max_length=5)).scores(["4"], prompts=["2 + 2?"])
        assert score == pytest.approx(reference(judge, rendered("2 + 2?", "4"), cut=5), rel=1e-4)

    def test_special_tokens_of_the_template_are_not_written_twice(
        self, tmp_path: Path, judge: Path, tiny_chat: Path
    ) -> None:
        from tokenizers.processors import TemplateProcessing

        tokenizer = AutoTokenizer.from_pretrained(judge)
        token = tokenizer.convert_tokens_to_ids("<|system|>")
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single="<|system|> $A", special_tokens=[("<|system|>", token)]
        )
        tokenizer.chat_template = "<|system|>" + tokenizer.chat_template  # as Llama's writes its BOS
        folder = tmp_path / "doubling"
        AutoModelForSequenceClassification.from_pretrained(judge).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        assert AutoTokenizer.from_pretrained(folder)("x")["input_ids"][0] == token
        (score,) = Rewards(tmp_path, reward(folder)).scores(["4"], prompts=["2 + 2?"])
        assert score == pytest.approx(reference(judge, f"<|system|>{rendered('2 + 2?', '4')}"), rel=1e-4)

    def test_it_is_on_the_runs_device_and_not_trained(self, tmp_path: Path, judge: Path) -> None:
        rewards = Rewards(tmp_path, {"type": "reward_model", "model": str(judge), "name": "judge"})
        assert rewards.said == [f"reward judge: {judge} on cpu, in bfloat16"]


class TestMalformed:
    COMPLETIONS = ("<think>2, 4</think>4", "4")

    def scores(self, folder: Path, judge: Path, **settings: Any) -> Any:
        rewards = Rewards(folder, reward(judge, **settings), thinking=THINKING)
        found = rewards.scores(list(self.COMPLETIONS), prompts=["2 + 2?"] * 2)
        assert rewards.mean("rewards/reward_model/malformed") == 0.5
        assert found[0] == pytest.approx(reference(judge, rendered("2 + 2?", "4")), rel=1e-4)
        return found[1]

    def test_by_default_it_is_worth_what_null_is_worth(self, tmp_path: Path, judge: Path) -> None:
        expected = reference(judge, rendered("2 + 2?", "[NULL]"))
        assert self.scores(tmp_path, judge) == pytest.approx(expected, rel=1e-4)

    def test_or_a_fixed_score(self, tmp_path: Path, judge: Path) -> None:
        assert self.scores(tmp_path, judge, malformed="score", malformed_score=-9) == -9

    def test_or_nothing(self, tmp_path: Path, judge: Path) -> None:
        assert self.scores(tmp_path, judge, malformed="drop") is None


class TestRefused:
    def test_a_model_without_a_trained_head(self, tmp_path: Path, tiny_chat: Path) -> None:
        with pytest.raises(RunError, match=r"lacks weights, which would be random: score\.weight"):
            Rewards(tmp_path, reward(tiny_chat))

    def test_a_model_of_two_labels(self, tmp_path: Path, tiny_chat: Path) -> None:
        config = Qwen3Config.from_pretrained(tiny_chat, num_labels=2)
        AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path / "two")
        AutoTokenizer.from_pretrained(tiny_chat).save_pretrained(tmp_path / "two")
        with pytest.raises(RunError, match="gives 2 numbers, not one"):
            Rewards(tmp_path, reward(tmp_path / "two"))

    def test_a_builtin_model_that_is_none(self, tmp_path: Path) -> None:
        with pytest.raises(RunError, match="there is no model 'builtin/none'"):
            Rewards(tmp_path, {"type": "reward_model", "model": "builtin/none"})


class TestProcessRewards:
    SETTINGS: dict[str, Any] = {  # noqa: RUF012
        "type": "prm_score",
        "placeholder_token": "<|pad|>",
        "reward_tokens": ["1", "0"],
        "torch_dtype": "float32",
        "template": "{prompt} {steps}",
    }
    ANSWER = "two\n\nand two\n\n\n\nfour"

    def reference(self, folder: Path, tokenizer: PreTrainedTokenizerBase, steps: int = 3) -> list[float]:
        """The probability of a good step, one forward pass for each prefix that ends with a placeholder."""
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        words = [tokenizer.convert_tokens_to_ids(word) for word in ("1", "0")]
        found = []
        for count in range(1, steps + 1):
            said = "\n".join(f"{step} <|pad|>" for step in ["two", "and two", "four"][:count])
            ids = torch.tensor([tokenizer(f"2 + 2? {said}")["input_ids"]])
            with torch.no_grad():
                found.append(float(model(input_ids=ids).logits[0, -1, words].softmax(-1)[0]))
        return found

    @pytest.mark.parametrize("how", ["min", "mean", "product", "last"])
    def test_steps_are_scored_at_their_placeholders(
        self, tmp_path: Path, tiny_chat: Path, tokenizer: PreTrainedTokenizerBase, how: str
    ) -> None:
        steps = self.reference(tiny_chat, tokenizer)
        expected = {
            "min": min(steps),
            "mean": sum(steps) / 3,
            "product": steps[0] * steps[1] * steps[2],
            "last": steps[2],
        }
        rewards = Rewards(tmp_path, {**self.SETTINGS, "model": "builtin/tiny-chat", "aggregation": how})
        scores = rewards.scores([self.ANSWER, "two"], prompts=["2 + 2?"] * 2)
        assert scores == pytest.approx([expected[how], steps[0]], rel=1e-4)
        assert rewards.logged["rewards/prm_score/steps"] == [3, 1]

    def test_an_answer_without_steps_is_worth_nothing(self, tmp_path: Path) -> None:
        rewards = Rewards(tmp_path, {**self.SETTINGS, "model": "builtin/tiny-chat"})
        assert rewards.scores(["", "\n\n"], prompts=["2 + 2?"] * 2) == [0, 0]

    def test_a_placeholder_that_the_model_wrote_is_no_step(self, tmp_path: Path) -> None:
        rewards = Rewards(tmp_path, {**self.SETTINGS, "model": "builtin/tiny-chat"})
        rewards.scores(["two <|pad|> <|pad|>"], prompts=["{steps}?"])
        assert rewards.logged["rewards/prm_score/steps"] == [1]

    def test_tokens_must_be_one_each(self, tmp_path: Path) -> None:
        with pytest.raises(RunError, match=r"reward prm_score: reward_tokens: '<good step>' is \d+ tokens"):
            Rewards(tmp_path, {**self.SETTINGS, "model": "builtin/tiny-chat", "reward_tokens": ["<good step>", "0"]})

    def test_its_tokens_are_written_where_the_model_does_not_know_them(self, tmp_path: Path) -> None:
        with pytest.raises(RunError, match="gives reward_tokens") as caught:
            Rewards(
                tmp_path,
                {"type": "prm_score", "model": "builtin/tiny-chat", "placeholder_token": "<|pad|>", "name": "p"},
            )
        assert "write what it was trained with" in (caught.value.hint or "")

    def test_a_template_is_asked_for_where_a_chat_cannot_be_rendered(
        self, tmp_path: Path, tiny_chat: Path, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        tokenizer.chat_template = None
        AutoModelForCausalLM.from_pretrained(tiny_chat).save_pretrained(tmp_path / "prm")
        tokenizer.save_pretrained(tmp_path / "prm")
        plain = {key: value for key, value in self.SETTINGS.items() if key != "template"}
        rewards = Rewards(tmp_path, {**plain, "model": str(tmp_path / "prm")})
        with pytest.raises(RunError, match="has no chat template") as caught:
            rewards.scores([[assistant("two")]], prompts=[[user("2 + 2?")]])
        assert "template: " in (caught.value.hint or "")
        assert rewards.scores(["two"], prompts=["2 + 2?"]) != [0]
