"""Whole trainings of a few steps, in this process, from a compiled run to a model that can be loaded again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase
from trl import SFTConfig, SFTTrainer

from recipe_engine.compile import Options
from recipe_engine.compiled import CompiledRun
from recipe_engine.data.errors import DataError
from recipe_engine.runtime import worker
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.trainers.grpo import RewardedGRPOTrainer
from recipe_engine.runtime.worker import train
from tests.runtime.support import Row, assistant, compiled, logged, user, write_rows

CHATS = [{"messages": [user(f"Repeat: {n}"), assistant(str(n))]} for n in range(100, 116)]
TEXTS = [{"text": f"{n} follows {n - 1}. " * (1 + n % 5)} for n in range(100, 116)]
PAIRS = [
    {"prompt": [user(f"Repeat: {n}")], "chosen": [assistant(str(n))], "rejected": [assistant("no " * (n % 4 + 1))]}
    for n in range(100, 116)
]
PROMPTS = [{"prompt": [user(f"Repeat: {n}")], "answer": str(n)} for n in range(100, 116)]
TWO_STEPS = {"max_steps": 2, "per_device_train_batch_size": 4, "learning_rate": 1e-3}
GROUPS = {**TWO_STEPS, "learning_rate": 1e-4, "num_generations": 4, "max_completion_length": 8}
# A model that has learned nothing writes to the limit, in words of other lengths.
VARIED = [{"type": "length", "unit": "characters", "max": 2, "slope": 60}]
LORA = {"use_lora": True, "lora_r": 4}
SHORT = {"max_length": 64}


def trained(folder: Path, algorithm: str, rows: list[Row], **blocks: Any) -> CompiledRun:
    """Train on rows; the run that was."""
    name = write_rows(folder / "rows.jsonl", rows)
    data = {**SHORT, **blocks.pop("data", {})}
    run = compiled(folder, algorithm, {"name": name}, data=data, **blocks)
    train(run)
    return run


def changed(run: CompiledRun, base: Path) -> set[str]:
    """Names of the trained weights that are not those of the model that the run started from."""
    before, after = load_file(base / "model.safetensors"), load_file(Path(run.output_dir) / "model.safetensors")
    return {name for name, weight in after.items() if not torch.equal(weight, before[name])}


def adapters(run: CompiledRun) -> dict[str, torch.Tensor]:
    return load_file(Path(run.output_dir) / "adapter_model.safetensors")


class TestEachAlgorithm:
    @pytest.mark.parametrize(
        ("algorithm", "rows", "blocks"),
        [
            ("sft", CHATS, {"training": TWO_STEPS}),
            ("cpt", TEXTS, {"training": {**TWO_STEPS, "per_device_train_batch_size": 1}}),
            ("dpo", PAIRS, {"training": TWO_STEPS}),
            ("grpo", PROMPTS, {"training": GROUPS, "rewards": VARIED}),
            ("gspo", PROMPTS, {"training": GROUPS, "rewards": VARIED}),
        ],
        ids=["sft", "cpt", "dpo", "grpo", "gspo"],
    )
    def test_it_trains_saves_and_can_be_loaded_again(
        self, tmp_path: Path, tiny_chat: Path, algorithm: str, rows: list[Row], blocks: Row
    ) -> None:
        run = trained(tmp_path, algorithm, rows, **blocks)
        assert len(logged(run, "loss")) == 2
        assert (Path(run.run_dir) / "loss.png").read_bytes().startswith(b"\x89PNG")
        assert any("layers.0." in name for name in changed(run, tiny_chat))
        model = AutoModelForCausalLM.from_pretrained(run.output_dir)
        tokenizer = AutoTokenizer.from_pretrained(run.output_dir)
        assert tokenizer.chat_template == AutoTokenizer.from_pretrained(tiny_chat).chat_template
        prompt = tokenizer.apply_chat_template(rows[0].get("prompt", [user("hi")]), add_generation_prompt=True)
        out = model.generate(torch.tensor([prompt["input_ids"]]), max_new_tokens=4, do_sample=False)
        assert out.shape[1] > len(prompt["input_ids"])

    def test_sft_can_train_plain_strings_and_templates(self, tmp_path: Path) -> None:
        rows = [{"question": f"{n} + 1 =", "sum": f" {n + 1}"} for n in range(8)]
        trained(tmp_path, "sft", rows, data={"system_prompt": "{question}{sum}"}, training=TWO_STEPS)

    def test_sft_with_assistant_only_loss_trains_the_marked_tokens(self, tmp_path: Path) -> None:
        """TRL itself would refuse it here: it cannot tell from tokenized rows that they were conversations."""
        run = trained(tmp_path, "sft", CHATS, training={**TWO_STEPS, "assistant_only_loss": True})
        assert len(logged(run, "loss")) == 2

    def test_rows_are_packed_when_asked(self, tmp_path: Path) -> None:
        run = trained(tmp_path, "sft", CHATS, training={**TWO_STEPS, "packing": True, "num_train_epochs": 1})
        assert logged(run, "num_tokens")[0] > 4 * 2 * 20


class TestCptPacking:
    def test_split_packing_loses_no_token(
        self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        packed: list[Any] = []

        def remember(self: SFTTrainer, *_: object, **__: object) -> None:
            packed.extend(self.train_dataset)
            raise RunError("enough was seen")

        monkeypatch.setattr(SFTTrainer, "train", remember)
        rows = [{"text": " ".join(str(n) for n in range(k * k))} for k in range(1, 9)]
        with pytest.raises(RunError, match="enough"):
            trained(tmp_path, "cpt", rows, data={"max_length": 16}, training={"per_device_train_batch_size": 1})
        assert max(len(row["input_ids"]) for row in packed) <= 16
        expected = [token for row in rows for token in tokenizer(row["text"] + "<|end|>")["input_ids"]]
        assert sorted(token for row in packed for token in row["input_ids"]) == sorted(expected)
        assert all(row["labels"] == row["input_ids"] for row in packed)


class TestDpo:
    @pytest.mark.parametrize(
        "loss",
        [
            {"loss_type": "sigmoid"},
            {"loss_type": ["ipo"]},
            {"loss_type": ["hinge"]},
            {"loss_type": ["robust"], "label_smoothing": 0.1},
            {"loss_type": ["exo_pair"], "label_smoothing": 0.001},
            {"loss_type": ["apo_zero"]},
            {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 0.5]},
        ],
        ids=str,
    )
    def test_its_losses_train(self, tmp_path: Path, loss: Row) -> None:
        run = trained(tmp_path, "dpo", PAIRS, training={**TWO_STEPS, "max_steps": 1, **loss})
        assert logged(run, "grad_norm")[0] > 0

    def test_beta_is_the_one_of_the_recipe(self, tmp_path: Path) -> None:
        margins = {}
        for beta in (0.1, 0.4):
            (tmp_path / str(beta)).mkdir()
            run = trained(tmp_path / str(beta), "dpo", PAIRS, training={**TWO_STEPS, "beta": beta})
            margins[beta] = logged(run, "grad_norm")[0]
        assert margins[0.4] == pytest.approx(4 * margins[0.1], rel=1e-3)

    def test_weights_of_several_losses_are_used(self, tmp_path: Path) -> None:
        norms = []
        for weight in (1.0, 3.0):
            (tmp_path / str(weight)).mkdir()
            loss = {"loss_type": ["sigmoid", "sigmoid"], "loss_weights": [weight, weight]}
            run = trained(tmp_path / str(weight), "dpo", PAIRS, training={**TWO_STEPS, "max_steps": 1, **loss})
            norms.append(logged(run, "grad_norm")[0])
        assert norms[1] == pytest.approx(3 * norms[0], rel=1e-4)

    def test_reference_probabilities_may_be_computed_before(self, tmp_path: Path) -> None:
        norms = []
        for before in (False, True):
            (tmp_path / str(before)).mkdir()
            training = {**TWO_STEPS, "precompute_ref_log_probs": before}
            run = trained(tmp_path / str(before), "dpo", PAIRS, training=training, data={"eval_holdout": 4})
            norms.append(logged(run, "grad_norm"))
        assert norms[0] == pytest.approx(norms[1], rel=1e-3)


class TestRewards:
    def test_rewards_read_the_columns_of_the_rows(self, tmp_path: Path) -> None:
        (tmp_path / "own.py").write_text(
            "import json, pathlib\n"
            "def f(completions, answer, level, **_):\n"
            "    with pathlib.Path(__file__).with_name('seen.jsonl').open('a') as seen:\n"
            "        seen.writelines(json.dumps(pair) + '\\n' for pair in zip(answer, level))\n"
            "    return [float(len(c[0]['content'])) for c in completions]\n"
        )
        rows = [{**row, **({"level": {"deep": [1, "x"]}} if n % 2 else {})} for n, row in enumerate(PROMPTS)]
        rewards = [{"type": "function", "path": "own.py", "name": "f", "weight": 2.0}, {"type": "exact_match"}]
        run = trained(tmp_path, "grpo", rows, training=GROUPS, rewards=rewards, options=Options(allow_reward_code=True))
        seen = [json.loads(line) for line in (tmp_path / "seen.jsonl").read_text().splitlines()]
        known = {row["answer"]: row.get("level") for row in rows}
        assert len(seen) == 8
        assert all(known[answer] == level for answer, level in seen)
        for reward, own, exact in zip(
            logged(run, "reward"), logged(run, "rewards/f/mean"), logged(run, "rewards/exact_match/mean"), strict=True
        ):
            assert reward == pytest.approx(2 * own + exact)

    def test_a_reward_that_fails_ends_the_run_with_its_name(self, tmp_path: Path) -> None:
        (tmp_path / "own.py").write_text("def f(**_):\n    return [None]\n")
        rewards = [{"type": "function", "path": "own.py", "name": "f"}]
        options = Options(allow_reward_code=True)
        with pytest.raises(RunError, match="reward f: returned 1 scores for 4 completions"):
            trained(tmp_path, "grpo", PROMPTS, training=GROUPS, rewards=rewards, options=options)

    @pytest.mark.parametrize("cut", ["left", "right"])
    def test_prompts_over_the_limit_are_cut_where_the_recipe_says(
        self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch, cut: str
    ) -> None:
        seen: list[list[int]] = []
        generate = RewardedGRPOTrainer._generate_single_turn

        def remember(self: Any, prompt_ids: list[list[int]], *others: Any, **named: Any) -> Any:
            seen.extend(prompt_ids)
            return generate(self, prompt_ids, *others, **named)

        monkeypatch.setattr(RewardedGRPOTrainer, "_generate_single_turn", remember)
        data = {"max_prompt_length": 5, "overlong_rows": cut}
        rewards = [{"type": "length", "max": 5}]
        trained(tmp_path, "grpo", PROMPTS, training={**GROUPS, "max_steps": 1}, rewards=rewards, data=data)
        whole = {
            tuple(tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True)["input_ids"])
            for row in PROMPTS
        }
        assert {tuple(ids) for ids in seen} <= {ids[-5:] if cut == "left" else ids[:5] for ids in whole}

    def test_chat_messages_reach_the_template_without_keys_of_others(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Arrow would give each message the keys of all, with nulls, and templates ask whether a key is there."""
        seen: list[Any] = []
        tokenize = RewardedGRPOTrainer._tokenize_prompts

        def remember(self: Any, prompts: list[Any]) -> Any:
            seen.extend(prompts)
            return tokenize(self, prompts)

        monkeypatch.setattr(RewardedGRPOTrainer, "_tokenize_prompts", remember)
        rows = [*PROMPTS, {"prompt": [{**user("hi"), "name": "Ann"}], "answer": "x"}]
        rewards = [{"type": "length", "max": 5}]
        trained(tmp_path, "grpo", rows, training={**GROUPS, "max_steps": 1}, rewards=rewards)
        assert all(set(message) in ({"role", "content"}, {"role", "content", "name"}) for p in seen for message in p)
        assert all(None not in message.values() for prompt in seen for message in prompt)

    def test_taking_the_columns_from_the_rewards_is_refused(self, tmp_path: Path) -> None:
        rewards = [{"type": "length", "max": 5}]
        with pytest.raises(RunError, match="would take the columns from the rewards"):
            trained(tmp_path, "grpo", PROMPTS, training=GROUPS, rewards=rewards, data={"remove_unused_columns": True})


class TestAdapters:
    @pytest.mark.parametrize("bits", [{}, {"load_in_4bit": True}, {"load_in_8bit": True}], ids=["lora", "4bit", "8bit"])
    @pytest.mark.parametrize(
        ("algorithm", "rows", "blocks"),
        [
            ("sft", CHATS, {"training": TWO_STEPS}),
            ("dpo", PAIRS, {"training": {**TWO_STEPS, "precompute_ref_log_probs": True}}),
            ("gspo", PROMPTS, {"training": GROUPS, "rewards": VARIED}),
        ],
        ids=["sft", "dpo", "gspo"],
    )
    def test_every_layers_adapter_is_trained_saved_and_loaded_again(
        self, tmp_path: Path, tiny_chat: Path, bits: Row, algorithm: str, rows: list[Row], blocks: Row
    ) -> None:
        """With quantized weights too, and after evaluations: DPO's reference pass and GSPO's sampling are such."""
        if bits:
            pytest.importorskip("bitsandbytes")
        run = trained(tmp_path, algorithm, rows, model_settings={**LORA, **bits}, **blocks)
        second = {name: weight for name, weight in adapters(run).items() if "lora_B" in name}
        layers = AutoConfig.from_pretrained(tiny_chat).num_hidden_layers
        assert len(second) == layers * 7
        assert all(weight.abs().sum() > 0 for weight in second.values()), "it starts at zero, so it was not trained"
        assert not (Path(run.output_dir) / "model.safetensors").exists()
        base = AutoModelForCausalLM.from_pretrained(tiny_chat)
        model = PeftModel.from_pretrained(base, run.output_dir)
        ids = torch.tensor([[5, 6, 7]])
        with torch.no_grad():
            adapted = model(ids).logits
            with model.disable_adapter():
                assert not torch.allclose(adapted, model(ids).logits)

    @pytest.mark.parametrize("bits", ["load_in_4bit", "load_in_8bit"])
    def test_quantized_weights_train_with_the_defaults_of_trl(self, tmp_path: Path, bits: str) -> None:
        pytest.importorskip("bitsandbytes")
        training = {**TWO_STEPS, "bf16": True, "gradient_checkpointing": True}
        run = trained(tmp_path, "sft", CHATS, model_settings={**LORA, bits: True}, training=training)
        assert all(weight.abs().sum() > 0 for name, weight in adapters(run).items() if "lora_B" in name)

    def test_adapters_are_trained_after_an_evaluation_in_4_bits(self, tmp_path: Path) -> None:
        pytest.importorskip("bitsandbytes")
        training = {**TWO_STEPS, "eval_strategy": "steps", "eval_steps": 1, "eval_on_start": True}
        run = trained(
            tmp_path,
            "sft",
            CHATS,
            model_settings={**LORA, "load_in_4bit": True},
            training=training,
            data={"eval_holdout": 4},
        )
        assert all(weight.abs().sum() > 0 for name, weight in adapters(run).items() if "lora_B" in name)


class TestEvaluation:
    EVALUATE = {**TWO_STEPS, "eval_strategy": "steps", "eval_steps": 1}  # noqa: RUF012

    def test_rows_of_their_own_are_evaluated(self, tmp_path: Path) -> None:
        held_out = write_rows(tmp_path / "eval.jsonl", CHATS[:3])
        run = trained(tmp_path, "sft", CHATS[3:], data={"eval_datasets": [{"name": held_out}]}, training=self.EVALUATE)
        assert len(logged(run, "eval_loss")) == 2
        counts = json.loads((Path(run.run_dir) / "data" / "counts.json").read_text())
        assert [count["used"] for count in counts] == [13, 3]

    @pytest.mark.parametrize(("holdout", "rows"), [(5, 5), (0.25, 4)])
    def test_held_out_rows_are_not_trained_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, holdout: float, rows: int
    ) -> None:
        seen: list[tuple[Dataset, Dataset]] = []

        def remember(self: SFTTrainer, *_: object, **__: object) -> None:
            seen.append((self.train_dataset, self.eval_dataset))
            raise RunError("enough was seen")

        monkeypatch.setattr(SFTTrainer, "train", remember)
        with pytest.raises(RunError, match="enough"):
            trained(tmp_path, "sft", CHATS, data={"eval_holdout": holdout}, training=self.EVALUATE)
        ((training, held_out),) = seen
        assert (len(training), len(held_out)) == (16 - rows, rows)
        both = [tuple(ids) for ids in [*training["input_ids"], *held_out["input_ids"]]]
        assert len(set(both)) == 16

    @pytest.mark.parametrize(
        ("holdout", "message"),
        [(16, "nothing of a dataset"), (40, "nothing of a dataset"), (0.01, "nothing to evaluate")],
    )
    def test_a_holdout_that_leaves_one_side_empty_is_refused(
        self, tmp_path: Path, holdout: float, message: str
    ) -> None:
        with pytest.raises(RunError, match=f"data.eval_holdout: .* leaves {message}"):
            trained(tmp_path, "sft", CHATS, data={"eval_holdout": holdout}, training=self.EVALUATE)

    def test_rewards_are_evaluated_too(self, tmp_path: Path) -> None:
        training = {**GROUPS, "eval_strategy": "steps", "eval_steps": 2, "per_device_eval_batch_size": 4}
        rewards = [{"type": "exact_match"}]
        run = trained(tmp_path, "grpo", PROMPTS, data={"eval_holdout": 2}, training=training, rewards=rewards)
        assert len(logged(run, "eval_reward")) == 1


class TestResuming:
    @pytest.mark.parametrize(
        ("algorithm", "rows", "blocks"),
        [
            ("sft", CHATS, {"training": {"per_device_train_batch_size": 4}}),
            ("dpo", PAIRS, {"training": {"per_device_train_batch_size": 4}, "model_settings": LORA}),
            (
                "grpo",
                PROMPTS,
                {"training": {**GROUPS, "steps_per_generation": 1}, "rewards": VARIED},
            ),
        ],
        ids=["sft", "dpo lora", "grpo"],
    )
    def test_a_resumed_run_ends_with_the_weights_of_one_that_was_never_stopped(
        self, tmp_path: Path, algorithm: str, rows: list[Row], blocks: Row
    ) -> None:
        training = {**blocks["training"], "max_steps": 4, "save_strategy": "steps", "save_steps": 2}
        run = trained(tmp_path, algorithm, rows, **{**blocks, "training": training})
        weights = sorted(Path(run.output_dir).glob("*.safetensors"))[0]
        uninterrupted, losses = load_file(weights), logged(run, "loss")
        metrics = Path(run.run_dir) / "metrics.jsonl"
        lines = metrics.read_text().splitlines()
        weights.unlink()
        resumed = run.model_copy(update={"checkpoint": f"{run.output_dir}/checkpoint-2"})
        train(resumed)
        after = load_file(weights)
        assert all(torch.equal(weight, after[name]) for name, weight in uninterrupted.items())
        assert logged(run, "loss") == losses
        again = metrics.read_text().splitlines()
        assert again[:2] == lines[:2], "the first two steps were not trained again"
        assert [json.loads(line)["step"] for line in again] == [1, 2, 3, 4, 4]
        assert again[2:] != lines[2:]


class TestRefusals:
    def test_too_few_rows_for_one_batch_are_an_error_and_not_a_success_of_no_steps(self, tmp_path: Path) -> None:
        training = {**GROUPS, "per_device_train_batch_size": 8, "steps_per_generation": 4, "max_steps": 2}
        with pytest.raises(RunError, match="4 rows are too few for one batch"):
            trained(tmp_path, "grpo", PROMPTS[:4], training=training, rewards=[{"type": "length", "max": 5}])

    def test_too_few_rows_where_incomplete_batches_are_dropped(self, tmp_path: Path) -> None:
        with pytest.raises(RunError, match="3 rows are too few for one batch"):
            trained(tmp_path, "sft", CHATS[:3], training={**TWO_STEPS, "dataloader_drop_last": True})

    def test_fewer_rows_than_a_batch_train_otherwise(self, tmp_path: Path) -> None:
        assert len(logged(trained(tmp_path, "sft", CHATS[:3], training=TWO_STEPS), "loss")) == 2

    def test_what_the_trainer_refuses_is_an_error_without_a_traceback(self, tmp_path: Path) -> None:
        settings = {**LORA, "lora_target_modules": ["no_such_layer"]}
        with pytest.raises(RunError, match=r"SFTTrainer: .*no_such_layer"):
            trained(tmp_path, "sft", CHATS, training=TWO_STEPS, model_settings=settings)

    def test_what_the_config_refuses_is_told_with_its_name(self, tmp_path: Path) -> None:
        run = compiled(tmp_path, "sft", {"name": "rows.jsonl"})
        wrong = run.model_copy(update={"arguments": {**run.arguments, "no_such_argument": 1}})
        with pytest.raises(RunError, match=r"SFTConfig: .*no_such_argument"):
            worker.trainer_config(wrong, pytest.fail)

    def test_rows_are_checked_before_the_model_is_loaded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object, **__: object) -> None:
            pytest.fail("the model was loaded")

        monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", refuse)
        with pytest.raises(DataError, match="row 2: column `messages` has no assistant message"):
            trained(tmp_path, "sft", [CHATS[0], {"messages": [user("q")]}], training=TWO_STEPS)


class TestModels:
    def test_a_tokenizer_without_a_pad_token_trains_to_stop(
        self, tmp_path: Path, tiny_chat: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = tmp_path / "model"
        AutoModelForCausalLM.from_pretrained(tiny_chat).save_pretrained(folder)
        tokenizer = AutoTokenizer.from_pretrained(tiny_chat)
        tokenizer.pad_token = None
        tokenizer.save_pretrained(folder)
        run = trained(tmp_path, "sft", CHATS, model=str(folder), training=TWO_STEPS)
        assert "pad_token: the tokenizer has none, so '<|end|>' pads" in capsys.readouterr().out
        assert AutoTokenizer.from_pretrained(run.output_dir).pad_token == "<|end|>"

    def test_the_end_token_of_the_recipe_is_where_the_saved_model_stops(self, tmp_path: Path) -> None:
        run = trained(tmp_path, "sft", CHATS, training=TWO_STEPS, model_settings={"eos_token": "<|user|>"})
        tokenizer = AutoTokenizer.from_pretrained(run.output_dir)
        generation = AutoModelForCausalLM.from_pretrained(run.output_dir).generation_config
        assert tokenizer.eos_token == "<|user|>"
        stops = generation.eos_token_id if isinstance(generation.eos_token_id, list) else [generation.eos_token_id]
        assert tokenizer.eos_token_id in stops

    def test_weights_are_loaded_in_the_type_of_the_recipe(self, tmp_path: Path) -> None:
        run = trained(tmp_path, "sft", CHATS, training=TWO_STEPS, model_settings={"torch_dtype": "bfloat16"})
        weights = load_file(Path(run.output_dir) / "model.safetensors")
        assert {weight.dtype for weight in weights.values()} == {torch.bfloat16}

    def test_bf16_trains_on_a_cpu(self, tmp_path: Path) -> None:
        run = trained(tmp_path, "sft", CHATS, training={**TWO_STEPS, "bf16": True, "gradient_checkpointing": True})
        weights = load_file(Path(run.output_dir) / "model.safetensors")
        assert {weight.dtype for weight in weights.values()} == {torch.float32}


class TestRecords:
    def test_versions_counts_and_metrics_are_kept(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        run = trained(tmp_path, "sft", CHATS, training=TWO_STEPS)
        environment = json.loads((Path(run.run_dir) / "environment.json").read_text())
        assert environment["versions"]["torch"] == torch.__version__
        (counts,) = json.loads((Path(run.run_dir) / "data" / "counts.json").read_text())
        assert (counts["read"], counts["used"], counts["format"]) == (16, 16, "messages")
        out = capsys.readouterr().out
        assert "rows.jsonl (messages): 16 rows read, 16 used" in out
        assert "training all " in out
        assert "on cpu, 16 rows" in out
        assert "step 2/2  loss" in out

    def test_tensorboard_writes_its_events(self, tmp_path: Path) -> None:
        run = trained(tmp_path, "sft", CHATS, training={**TWO_STEPS, "report_to": ["tensorboard"]})
        assert list(Path(run.output_dir).rglob("events.out.tfevents.*"))

    def test_wandb_without_a_key_trains_offline(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import wandb

        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("WANDB_API_KEY", raising=False)
        run = trained(tmp_path, "sft", CHATS, training=TWO_STEPS, wandb={"enabled": True, "project": "p"})
        wandb.finish()
        assert "wandb: offline, since there is no key" in capsys.readouterr().out
        assert list(Path(run.run_dir).glob("wandb/offline-run-*/run-*.wandb"))


def test_the_losses_are_those_of_trl_alone(tmp_path: Path, tiny_chat: Path) -> None:
    """The same rows, arguments and seed: the same numbers, to the last digit."""
    ours = trained(tmp_path, "sft", CHATS, training={**TWO_STEPS, "max_steps": 4})
    config = SFTConfig(
        output_dir=str(tmp_path / "raw"),
        max_length=64,
        max_steps=4,
        per_device_train_batch_size=4,
        learning_rate=1e-3,
        logging_steps=1,
        bf16=False,
        use_cpu=True,
        gradient_checkpointing=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    raw = SFTTrainer(str(tiny_chat), args=config, train_dataset=Dataset.from_list(CHATS))
    raw.train()
    logs = [entry for entry in raw.state.log_history if "loss" in entry]
    assert logged(ours, "loss") == [entry["loss"] for entry in logs]
    assert logged(ours, "grad_norm") == [entry["grad_norm"] for entry in logs]
