from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import jinja2
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase
from trl.chat_template_utils import is_chat_template_stop_token_trained

from recipe_engine.data import builtin
from recipe_engine.data.rankings import Group, question
from recipe_engine.runtime import builtin_model

AWKWARD = [
    "",
    " leading",
    "trailing \n",
    "\n\n",
    "two  spaces",
    "12 345",
    "naïve 数字 🙂",
    "<|endoftext|>",
    "don't , stop .",
]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def ids(tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, str]], *, ask: bool = False) -> list[int]:
    rendered: list[int] = tokenizer.apply_chat_template(messages, add_generation_prompt=ask, return_dict=False)
    return rendered


def said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def test_the_model_is_tiny_and_loads_in_float32(tiny_chat: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_chat)
    assert model.dtype == torch.float32
    assert sum(parameter.numel() for parameter in model.parameters()) < 2_000_000


def test_attention_heads_are_of_a_size_that_vllm_can_serve(tiny_chat: Path) -> None:
    assert AutoModelForCausalLM.from_pretrained(tiny_chat).config.head_dim == 64


def test_every_saved_weight_is_used_and_none_is_missing(tiny_chat: Path) -> None:
    _, info = AutoModelForCausalLM.from_pretrained(tiny_chat, output_loading_info=True)
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))


def test_model_and_tokenizer_agree(tiny_chat: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_chat)
    assert model.config.vocab_size == len(tokenizer)
    for config in (model.config, model.generation_config):
        assert (config.eos_token_id, config.pad_token_id) == (tokenizer.eos_token_id, tokenizer.pad_token_id)


def test_two_builds_are_the_same_to_the_last_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    for name in ("one", "other"):
        monkeypatch.setenv("RECIPE_ENGINE_CACHE", str(tmp_path / name))
        torch.manual_seed(len(built))
        built.append(builtin_model.ensure())
    assert built[0].name == built[1].name
    assert contents(built[0]) == contents(built[1])


def test_a_second_call_does_not_build_again(tiny_chat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtin_model, "_build", None)
    assert builtin_model.ensure() == tiny_chat


def test_processes_that_build_at_once_all_get_the_one_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECIPE_ENGINE_CACHE", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    # Each waits, with everything imported, until the last is ready, so that they do meet.
    code = (
        "import sys; from recipe_engine.runtime import builtin_model; print('ready', flush=True); sys.stdin.readline();"
        "print(builtin_model.ensure())"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    answers = [process.communicate("go\n", timeout=60)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert set(answers) == {f"{builtin_model.ensure()}\n"}
    assert list(tmp_path.iterdir()) == [builtin_model.ensure()]


def test_losing_the_race_to_another_process_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECIPE_ENGINE_CACHE", str(tmp_path))
    build = builtin_model._build

    def build_while_another_finishes(folder: Path, corpus: list[str]) -> None:
        monkeypatch.setattr(builtin_model, "_build", build)
        builtin_model.ensure()
        build(folder, corpus)

    monkeypatch.setattr(builtin_model, "_build", build_while_another_finishes)
    folder = builtin_model.ensure()
    assert list(tmp_path.iterdir()) == [folder]


def test_a_build_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECIPE_ENGINE_CACHE", str(tmp_path))
    monkeypatch.setitem(builtin_model._ARCHITECTURE, "hidden_act", "no such activation")
    with pytest.raises(KeyError):
        builtin_model.ensure()
    assert list(tmp_path.iterdir()) == []


def test_a_changed_builder_makes_a_new_folder(tiny_chat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(builtin_model._ARCHITECTURE, "hidden_size", 64)
    assert builtin_model.ensure() != tiny_chat


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RECIPE_ENGINE_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert builtin_model.cache_folder() == tmp_path / "home" / ".cache" / "recipe-engine"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert builtin_model.cache_folder() == tmp_path / "caches" / "recipe-engine"
    monkeypatch.setenv("RECIPE_ENGINE_CACHE", str(tmp_path / "own"))
    assert builtin_model.cache_folder() == tmp_path / "own"


def test_the_callers_random_numbers_go_on_as_if_nothing_had_been_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECIPE_ENGINE_CACHE", str(tmp_path))
    torch.manual_seed(7)
    random.seed(7)
    expected = (torch.rand(3).tolist(), random.random())
    torch.manual_seed(7)
    random.seed(7)
    builtin_model.ensure()
    assert (torch.rand(3).tolist(), random.random()) == expected


def test_the_callers_default_type_and_device_do_not_change_the_model(
    tiny_chat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECIPE_ENGINE_CACHE", str(tmp_path))
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            built = builtin_model.ensure()
    finally:
        torch.set_default_dtype(torch.float32)
    assert contents(built) == contents(tiny_chat)


def test_the_ranker_is_the_same_model_with_words_for_rankings() -> None:
    row = builtin.rows("builtin/rankings", "train")[0]
    asked = question(Group(row["src_text"], ("English", "German"), tuple(row["mt_texts"]), tuple(row["scores"])))
    lengths = {
        name: len(AutoTokenizer.from_pretrained(builtin_model.ensure(name))(asked)["input_ids"])
        for name in (builtin_model.NAME, builtin_model.RANKER)
    }
    assert lengths[builtin_model.RANKER] < 170 < 400 < lengths[builtin_model.NAME]
    AutoModelForCausalLM.from_pretrained(builtin_model.ensure(builtin_model.RANKER))


def test_an_unknown_model_is_answered_with_those_there_are() -> None:
    with pytest.raises(builtin_model.UnknownBuiltinModelError) as caught:
        builtin_model.ensure("builtin/tiny")
    assert str(caught.value) == (
        "there is no model 'builtin/tiny'; the embedded ones are builtin/tiny-chat, builtin/tiny-ranker, "
        "builtin/tiny-reward"
    )


def test_special_tokens_are_single_ids_and_padding_is_not_the_end(tokenizer: PreTrainedTokenizerBase) -> None:
    special = ["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
    assert [tokenizer.encode(token) for token in special] == [[0], [1], [2], [3], [4]]
    assert (tokenizer.pad_token, tokenizer.eos_token) == ("<|pad|>", "<|end|>")


@pytest.mark.parametrize("text", AWKWARD)
def test_any_text_comes_back_as_it_was(tokenizer: PreTrainedTokenizerBase, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_a_conversation_is_rendered_with_nothing_between_roles_and_text(tokenizer: PreTrainedTokenizerBase) -> None:
    messages = [said("system", "Be brief."), said("user", "Reverse: 372"), said("assistant", "273")]
    assert tokenizer.apply_chat_template(messages, tokenize=False) == (
        "<|system|>Be brief.<|end|><|user|>Reverse: 372<|end|><|assistant|>273<|end|>"
    )


@pytest.mark.parametrize("content", AWKWARD)
def test_a_prompt_is_a_token_prefix_of_the_conversation_that_goes_on(
    tokenizer: PreTrainedTokenizerBase, content: str
) -> None:
    prompt = [said("system", content), said("user", content)]
    answer = said("assistant", content)
    start = ids(tokenizer, prompt, ask=True)
    once = ids(tokenizer, [*prompt, answer])
    again = ids(tokenizer, [*prompt, answer, said("user", content)], ask=True)
    assert once[: len(start)] == start
    assert again[: len(once)] == once


def test_the_assistants_tokens_are_marked_with_the_end_that_it_must_learn_to_say(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    for row in builtin.rows("builtin/conversations", "test"):
        rendered = tokenizer.apply_chat_template(row["messages"], return_dict=True, return_assistant_tokens_mask=True)
        pairs = zip(rendered["input_ids"], rendered["assistant_masks"], strict=True)
        marked = tokenizer.decode([token for token, mask in pairs if mask])
        answers = [message["content"] for message in row["messages"] if message["role"] == "assistant"]
        assert marked == "".join(f"{answer}<|end|>" for answer in answers)


def test_trl_finds_that_the_template_teaches_to_stop(tokenizer: PreTrainedTokenizerBase) -> None:
    assert is_chat_template_stop_token_trained(tokenizer)


def test_a_role_that_the_model_does_not_know_is_refused_by_name(tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(jinja2.TemplateError, match="not tool"):
        ids(tokenizer, [said("tool", "42")])


def test_a_question_is_a_handful_of_tokens(tokenizer: PreTrainedTokenizerBase) -> None:
    longest = max(len(ids(tokenizer, row["prompt"], ask=True)) for row in builtin.rows("builtin/questions", "train"))
    assert longest <= 12


def test_a_saved_copy_is_the_same_tokenizer(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)
    copy = AutoTokenizer.from_pretrained(tmp_path)
    messages = [said("user", "Add: 1"), said("assistant", "2")]
    assert ids(copy, messages) == ids(tokenizer, messages)
