"""PPO's critic and PRIME's reward model beside the policy: started, trained, saved, resumed, as whole trainings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    Trainer,
    TrainerCallback,
)

from recipe_engine.compiled import CompiledRun
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.worker import train
from tests.runtime.support import Row, logged
from tests.runtime.test_worker import LORA, PROMPTS, VARIED, changed, trained

TWO_STEPS = {"max_steps": 2, "per_device_train_batch_size": 4, "learning_rate": 1e-4, "max_completion_length": 8}
PPO = {**TWO_STEPS, "critic_learning_rate": 1e-3}
PRIME = {**TWO_STEPS, "num_generations": 4, "prm_learning_rate": 1e-3, "oversample_factor": 1}
LENGTH = {"rewards": VARIED}


def weights(folder: str | Path) -> dict[str, Tensor]:
    return load_file(Path(folder) / "model.safetensors")


def same(one: str | Path, other: str | Path) -> bool:
    ours, theirs = weights(one), weights(other)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def ppo(folder: Path, *, training: Row | None = None, **blocks: Any) -> CompiledRun:
    return trained(folder, "ppo", PROMPTS, training={**PPO, **(training or {})}, **LENGTH, **blocks)


def reward_model(folder: Path, base: Path, **changes: Any) -> str:
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1)
    model.save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.add_tokens(changes.get("tokens", []))
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, list[float]]]:
    """For every step: the policy's first weight's norm before it, and the learning rates of all groups."""
    seen: list[tuple[float, list[float]]] = []

    class Watch(TrainerCallback):
        def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **known: Any) -> None:
            policy = next(known["model"].parameters()).double().norm()
            seen.append((float(policy), [group["lr"] for group in known["optimizer"].param_groups]))

    original = Trainer.train

    def watched(self: Trainer, *arguments: Any, **keywords: Any) -> Any:
        self.add_callback(Watch())
        return original(self, *arguments, **keywords)

    monkeypatch.setattr(Trainer, "train", watched)
    return seen


class TestPpo:
    def test_policy_and_critic_are_trained_and_are_models_of_their_own(self, tmp_path: Path, tiny_chat: Path) -> None:
        run = ppo(tmp_path)
        saved = weights(run.output_dir)
        assert saved.keys() == weights(tiny_chat).keys()
        assert any("layers.0." in name for name in changed(run, tiny_chat))
        AutoModelForCausalLM.from_pretrained(run.output_dir)
        critic = AutoModelForTokenClassification.from_pretrained(Path(run.output_dir) / "critic")
        assert critic.score.weight.abs().sum() > 0, "it starts at zero, so it was not trained"
        body, before = critic.state_dict(), weights(tiny_chat)
        assert not torch.equal(body["model.layers.0.mlp.up_proj.weight"], before["model.layers.0.mlp.up_proj.weight"])

    def test_what_a_practitioner_looks_at_is_logged(self, tmp_path: Path) -> None:
        training = {"beta": 0.1, "kl_in_reward": True, "kl_controller": "adaptive", "entropy_coef": 0.01}
        run = ppo(tmp_path, training=training)
        for name in (
            *("policy_loss", "value_loss", "value/explained_variance", "value/clip_ratio", "clip_ratio/region_mean"),
            *("approx_kl", "kl", "kl_coef", "entropy", "returns/mean", "advantages/std", "score", "reward_after_kl"),
            *("critic/grad_norm", "reward", "value/mean"),
        ):
            assert len(logged(run, name)) == 2, name

    def test_mini_batches_and_epochs_of_a_round_leave_the_sampling_policy(self, tmp_path: Path) -> None:
        training = {"steps_per_generation": 2, "num_iterations": 2, "max_steps": 4, "learning_rate": 3e-3}
        run = ppo(tmp_path, training=training)
        moved = logged(run, "approx_kl")
        assert moved[0] == pytest.approx(0, abs=1e-9)
        assert all(value > 1e-7 for value in moved[1:])
        assert len(logged(run, "score")) == 1, "one round"

    @pytest.mark.parametrize("bits", [{}, {"load_in_4bit": True}], ids=["lora", "4bit"])
    def test_adapters_are_trained_with_a_whole_critic(self, tmp_path: Path, tiny_chat: Path, bits: Row) -> None:
        if bits:
            pytest.importorskip("bitsandbytes")
        run = ppo(tmp_path, training={"beta": 0.1, "kl_in_reward": True}, model_settings={**LORA, **bits})
        adapter = load_file(Path(run.output_dir) / "adapter_model.safetensors")
        assert not any("critic" in name for name in adapter)
        assert all(weight.abs().sum() > 0 for name, weight in adapter.items() if "lora_B" in name)
        assert not (Path(run.output_dir) / "model.safetensors").exists()
        critic = weights(Path(run.output_dir) / "critic")
        name = "model.layers.0.mlp.up_proj.weight"
        assert not torch.equal(critic[name], weights(tiny_chat)[name])

    def test_the_head_alone_can_be_trained(self, tmp_path: Path, tiny_chat: Path) -> None:
        run = ppo(tmp_path, training={"critic_trained": "head"})
        critic, before = weights(Path(run.output_dir) / "critic"), weights(tiny_chat)
        assert critic["score.weight"].abs().sum() > 0
        assert all(torch.equal(weight, before[name]) for name, weight in critic.items() if name.startswith("model."))

    def test_it_can_be_evaluated(self, tmp_path: Path) -> None:
        evaluated = {"eval_strategy": "steps", "eval_steps": 1, "per_device_eval_batch_size": 4}
        run = ppo(tmp_path, training=evaluated, data={"eval_holdout": 4})
        assert len(logged(run, "eval_reward")) == 2

    def test_gradient_checkpointing_and_bf16_train_it_too(self, tmp_path: Path) -> None:
        run = ppo(tmp_path, training={"gradient_checkpointing": True, "bf16": True})
        assert len(logged(run, "value_loss")) == 2


class TestCriticStart:
    def values_at_start(self, folder: Path, monkeypatch: pytest.MonkeyPatch, source: str | None) -> Any:
        critics: list[Any] = []
        monkeypatch.setattr(Trainer, "train", lambda self, **_: critics.append(self.companion) or _stop())
        with pytest.raises(RunError, match="enough was seen"):
            ppo(folder, training={"critic_init": source} if source else {})
        return critics[0].model

    def test_from_the_policy_it_has_a_head_of_zeros(
        self, tmp_path: Path, tiny_chat: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = self.values_at_start(tmp_path, monkeypatch, None)
        assert not model.score.weight.any()
        assert not model.score.bias.any()
        name = "model.layers.0.mlp.up_proj.weight"
        assert torch.equal(model.state_dict()[name], weights(tiny_chat)[name])

    def test_from_a_reward_model_it_scores_as_that_does(
        self, tmp_path: Path, tiny_chat: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source = reward_model(tmp_path / "rm", tiny_chat)
        model = self.values_at_start(tmp_path, monkeypatch, source)
        scorer = AutoModelForSequenceClassification.from_pretrained(source).eval()
        ids = torch.tensor([[5, 6, 7, 8]])
        with torch.no_grad():
            assert torch.allclose(model.eval()(ids).logits[:, -1], scorer(ids).logits, atol=1e-6)

    def test_a_model_without_a_head_is_no_reward_model(
        self, tmp_path: Path, tiny_chat: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(RunError, match="has no head `score` of one number"):
            ppo(tmp_path, training={"critic_init": str(tiny_chat)})

    def test_it_must_read_the_policys_tokens(self, tmp_path: Path, tiny_chat: Path) -> None:
        source = reward_model(tmp_path / "rm", tiny_chat, tokens=["<another>"])
        with pytest.raises(RunError, match="has another tokenizer"):
            ppo(tmp_path, training={"critic_init": source})


def _stop() -> None:
    raise RunError("enough was seen")


class TestWarmup:
    def test_the_policy_stays_and_its_schedule_begins_afterwards(
        self, tmp_path: Path, sizes: list[tuple[float, list[float]]]
    ) -> None:
        training = {"critic_warmup_steps": 2, "max_steps": 4, "weight_decay": 0.1, "lr_scheduler_type": "linear"}
        ppo(tmp_path, training=training)
        norms = [norm for norm, _ in sizes]
        assert norms[0] == norms[1] == norms[2] != norms[3]
        policy, critic = ([rates[place] for _, rates in sizes] for place in (0, -1))
        assert policy == pytest.approx([0.0, 0.0, 1e-4, 0.5e-4])
        assert critic == pytest.approx([1e-3, 0.75e-3, 0.5e-3, 0.25e-3])


def resumed(folder: Path, run: CompiledRun) -> CompiledRun:
    """The run again, in a folder of its own, from its checkpoint after two steps."""
    (folder / "again" / "run").mkdir(parents=True)
    places = {"output_dir": str(folder / "again"), "run_dir": str(folder / "again" / "run")}
    arguments = {**run.arguments, "output_dir": places["output_dir"]}
    checkpoint = f"{run.output_dir}/checkpoint-2"
    again = run.model_copy(update={**places, "arguments": arguments, "checkpoint": checkpoint})
    train(again)
    assert next(line["step"] for line in steps_after(again, 0)) == 3, "it went on"
    return again


def steps_after(run: CompiledRun, step: int) -> list[Row]:
    """What was logged of the steps after that one, but for times."""
    lines = map(json.loads, (Path(run.run_dir) / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    entries = [line for line in lines if line["step"] > step and "loss" in line]
    return [{name: value for name, value in line.items() if name not in {"time", "step_time"}} for line in entries]


SAVED = {"max_steps": 4, "save_strategy": "steps", "save_steps": 2}


class TestResume:
    @pytest.mark.parametrize(
        ("algorithm", "training", "companion", "model"),
        [
            (
                "ppo",
                {**PPO, "beta": 0.1, "kl_in_reward": True, "kl_controller": "adaptive", "kl_horizon": 40},
                "critic",
                {},
            ),
            ("ppo", {**PPO, "critic_warmup_steps": 1, "steps_per_generation": 2}, "critic", {}),
            ("ppo", PPO, "critic", LORA),
            ("prime", {**PRIME, "oversample_factor": 2, "accuracy_upper_bound": 0.9}, "prm", {}),
        ],
        ids=["ppo", "ppo after a warm-up", "ppo with adapters", "prime"],
    )
    def test_it_goes_on_bit_by_bit(
        self, tmp_path: Path, algorithm: str, training: Row, companion: str, model: Row
    ) -> None:
        arguments: Row = {**training, **SAVED}
        whole = trained(tmp_path, algorithm, PROMPTS, training=arguments, model_settings=model, **LENGTH)
        rest = resumed(tmp_path, whole)
        assert same(Path(whole.output_dir) / companion, Path(rest.output_dir) / companion)
        if model:
            files = [Path(run.output_dir, "adapter_model.safetensors") for run in (whole, rest)]
            first, second = (load_file(file) for file in files)
            assert all(torch.equal(first[name], second[name]) for name in first)
        else:
            assert same(whole.output_dir, rest.output_dir)
        assert steps_after(whole, 2) == steps_after(rest, 2)
        if "kl_controller" in training:
            assert len(set(logged(whole, "kl_coef"))) == 4

    def test_a_checkpoint_without_the_critic_is_refused(self, tmp_path: Path) -> None:
        run = ppo(tmp_path, training={**SAVED, "max_steps": 2})
        (Path(run.output_dir) / "checkpoint-2" / "critic" / "config.json").unlink()
        with pytest.raises(RunError, match="holds no critic"):
            resumed(tmp_path, run)

    def test_the_best_checkpoint_is_loaded_with_its_critic(self, tmp_path: Path) -> None:
        evaluated = {"eval_strategy": "steps", "eval_steps": 1, "per_device_eval_batch_size": 4, "save_steps": 1}
        best = {"load_best_model_at_end": True, "metric_for_best_model": "eval_loss", "greater_is_better": False}
        training = {**SAVED, **evaluated, **best, "max_steps": 3, "log_completions": True}
        run = ppo(tmp_path, training=training, data={"eval_holdout": 4})
        losses = logged(run, "eval_loss")
        checkpoint = Path(run.output_dir) / f"checkpoint-{1 + losses.index(min(losses))}"
        assert same(run.output_dir, checkpoint)
        assert same(Path(run.output_dir) / "critic", checkpoint / "critic")


class TestPrime:
    def test_the_reward_model_learns_and_is_saved_beside_the_model(self, tmp_path: Path, tiny_chat: Path) -> None:
        run = trained(tmp_path, "prime", PROMPTS, training=PRIME, **LENGTH)
        model = AutoModelForCausalLM.from_pretrained(Path(run.output_dir) / "prm")
        name = "model.layers.0.mlp.up_proj.weight"
        assert not torch.equal(model.state_dict()[name], weights(tiny_chat)[name])
        assert not torch.equal(model.state_dict()[name], weights(run.output_dir)[name])
        assert logged(run, "prm/loss")[0] == pytest.approx(0.6931, abs=1e-3), "it starts at the reference model"
        for name in (
            "policy_loss",
            "prm/accuracy",
            "prm/reward",
            "filter/outside",
            "sampling/rounds",
            "advantages/std",
        ):
            assert len(logged(run, name)) == 2, name

    def test_a_reward_above_1_is_no_accuracy(self, tmp_path: Path) -> None:
        rewards = [{**VARIED[0], "weight": 3.0}, {"type": "length", "name": "any", "max": 999}]
        with pytest.raises(RunError, match="prime needs an accuracy from 0 to 1"):
            trained(tmp_path, "prime", PROMPTS, training=PRIME, rewards=rewards)

    def test_adapters_are_trained_with_a_whole_reward_model(self, tmp_path: Path) -> None:
        run = trained(tmp_path, "prime", PROMPTS, training=PRIME, model_settings=LORA, **LENGTH)
        adapter = load_file(Path(run.output_dir) / "adapter_model.safetensors")
        assert all(weight.abs().sum() > 0 for name, weight in adapter.items() if "lora_B" in name)
        config = json.loads((Path(run.output_dir) / "prm" / "config.json").read_text())
        assert config["architectures"] == ["Qwen3ForCausalLM"]
