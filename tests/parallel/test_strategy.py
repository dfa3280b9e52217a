"""What ``auto`` takes, and the reason it gives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recipe_engine.compile import Options
from recipe_engine.parallel.strategy import Choice
from tests.compile.support import GRPO, SFT, compilation


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def chosen(*overrides: str, gpus: int = 8, text: str = SFT) -> Choice:
    return compilation(text, *overrides, options=Options(gpus=gpus)).choice


def model(name: str) -> str:
    return f"model.base_model_name={name}"


class TestAuto:
    def test_a_model_that_fits_is_held_by_each_gpu(self) -> None:
        choice = chosen(model("org/m-1B"))
        assert choice.strategy == "ddp"
        assert choice.why.startswith("ddp fits: about ")
        assert choice.why.endswith(" of 80 GiB a GPU for 1.0B weights")

    def test_one_that_does_not_is_split(self) -> None:
        choice = chosen(model("org/m-14B"))
        assert choice.strategy == "fsdp2"
        assert "fsdp2 fits" in choice.why
        assert "; ddp would need " in choice.why

    def test_without_vllm_a_model_that_samples_is_split_by_deepspeed(self) -> None:
        """FSDP2 would gather each layer for every token."""
        assert chosen(model("org/m-14B"), text=GRPO).strategy in {"zero2", "zero3"}
        assert chosen(model("org/m-14B"), "training.use_vllm=true", text=GRPO).strategy == "fsdp2"

    def test_what_fits_on_no_gpu_lies_in_host_memory(self) -> None:
        choice = chosen(model("org/m-70B"), gpus=4)
        assert (choice.strategy, choice.offload_optimizer) == ("zero3", True)
        assert "in host memory fits" in choice.why
        assert "GiB of the machine's memory for each GPU" in choice.why

    def test_one_gpu_holds_all_or_offloads(self) -> None:
        assert chosen(model("org/m-1B"), gpus=1).strategy == "single"
        choice = chosen(model("org/m-14B"), gpus=1)
        assert (choice.strategy, choice.offload_optimizer) == ("zero2", True)

    def test_quantized_weights_are_never_split(self) -> None:
        quantized = ["model.use_lora=true", "model.load_in_4bit=true"]
        assert chosen(model("org/m-70B"), *quantized).strategy == "ddp"
        assert chosen(model("org/m-405B"), *quantized).why.startswith("nothing fits: ddp needs least, about ")

    def test_adapters_make_room(self) -> None:
        assert chosen(model("org/m-14B"), "model.use_lora=true").strategy == "ddp"

    def test_the_memory_of_a_gpu_is_the_recipes(self) -> None:
        assert chosen(model("org/m-1B"), "launch.gpu_memory_gib=8").strategy == "fsdp2"
        assert chosen(model("org/m-14B"), "launch.gpu_memory_gib=288").strategy == "ddp"

    def test_a_size_that_is_not_known_is_said(self) -> None:
        choice = chosen(model("org/mine"))
        assert (choice.strategy, choice.memory) == ("ddp", None)
        assert choice.why == "the size of org/mine is not known, so nothing says what fits"

    def test_offload_that_is_asked_for_is_kept(self) -> None:
        choice = chosen(model("org/m-1B"), "launch.offload_optimizer=true")
        assert (choice.strategy, choice.offload_optimizer) == ("zero3", True)

    def test_a_reference_model_that_moves_itself_is_not_split(self) -> None:
        text = SFT.replace("algorithm: sft", "algorithm: dpo").replace("conversations", "preferences")
        assert chosen(model("org/m-14B"), "training.ref_offload=true", text=text).strategy == "ddp"

    @pytest.mark.parametrize(("processes", "strategy"), [(1, "single"), (2, "ddp")])
    def test_the_cpu_has_nothing_to_fit_into(self, processes: int, strategy: str) -> None:
        choice = chosen(model("org/m-70B"), f"launch.cpu_processes={processes}", gpus=0)
        assert (choice.strategy, choice.memory) == (strategy, None)


class TestByName:
    @pytest.mark.parametrize("asked", ["ddp", "fsdp2"])
    def test_one_process_has_nothing_to_share(self, asked: str) -> None:
        choice = chosen(f"launch.strategy={asked}", gpus=1)
        assert choice.strategy == "single"
        assert choice.why == f"one process has nothing to share: {asked} is for several"

    def test_on_one_gpu_zero_is_real_for_it_offloads(self) -> None:
        assert chosen("launch.strategy=zero2", gpus=1).strategy == "zero2"
        assert chosen("launch.strategy=zero2", gpus=0).strategy == "single"

    @pytest.mark.parametrize(("stage", "strategy"), [(1, "zero1"), (2, "zero2"), (3, "zero3")])
    def test_a_deepspeed_file_tells_its_stage(self, stage: int, strategy: str) -> None:
        zero = {
            "stage": stage,
            "stage3_gather_16bit_weights_on_model_save": True,
            "offload_optimizer": {"device": "cpu"},
        }
        Path("ds.json").write_text(json.dumps({"zero_optimization": zero}))
        choice = chosen("training.deepspeed_config=ds.json")
        assert (choice.strategy, choice.offload_optimizer, choice.offload_parameters) == (strategy, True, False)
        assert choice.why == f"training.deepspeed_config: ds.json asks for stage {stage}"


def test_what_auto_offloads_reaches_the_configuration() -> None:
    run = compilation(SFT, model("org/m-14B"), options=Options(gpus=1)).run
    assert run.launch.offload_optimizer
    assert run.arguments["deepspeed"]["zero_optimization"]["offload_optimizer"]["device"] == "cpu"


@pytest.mark.parametrize(
    ("named", "bf16", "fp16"), [("bf16", True, False), ("fp16", False, True), ("no", False, False)]
)
def test_mixed_precision_becomes_the_trainers_arguments(named: str, bf16: bool, fp16: bool) -> None:
    arguments = compilation(SFT, f"launch.mixed_precision='{named}'").run.arguments
    assert (arguments["bf16"], arguments["fp16"]) == (bf16, fp16)
