"""What is held, against real tensors where there are some, and against the papers' arithmetic where there are none."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from recipe_engine.lint import check
from recipe_engine.parallel.memory import Memory, Placement, memory_of, weight_bytes
from recipe_engine.parallel.optimizers import state_bytes
from recipe_engine.parallel.size import size_of
from recipe_engine.parallel.workload import Workload, workload_of
from recipe_engine.recipe.launch import Strategy
from recipe_engine.runtime import builtin_model

BILLION = 10**9


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def workload(model: str = "org/model-8B", *overrides: str, algorithm: str = "sft", processes: int = 8) -> Workload:
    data = {"dpo": "builtin/preferences", "grpo": "builtin/questions", "ppo": "builtin/questions"}
    rows = data.get(algorithm, "builtin/conversations")
    text = f"model: {{base_model_name: {model}}}\ndata: {{datasets: [{{name: {rows}}}]}}\n"
    text += "rewards: [{type: exact_match}]\n" if algorithm in {"grpo", "ppo"} else ""
    Path("recipe.yaml").write_text(f"{text}training: {{algorithm: {algorithm}}}\n", encoding="utf-8")
    checked = check("recipe.yaml", overrides)
    assert checked.recipe is not None, checked.diagnostics
    work = workload_of(checked.recipe, processes)
    assert work is not None
    return work


def states(work: Workload, strategy: Strategy, processes: int = 8, **offload: bool) -> dict[str, tuple[float, float]]:
    """Bytes on the GPU and in host memory of each part that is always held."""
    memory = memory_of(work, Placement(strategy, processes, **offload), 80.0)
    return {re.sub(r" \(.*?\)", "", line.what): (line.device, line.host) for line in memory.states}


def held(tensors: Any) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


@pytest.mark.parametrize(
    ("dtype", "overrides"),
    [
        ("float32", ["training.bf16=false"]),
        ("bfloat16", []),
        ("float32", ["model.use_lora=true", "model.lora_r=4"]),
        ("bfloat16", ["model.use_lora=true", "model.lora_target_modules=[q_proj, v_proj]"]),
    ],
)
def test_weights_gradients_and_optimizer_are_those_of_a_real_step(dtype: str, overrides: list[str]) -> None:
    work = workload("builtin/tiny-chat", f"model.torch_dtype={dtype}", *overrides, processes=1)
    model: Any = AutoModelForCausalLM.from_pretrained(builtin_model.ensure(), dtype=getattr(torch, dtype))
    if "model.use_lora=true" in overrides:
        rank, targets = (4, "all-linear") if "model.lora_r=4" in overrides else (8, ["q_proj", "v_proj"])
        model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", r=rank, target_modules=targets))
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained)
    ids = torch.arange(8)[None]
    model(input_ids=ids, labels=ids).loss.backward()
    optimizer.step()
    moments = [state[name] for state in optimizer.state.values() for name in ("exp_avg", "exp_avg_sq")]
    measured = (held(model.parameters()), held(weight.grad for weight in trained), held(moments))
    assert weight_bytes(work.policy, work, Placement("single", 1)) == measured


class TestStrategies:
    """8 billion weights over 8 processes, in gigabytes, as in figure 1 of the ZeRO paper."""

    @pytest.mark.parametrize(
        ("strategy", "weights", "gradients", "optimizer"),
        [
            ("zero1", 16, 16, 12),
            ("zero2", 16, 2, 12),
            ("zero3", 2, 2, 12),
            ("fsdp2", 4, 4, 8),
        ],
    )
    def test_mixed_precision_takes_sixteen_bytes_a_weight_and_splits_what_each_stage_splits(
        self, strategy: Strategy, weights: int, gradients: int, optimizer: int
    ) -> None:
        found = states(workload(), strategy)
        parts = [found[name][0] / BILLION for name in ("weights", "gradients", "optimizer")]
        assert parts == [weights, gradients, optimizer]

    def test_plain_data_parallelism_splits_nothing_and_copies_gradients_once_more(self) -> None:
        found = states(workload("org/model-8B", "model.torch_dtype=float32"), "ddp")
        assert [found[name][0] / BILLION for name in ("weights", "gradients", "optimizer")] == [32, 32, 64]
        assert found["gradient buckets of DDP"][0] / BILLION == 32
        assert found["16-bit copies of the weights"][0] / BILLION == 16

    def test_an_offloaded_optimizer_takes_its_gradients_along(self) -> None:
        found = states(workload(), "zero3", offload_optimizer=True)
        assert (found["weights"][0] / BILLION, found["weights"][1]) == (2, 0)
        assert (found["optimizer"][0], found["optimizer"][1] / BILLION) == (0, 12)
        assert (found["gradients"][0], found["gradients"][1] / BILLION) == (0, 2 + 4)

    def test_offload_under_fsdp2_moves_everything(self) -> None:
        found = states(workload(), "fsdp2", offload_optimizer=True)
        assert [found[name][0] for name in ("weights", "gradients", "optimizer")] == [0, 0, 0]
        assert [found[name][1] / BILLION for name in ("weights", "gradients", "optimizer")] == [4, 4, 8]

    @pytest.mark.parametrize("strategy", ["ddp", "zero2", "zero3"])
    def test_adapters_leave_the_optimizer_small(self, strategy: Strategy) -> None:
        found = states(workload("org/model-8B", "model.use_lora=true"), strategy)
        assert found["optimizer"][0] < 0.3 * BILLION
        assert found["weights"][0] / BILLION == pytest.approx(16 if strategy != "zero3" else 2, rel=0.02)

    def test_quantized_weights_are_half_a_byte_and_their_constants(self) -> None:
        overrides = ["model.use_lora=true", "model.load_in_4bit=true"]
        work = workload("org/model-8B", *overrides)
        shape = work.policy.size.shape
        linear = 8 * BILLION - shape.head_weights
        expected = linear * (0.5 + 1 / 64 + 4 / (64 * 256)) + shape.head_weights * 2 + work.policy.trained * 2
        assert states(work, "ddp")["weights"][0] == pytest.approx(expected)


class TestOptimizers:
    @pytest.mark.parametrize(
        ("optim", "bytes_a_weight"),
        [
            ("adamw_torch_fused", 8),
            ("adamw_8bit", 2 + 8 / 256),
            ("lion_32bit", 4),
            ("lion_8bit", 1 + 4 / 256),
            ("sgd", 0),
            ("adafactor", 0.01),
            ("ademamix", 12),
        ],
    )
    def test_states_of_a_float32_weight(self, optim: str, bytes_a_weight: float) -> None:
        assert state_bytes(optim, 4) == bytes_a_weight

    def test_a_paged_optimizer_lies_in_host_memory(self) -> None:
        work = workload("org/model-8B", "training.optim=paged_adamw_8bit")
        device, host = states(work, "ddp")["optimizer"]
        assert device == 0
        assert host > 16 * BILLION


class TestActivations:
    def test_checkpointing_keeps_one_input_a_layer(self) -> None:
        """Korthikanti et al., section 5: 2 s b h bytes a layer, and one layer's activations."""
        work = workload("org/model-8B", "data.max_length=4096", "training.per_device_train_batch_size=2")
        on, off = (
            memory_of(replace(work, checkpointing=value), Placement("zero3", 8), 80.0) for value in (True, False)
        )
        assert part(on, "inputs of the layers") == 32 * 2 * 4096 * 4096 * 2
        assert part(off, "activations") == 32 * part(on, "activations of one layer")

    def test_pairs_are_two_rows_each(self) -> None:
        work = workload("org/model-8B", "training.per_device_train_batch_size=3", algorithm="dpo")
        assert work.rows == 6

    def test_eager_attention_holds_a_score_for_each_pair_of_tokens(self) -> None:
        work = workload("org/model-8B", "data.max_length=8192", "training.per_device_train_batch_size=1")
        plain, eager = (memory_of(replace(work, eager=value), Placement("zero3", 8), 80.0) for value in (False, True))
        more = part(eager, "activations of one layer") - part(plain, "activations of one layer")
        assert more == 5 * 32 * 8192 * 8192

    def test_logits_are_never_held_whole(self) -> None:
        work = workload("org/model-8B", "data.max_length=16384", "training.per_device_train_batch_size=4")
        logits = 4 * 16384 * work.policy.size.shape.vocabulary * 4
        assert part(memory_of(work, Placement("zero3", 8), 80.0), "output head") < logits / 4


class TestOtherModels:
    def test_a_reference_model_is_split_as_the_policy_and_not_held_with_adapters(self) -> None:
        work = workload(algorithm="dpo")
        assert states(work, "ddp")["reference model"][0] / BILLION == 16
        assert states(work, "fsdp2")["reference model"][0] / BILLION == 2
        assert workload("org/model-8B", "model.use_lora=true", algorithm="dpo").others == ()
        assert workload("org/model-8B", "training.precompute_ref_log_probs=true", algorithm="dpo").others == ()

    def test_a_penalty_to_a_reference_model_needs_one(self) -> None:
        assert workload(algorithm="grpo").others == ()
        (reference,) = workload("org/model-8B", "training.beta=0.1", algorithm="grpo").others
        assert reference.name == "reference model"

    def test_a_reward_model_is_whole_on_each_process(self) -> None:
        overrides = ["rewards=[{type: reward_model, model: org/judge-8B}]"]
        work = workload("org/model-8B", *overrides, algorithm="grpo")
        assert states(work, "fsdp2")["reward reward_model"][0] / BILLION == 16

    def test_a_critic_has_an_optimizer_of_its_own(self) -> None:
        found = states(workload(algorithm="ppo"), "zero2")
        assert found["optimizer of the critic"][0] / BILLION == 12
        assert found["weights of the critic"][0] / BILLION == 16

    def test_a_model_of_unknown_size_is_named(self) -> None:
        overrides = ["rewards=[{type: reward_model, model: org/judge}]"]
        assert workload("org/model-8B", *overrides, algorithm="grpo").unknown == ("reward reward_model org/judge",)


class TestSampling:
    def test_keys_and_values_are_those_of_a_round_and_no_part_of_training(self) -> None:
        overrides = [
            "data.max_length=2048",
            "training.per_device_train_batch_size=8",
            "training.steps_per_generation=4",
        ]
        work = workload("org/model-8B", *overrides, algorithm="grpo")
        memory = memory_of(work, Placement("zero2", 8), 80.0)
        assert work.sampled_rows == 32
        assert (
            sum(line.device for line in memory.sampling if line.what.startswith("keys"))
            == 32 * 2048 * 2 * 32 * 8 * 128 * 2
        )
        alone = replace(work, sampled_rows=0)
        assert memory_of(alone, Placement("zero2", 8), 80.0).during_training == memory.during_training

    def test_under_zero3_all_weights_are_gathered(self) -> None:
        work = workload("org/model-8B", algorithm="grpo")
        memory = memory_of(work, Placement("zero3", 8), 80.0)
        assert sum(line.device for line in memory.sampling if "gathered" in line.what) == 16 * BILLION

    def test_vllm_takes_its_share_unless_it_sleeps(self) -> None:
        share = ["training.use_vllm=true", "training.vllm_mode=colocate", "training.vllm_gpu_memory_utilization=0.5"]
        awake = memory_of(workload("org/model-8B", *share, algorithm="grpo"), Placement("zero3", 8), 80.0)
        asleep_work = workload("org/model-8B", *share, "training.vllm_enable_sleep_mode=true", algorithm="grpo")
        asleep = memory_of(asleep_work, Placement("zero3", 8), 80.0)
        assert awake.device > asleep.device
        assert asleep.during_sampling == 40 * 2**30


def test_the_embedded_model_has_the_size_that_is_written_down() -> None:
    model = AutoModelForCausalLM.from_pretrained(builtin_model.ensure())
    size = size_of("builtin/tiny-chat")
    assert size is not None
    assert size.parameters == sum(weight.numel() for weight in model.parameters())
    by_files = size_of(str(builtin_model.ensure()))
    assert by_files is not None
    assert (by_files.parameters, by_files.exact) == (size.parameters, True)
    assert by_files.shape == size.shape


def part(memory: Memory, name: str) -> float:
    return sum(line.device for line in memory.training if line.what.startswith(name))
