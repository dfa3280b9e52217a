"""Rows with thoughts have the tokens of their text, templates that drop them are refused, prompts end with the tag."""

from __future__ import annotations

import shutil
from copy import copy
from pathlib import Path

import pytest
import trl
from transformers import PreTrainedTokenizerBase

from recipe_engine.compiled import CompiledRun
from recipe_engine.data.rows import converter_for
from recipe_engine.data.thinking_file import read_thinking
from recipe_engine.data.thought_templates import opens_thought, renderer, survival
from recipe_engine.recipe.data import DataBlock, DatasetEntry, RowShape
from recipe_engine.recipe.thinking import ThinkingBlock
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.inspect import inspect_run
from recipe_engine.runtime.instruction import parted, with_instruction
from recipe_engine.runtime.model import model_path
from recipe_engine.runtime.thoughts import thought_opener
from recipe_engine.runtime.tokenize import IGNORED, tokenizer_for
from recipe_engine.runtime.tokenizer import CHATML, load_tokenizer
from recipe_engine.runtime.trainers.grpo import RewardedGRPOTrainer
from recipe_engine.runtime.worker import train
from tests.runtime.support import Row, assistant, compiled, logged, user, write_rows

THINK = ThinkingBlock()
SEED = {"id": "1", "messages": [user("2+2?")], "thought": "so\nthen", "response": "4"}
TEMPLATES = Path(trl.__file__).parent / "chat_templates"
OPENS = CHATML.replace("assistant\\n'", "assistant\\n<think>\\n'")  # as those of R1 and of Qwen3-Thinking do


def template(name: str) -> str:
    return (TEMPLATES / f"{name}.jinja").read_text(encoding="utf-8")


def tokenized(
    tokenizer: PreTrainedTokenizerBase, shape: RowShape, row: Row, *, entry: Row | None = None, **arguments: bool
) -> Row:
    """A raw row on its whole way to ids and labels."""
    described = DatasetEntry(name="rows.jsonl", **(entry or {}))
    converter = converter_for(described, DataBlock(datasets=[described]), (shape,), list(row), THINK)
    assert converter.shape == shape
    return tokenizer_for(shape, tokenizer, arguments, THINK)(converter.convert(row))


class TestIdsAndLabels:
    def test_of_thought_and_response(self, tokenizer: PreTrainedTokenizerBase) -> None:
        made = tokenized(tokenizer, "prompt_completion", SEED)
        prompt = tokenizer("<|user|>2+2?<|end|><|assistant|>")["input_ids"]
        response = tokenizer("<think>so\nthen</think>4<|end|>")["input_ids"]
        assert made["input_ids"] == prompt + response
        assert made["labels"] == [IGNORED] * len(prompt) + response

    def test_of_messages_with_loss_on_the_assistants_tokens(self, tokenizer: PreTrainedTokenizerBase) -> None:
        turns = [user("q"), {**assistant("3"), "reasoning": "a"}, user("r"), {**assistant("4"), "reasoning": "b"}]
        made = tokenized(tokenizer, "messages", {"messages": turns}, assistant_only_loss=True)
        text = (
            "<|user|>q<|end|><|assistant|><think>a</think>3<|end|><|user|>r<|end|><|assistant|><think>b</think>4<|end|>"
        )
        assert made["input_ids"] == tokenizer(text)["input_ids"]
        trained = [label for label in made["labels"] if label != IGNORED]
        assert tokenizer.decode(trained) == "<think>a</think>3<|end|><think>b</think>4<|end|>"

    def test_of_preferences(self, tokenizer: PreTrainedTokenizerBase) -> None:
        row = {"prompt": "q: ", "chosen": "4", "rejected": "5", "chosen_thought": "a", "rejected_thought": "b"}
        made = tokenized(tokenizer, "preference", row)
        assert made["prompt_ids"] == tokenizer("q: ")["input_ids"]
        assert made["chosen_ids"] == tokenizer("<think>a</think>4<|end|>")["input_ids"]
        assert made["rejected_ids"] == tokenizer("<think>b</think>5<|end|>")["input_ids"]

    def test_of_plain_text(self, tokenizer: PreTrainedTokenizerBase) -> None:
        made = tokenized(tokenizer, "prompt_completion", {"prompt": "q:\n", "completion": "4", "thought": "a"})
        assert tokenizer.decode(made["input_ids"]) == "q:\n<think>a</think>4<|end|>"
        assert tokenizer.decode([label for label in made["labels"] if label != IGNORED]) == "<think>a</think>4<|end|>"

    def test_of_a_template_that_begins_the_turn_with_the_tag(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """The prompt then holds the opening tag, as it does when completions are sampled."""
        tokenizer.chat_template = template("qwen3_5_think")
        made = tokenized(tokenizer, "prompt_completion", SEED)
        trained = tokenizer.decode([label for label in made["labels"] if label != IGNORED])
        assert trained == "so\nthen\n</think>\n\n4<|im_end|>\n"
        assert not made["reshaped_prompt"]


class TestTemplatesThatDropThoughts:
    @pytest.mark.parametrize(
        ("name", "survives"),
        [
            ("deepseek_r1_distill", "none"),
            ("deepseek_r1_distill_training", "all"),
            ("qwen3", "last"),
            ("glm4moe", "last"),
            ("qwen3_instruct_2507", "all"),
            ("llama3_1", "all"),
        ],
    )
    def test_published_templates(self, name: str, survives: str) -> None:
        render = renderer(template(name))
        assert render is not None
        assert survival(THINK, render) == survives

    @pytest.mark.parametrize(("name", "opens"), [("deepseek_r1_distill", True), ("qwen3", False), ("llama3_1", False)])
    def test_some_begin_the_turn_with_the_tag(self, name: str, opens: bool) -> None:
        render = renderer(template(name))
        assert render is not None
        assert opens_thought(THINK, render) == opens

    def test_one_that_drops_the_last_thought_too_is_refused(self, tokenizer: PreTrainedTokenizerBase) -> None:
        tokenizer.chat_template = template("deepseek_r1_distill")
        with pytest.raises(RunError, match="leaves the thought out"):
            tokenized(tokenizer, "prompt_completion", SEED)

    def test_it_is_no_matter_for_plain_text(self, tokenizer: PreTrainedTokenizerBase) -> None:
        tokenizer.chat_template = template("deepseek_r1_distill")
        assert tokenized(tokenizer, "prompt_completion", {"prompt": "q", "completion": "4", "thought": "a"})

    def test_it_is_said_where_earlier_thoughts_are_dropped(self, tmp_path: Path) -> None:
        (tmp_path / "qwen3.jinja").write_text(template("qwen3"), encoding="utf-8")
        run = with_block(tmp_path, "sft", model_settings={"chat_template": "qwen3.jinja"})
        assert "thoughts of earlier turns are left out" in "\n".join(said(run))


def with_block(folder: Path, algorithm: str, thinking: Row | None = None, **blocks: object) -> CompiledRun:
    name = "builtin/thoughts" if algorithm == "sft" else "builtin/questions"
    if algorithm == "grpo":
        blocks["rewards"] = [{"type": "exact_match"}]
    return compiled(folder, algorithm, {"name": name}, thinking=thinking or {"open": "<think>"}, **blocks)


def said(run: CompiledRun) -> list[str]:
    lines: list[str] = []
    load_tokenizer(run, model_path(run), lines.append)
    return lines


class TestPromptsThatEndInTheThought:
    def test_the_tag_is_put_behind_a_prompt_and_not_twice(self, tokenizer: PreTrainedTokenizerBase) -> None:
        opening = thought_opener(ThinkingBlock(open="<think>\n"), tokenizer)
        assert tokenizer.decode(opening(tokenizer("<|user|>q<|end|><|assistant|>")["input_ids"])) == "<think>\n"
        for begun in ("<|assistant|><think>", "<|assistant|><think>\n", "plain\n<think> \n"):
            assert opening(tokenizer(begun)["input_ids"]) == []
        assert opening(tokenizer("<think> is no tag that ends it")["input_ids"]) != []

    def test_nothing_is_put_there_when_the_recipe_says_so(self, tokenizer: PreTrainedTokenizerBase) -> None:
        assert thought_opener(ThinkingBlock(begin_completion=False), tokenizer)([1]) == []
        assert thought_opener(None, tokenizer)([1]) == []

    def test_prompts_are_measured_with_it(self, tokenizer: PreTrainedTokenizerBase) -> None:
        row = {"prompt": [user("q")], "answer": "4"}
        plain, begun = (tokenizer_for("prompt", tokenizer, {}, block)(row)["prompt_length"] for block in (None, THINK))
        assert begun == plain + len(tokenizer("<think>")["input_ids"])

    def test_a_template_that_has_it_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "opens.jinja").write_text(OPENS, encoding="utf-8")
        run = with_block(tmp_path, "grpo", model_settings={"chat_template": "opens.jinja"})
        assert any("begins a turn with '<think>' itself" in line for line in said(run))
        run = with_block(tmp_path, "grpo", {"begin_completion": False}, model_settings={"chat_template": "opens.jinja"})
        with pytest.raises(RunError, match=r"begin_completion: false, and the chat template begins"):
            said(run)

    def test_they_are_shown_so_by_inspect(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        run = with_block(tmp_path, "grpo")
        file = Path(run.run_dir) / "compiled.json"
        file.write_text(run.model_dump_json(), encoding="utf-8")
        assert inspect_run(file, 1) == 0
        assert "<|end|><|assistant|><think>\n" in capsys.readouterr().out


def test_inspect_shows_the_thought_within_the_trained_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = write_rows(tmp_path / "rows.jsonl", [SEED, {**SEED, "thought": None, "id": "2"}, SEED])
    run = compiled(tmp_path, "sft", {"name": name}, thinking={"open": "<think>"})
    file = Path(run.run_dir) / "compiled.json"
    file.write_text(run.model_dump_json(), encoding="utf-8")
    assert inspect_run(file, 3) == 0
    out = capsys.readouterr().out
    assert "<|user|>2+2?<|end|><|assistant|>⟦<think>so\nthen</think>4<|end|>⟧" in out
    assert "row 2: column `response` has no thought" in out
    assert "row 3: column `id` is '1', which an earlier row has" in out
    assert "3 rows read, 1 used, 2 invalid" in out


def test_repeated_ids_are_found_whatever_the_number_of_processes(tmp_path: Path) -> None:
    rows = [{**SEED, "id": str(n % 6), "messages": [user(f"q{n}")]} for n in range(12)]
    name = write_rows(tmp_path / "rows.jsonl", rows)
    data = {"invalid_rows": "drop", "max_invalid_share": 0.9, "dataset_num_proc": 2, "max_length": 64}
    training = {"max_steps": 1, "per_device_train_batch_size": 2}
    run = compiled(tmp_path, "sft", {"name": name}, thinking={"open": "<think>"}, data=data, training=training)
    assert len(train(run).train_dataset) == 6
    assert read_thinking(run.output_dir) == THINK


class TestInstruction:
    TEXT = 'Think in <think> "tags" {{ not jinja }}\nöäü 😀 %}'

    @pytest.mark.parametrize("source", [CHATML, None], ids=["chatml", "own template"])
    def test_it_is_the_first_system_message_or_the_head_of_it(
        self, tokenizer: PreTrainedTokenizerBase, source: str | None
    ) -> None:
        plain = source or tokenizer.chat_template
        instructed = with_instruction(plain, self.TEXT)

        def rendered(template: str, messages: list[Row]) -> str:
            return str(tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False))

        told = [{"role": "system", "content": self.TEXT}, user("q"), assistant("a")]
        assert rendered(instructed, told[1:]) == rendered(plain, told)
        both = [{"role": "system", "content": f"{self.TEXT}\n\nBe brief."}, user("q")]
        assert rendered(instructed, [{"role": "system", "content": "Be brief."}, user("q")]) == rendered(plain, both)

    def test_a_later_one_replaces_it(self) -> None:
        assert with_instruction(with_instruction(CHATML, "one"), "two") == with_instruction(CHATML, "two")
        assert parted(with_instruction(CHATML, "one"))[1] == CHATML

    def test_the_saved_model_has_it_and_the_masks_are_right(self, tmp_path: Path) -> None:
        (tmp_path / "qwen.jinja").write_text(template("qwen2_5"), encoding="utf-8")  # has no markers, but TRL knows it
        run = with_block(tmp_path, "sft", {"instruction": "Think."}, model_settings={"chat_template": "qwen.jinja"})
        tokenizer = load_tokenizer(run, model_path(run), print)
        told = [{"role": "system", "content": "Think."}, user("q"), assistant("<think>a</think>4")]
        only = {"assistant_only_loss": True}
        made = tokenizer_for("messages", tokenizer, only, THINK)({"messages": told[1:]})
        plain = copy(tokenizer)
        plain.chat_template = template("qwen2_5")
        assert made == tokenizer_for("messages", plain, only, THINK)({"messages": told})
        assert made["labels"].count(IGNORED) > len(tokenizer("<|im_start|>system\nThink.<|im_end|>")["input_ids"])
        tokenizer.save_pretrained(tmp_path / "saved")
        assert "Think." in (tmp_path / "saved" / "chat_template.jinja").read_text(encoding="utf-8")

    def test_it_needs_a_template(self, tmp_path: Path, tiny_chat: Path) -> None:
        run = with_block(tmp_path, "sft", {"instruction": "Think."})
        bare = load_tokenizer(with_block(tmp_path, "sft"), str(tiny_chat), print)
        bare.chat_template = None
        bare.save_pretrained(tmp_path / "bare")
        run = run.model_copy(update={"model": run.model.model_copy(update={"tokenizer_name": str(tmp_path / "bare")})})
        with pytest.raises(RunError, match=r"thinking\.instruction .* the tokenizer has none"):
            said(run)


SAMPLING = {"max_steps": 1, "per_device_train_batch_size": 4, "num_generations": 4, "max_completion_length": 8}


class TestReinforcementLearning:
    def test_prompts_end_with_the_tag_and_the_malformed_share_is_logged(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[list[int]] = []
        tokenize = RewardedGRPOTrainer._tokenize_prompts

        def watched(self: RewardedGRPOTrainer, prompts: list[object]) -> object:
            made = tokenize(self, prompts)
            seen.extend(made[0])
            return made

        monkeypatch.setattr(RewardedGRPOTrainer, "_tokenize_prompts", watched)
        run = with_block(tmp_path, "grpo", training=SAMPLING, data={"max_length": 64})
        trainer = train(run)
        assert all(trainer.processing_class.decode(ids).endswith("<|assistant|><think>") for ids in seen)
        assert logged(run, "thinking/malformed") == [1.0]  # a model that has learned nothing closes no thought
        assert read_thinking(run.output_dir) == THINK

    def test_stop_strings_that_nothing_would_look_for_are_refused_before_the_model_is_loaded(
        self, tmp_path: Path
    ) -> None:
        training = {**SAMPLING, "generation_kwargs": {"stop_strings": ["</response>"]}}
        with pytest.raises(RunError, match="no tokenizer to find stop_strings"):
            train(with_block(tmp_path, "grpo", training=training))

    @pytest.mark.parametrize("cut", ["left", "right"])
    def test_a_prompt_that_is_cut_keeps_the_tag(self, tmp_path: Path, cut: str) -> None:
        (tmp_path / "opens.jinja").write_text(OPENS, encoding="utf-8")
        data = {"max_length": 28, "max_prompt_length": 20, "overlong_rows": cut}
        for settings in ({}, {"chat_template": "opens.jinja"}):
            run = with_block(tmp_path, "grpo", training=SAMPLING, data=data, model_settings=settings)
            trainer = train(run)
            (ids, *_), *_ = trainer._tokenize_prompts([[user("a long question " * 10)]])
            assert len(ids) == 20
            assert trainer.processing_class.decode(ids).rstrip().endswith("<think>")


def test_a_model_that_was_trained_with_other_tags_is_named(tmp_path: Path, tiny_chat: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(tiny_chat, model)
    (model / "thinking.json").write_text('{"open": "<plan>", "close": "</plan>"}', encoding="utf-8")
    for block, message in (
        ({"open": "<think>"}, "trained with the tags <plan> </plan>, and the recipe says the tags <think> </think>"),
        (None, "trained with the tags <plan> </plan>, and the recipe has no thinking block"),
    ):
        blocks = {} if block is None else {"thinking": block}
        run = compiled(tmp_path, "sft", {"name": "builtin/thoughts"}, model=str(model), **blocks)
        assert any(message in line for line in said(run))
    same = {"open": "<plan>", "close": "</plan>"}
    assert said(compiled(tmp_path, "sft", {"name": "builtin/thoughts"}, model=str(model), thinking=same)) == []
