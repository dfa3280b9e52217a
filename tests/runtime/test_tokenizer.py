from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.tokenizer import CHATML, load_tokenizer
from tests.runtime.support import Row, assistant, compiled, user


@pytest.fixture
def said() -> list[str]:
    return []


def load(
    folder: Path, tiny_chat: Path, said: list[str], settings: Row | None = None, **blocks: Any
) -> PreTrainedTokenizerBase:
    algorithm = blocks.pop("algorithm", "sft")
    run = compiled(folder, algorithm, {"name": "d"}, model_settings=settings or {}, **blocks)
    return load_tokenizer(run, str(tiny_chat), said.append)


def saved(folder: Path, tokenizer: PreTrainedTokenizerBase, **changes: Any) -> str:
    """A tokenizer's folder, with changes to its configuration (none: left out)."""
    tokenizer.save_pretrained(folder)
    file = folder / "tokenizer_config.json"
    config = json.loads(file.read_text(encoding="utf-8")) | changes
    file.write_text(json.dumps({key: value for key, value in config.items() if value is not None}), encoding="utf-8")
    return str(folder)


def test_the_models_own_tokenizer_is_taken_as_it_is(tmp_path: Path, tiny_chat: Path, said: list[str]) -> None:
    tokenizer = load(tmp_path, tiny_chat, said)
    own = AutoTokenizer.from_pretrained(tiny_chat)
    assert (tokenizer.chat_template, tokenizer.eos_token, tokenizer.pad_token) == (
        own.chat_template,
        own.eos_token,
        own.pad_token,
    )
    assert tokenizer.padding_side == "right"
    assert said == []


def test_prompts_to_sample_from_are_padded_on_the_left(tmp_path: Path, tiny_chat: Path, said: list[str]) -> None:
    rewards = [{"type": "length", "max": 5}]
    assert load(tmp_path, tiny_chat, said, algorithm="grpo", rewards=rewards).padding_side == "left"


def test_special_tokens_of_the_recipe_replace_the_tokenizers(tmp_path: Path, tiny_chat: Path, said: list[str]) -> None:
    tokenizer = load(tmp_path, tiny_chat, said, {"eos_token": "<|user|>", "pad_token": "<|system|>"})
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|user|>", "<|system|>")


@pytest.mark.parametrize("key", ["eos_token", "pad_token"])
def test_a_special_token_must_be_one_token(tmp_path: Path, tiny_chat: Path, said: list[str], key: str) -> None:
    with pytest.raises(RunError, match=f"model.{key}: '<eot>' is not one token of the vocabulary"):
        load(tmp_path, tiny_chat, said, {key: "<eot>"})


def test_without_a_pad_token_the_end_token_pads_and_that_is_said(
    tmp_path: Path, tiny_chat: Path, tokenizer: PreTrainedTokenizerBase, said: list[str]
) -> None:
    source = saved(tmp_path / "t", tokenizer, pad_token=None)
    loaded = load(tmp_path, tiny_chat, said, {"tokenizer_name": source})
    assert loaded.pad_token == loaded.eos_token == "<|end|>"
    assert said == ["pad_token: the tokenizer has none, so '<|end|>' pads (padding is masked by position)"]


def test_without_an_end_token_the_run_does_not_start(
    tmp_path: Path, tiny_chat: Path, tokenizer: PreTrainedTokenizerBase, said: list[str]
) -> None:
    source = saved(tmp_path / "t", tokenizer, eos_token=None)
    with pytest.raises(RunError, match="no end-of-sequence token"):
        load(tmp_path, tiny_chat, said, {"tokenizer_name": source})


def test_a_tokenizer_larger_than_the_model_is_refused_with_both_sizes(
    tmp_path: Path, tiny_chat: Path, tokenizer: PreTrainedTokenizerBase, said: list[str]
) -> None:
    size = len(tokenizer)
    tokenizer.add_tokens(["one more"])
    source = saved(tmp_path / "t", tokenizer)
    with pytest.raises(RunError, match=f"has {size + 1} tokens, the model embeds {size}"):
        load(tmp_path, tiny_chat, said, {"tokenizer_name": source})


@pytest.mark.parametrize("algorithm", ["sft", "grpo"])
def test_more_positions_than_the_model_has_are_refused(
    tmp_path: Path, tiny_chat: Path, said: list[str], algorithm: str
) -> None:
    blocks: Row = {"rewards": [{"type": "length", "max": 5}]} if algorithm == "grpo" else {}
    with pytest.raises(RunError, match=r"data.max_length is 2049, and the model takes 2048 positions at most"):
        load(tmp_path, tiny_chat, said, algorithm=algorithm, data={"max_length": 2049}, **blocks)
    load(tmp_path, tiny_chat, said, algorithm=algorithm, data={"max_length": 2048}, **blocks)


@pytest.mark.parametrize("name", ["", "no-such-folder"])
def test_a_tokenizer_that_cannot_be_loaded_is_told(tmp_path: Path, tiny_chat: Path, said: list[str], name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match=r"the tokenizer of .* cannot be loaded"):
        load(tmp_path, tiny_chat, said, {"tokenizer_name": str(tmp_path / "empty" / name)})


def test_a_tokenizer_from_elsewhere_runs_no_code_of_its_own(
    tmp_path: Path, tiny_chat: Path, tokenizer: PreTrainedTokenizerBase, said: list[str]
) -> None:
    """``model.revision`` pins the model's repository, not the tokenizer's."""
    source = saved(tmp_path / "t", tokenizer, tokenizer_class="Own", auto_map={"AutoTokenizer": ["code.Own", None]})
    (tmp_path / "t" / "code.py").write_text("raise SystemExit('the code ran')\n", encoding="utf-8")
    run = compiled(tmp_path, "sft", {"name": "d"}, model_settings={"tokenizer_name": source})
    unpinned = run.model_copy(update={"model": run.model.model_copy(update={"trust_remote_code": True})})
    with pytest.raises(RunError, match="cannot be loaded"):
        load_tokenizer(unpinned, str(tiny_chat), said.append)


class TestChatTemplates:
    def test_chatml_renders_turns_and_marks_the_assistants(
        self, tmp_path: Path, tiny_chat: Path, said: list[str]
    ) -> None:
        tokenizer = load(tmp_path, tiny_chat, said, {"chat_template": "chatml"})
        messages = [user("q"), assistant("a")]
        assert tokenizer.apply_chat_template(messages, tokenize=False) == (
            "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\na<|im_end|>\n"
        )
        marked = tokenizer.apply_chat_template(messages, return_dict=True, return_assistant_tokens_mask=True)
        trained = [i for i, m in zip(marked["input_ids"], marked["assistant_masks"], strict=True) if m]
        assert tokenizer.decode(trained) == "a<|im_end|>"
        opened = tokenizer.apply_chat_template(messages[:1], tokenize=False, add_generation_prompt=True)
        assert opened.endswith("<|im_start|>assistant\n")

    def test_chatml_on_a_vocabulary_without_its_tokens_is_said(
        self, tmp_path: Path, tiny_chat: Path, said: list[str]
    ) -> None:
        load(tmp_path, tiny_chat, said, {"chat_template": "chatml"})
        assert said == ["chat_template: <|im_end|> is not one token of this vocabulary, so a turn ends with several"]

    def test_a_file_beside_the_recipe_is_read(self, tmp_path: Path, tiny_chat: Path, said: list[str]) -> None:
        (tmp_path / "own.jinja").write_text(CHATML, encoding="utf-8")
        assert load(tmp_path, tiny_chat, said, {"chat_template": "own.jinja"}).chat_template == CHATML

    def test_a_file_that_is_gone_since_the_recipe_was_checked_is_told(
        self, tmp_path: Path, tiny_chat: Path, said: list[str]
    ) -> None:
        (tmp_path / "own.jinja").touch()
        run = compiled(tmp_path, "sft", {"name": "d"}, model_settings={"chat_template": "own.jinja"})
        (tmp_path / "own.jinja").unlink()
        with pytest.raises(RunError, match=r"model.chat_template: .*own.jinja cannot be read"):
            load_tokenizer(run, str(tiny_chat), said.append)

    def test_markers_that_leave_out_the_end_of_the_turn_are_said(
        self, tmp_path: Path, tiny_chat: Path, said: list[str]
    ) -> None:
        template = (
            "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}"
            "{% else %}{{ m.content }}{% endif %}<|end|>{% endfor %}"
        )
        (tmp_path / "own.jinja").write_text(template, encoding="utf-8")
        load(tmp_path, tiny_chat, said, {"chat_template": "own.jinja"}, training={"assistant_only_loss": True})
        assert any("stopping is not trained" in line for line in said)
        said.clear()
        load(tmp_path, tiny_chat, said, training={"assistant_only_loss": True})
        assert said == []
