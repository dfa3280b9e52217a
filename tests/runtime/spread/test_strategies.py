"""One recipe under every strategy: the same losses, what was asked for in use, models that load, resumes bit-equal."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from tests.runtime.spread.support import Job, curve, job, run_session, weights

pytestmark = pytest.mark.slow

PROCESSES = {"single": 1, "ddp": 2, "zero1": 2, "zero2": 2, "zero3": 2, "fsdp2": 2}
SHARED = [strategy for strategy in PROCESSES if strategy != "single"]

SHARDED = ["zero3", "fsdp2"]

SAVED: dict[str, Any] = {"save_strategy": "steps", "save_steps": 3}
LORA: dict[str, Any] = {"use_lora": True, "lora_r": 4, "lora_dropout": 0.0}
OF_A_USER: dict[str, Any] = {
    "zero_optimization": {"stage": 3, "stage3_gather_16bit_weights_on_model_save": True},
    "train_micro_batch_size_per_gpu": "auto",
    "gradient_accumulation_steps": "auto",
    "gradient_clipping": "auto",
}
BROKEN = {
    "ddp": {"ddp_that_wraps_nothing": "the gradients of the processes would not be averaged: the model is Qwen3"},
    "zero2": {
        "another_stage": "the stage of ZeRO was asked to be 2, and is 1",
        "another_clipping": "DeepSpeed's gradient clipping was asked to be 1.0, and is 7.0",
    },
    "zero3": {"another_stage": "the stage of ZeRO was asked to be 3, and is 1"},
    "fsdp2": {
        "an_accelerate_that_shards_on_no_cpu": "FSDP was asked for: the model is DistributedDataParallel",
        "shards_that_hold_everything": "a trained weight that each process holds whole was asked to be None",
    },
}


def grouped(strategies: Iterable[str], *others: str) -> list[Any]:
    """Strategies as parameters, such that one process of the suite has all tests of one: they share its session."""
    return [pytest.param(one, *others, marks=pytest.mark.xdist_group(f"under {one}")) for one in strategies]


class Session(NamedTuple):
    """What a session trained, by name, and what went wrong with each."""

    jobs: dict[str, Job]
    told: dict[str, str | None]

    def output(self, name: str) -> Path:
        return Path(self.jobs[name].run.output_dir)


_SESSIONS: dict[str, Session] = {}


@pytest.fixture
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Session:
    """All runs of a strategy, trained when they are first asked for."""
    return _session(request.param, tmp_path_factory)


@pytest.fixture
def alone(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """The runs on one process."""
    return _session("single", tmp_path_factory)


def _session(strategy: str, factory: pytest.TempPathFactory) -> Session:
    if strategy not in _SESSIONS:
        jobs = _jobs(factory.mktemp(strategy), strategy, PROCESSES[strategy])
        _SESSIONS[strategy] = Session({one.name: one for one in jobs}, run_session(jobs))
    return _SESSIONS[strategy]


def _jobs(folder: Path, strategy: str, processes: int) -> list[Job]:
    def of(name: str, **others: Any) -> Job:
        return job(folder, name, strategy, processes, **others)

    accumulated = {"per_device_train_batch_size": 4 // processes, "gradient_accumulation_steps": 2}
    jobs = [
        of("sft", training=SAVED | accumulated),
        of("dpo", algorithm="dpo"),
        of("grpo", algorithm="grpo", training=SAVED),
        of("lora", model_settings=LORA, training=SAVED),
    ]
    if strategy != "single":
        for whole in [one for one in jobs if one.name != "dpo"]:
            start = Path(whole.run.output_dir) / "checkpoint-3"
            further: dict[str, Any] = {"model_settings": LORA} if whole.name == "lora" else {}
            further |= {"training": accumulated} if whole.name == "sft" else {}
            jobs.append(of(f"{whole.name} resumed", algorithm=whole.run.algorithm, checkpoint=start, **further))
        if strategy == "zero2":
            jobs.append(of("a file", training=accumulated, deepspeed=OF_A_USER))
        if strategy in SHARDED:
            both = {"offload_optimizer": True, "offload_parameters": True}
            jobs.append(of("offloaded", training=accumulated, launch=both))
            jobs.append(of("minillm", algorithm="minillm", broken="completions_that_end_early_on_one_process"))
        jobs += [of(broken, broken=broken) for broken in BROKEN.get(strategy, {})]
    return jobs


@pytest.mark.parametrize("session", grouped(SHARED), indirect=True)
@pytest.mark.parametrize("name", ["sft", "dpo", "grpo", "lora"])
def test_losses_are_those_of_one_process_to_five_digits(name: str, session: Session, alone: Session) -> None:
    assert session.told[name] is None
    names = ("loss", "reward", "kl") if name == "grpo" else ("loss",)
    found, expected = (curve(one.jobs[name].run, *names) for one in (session, alone))
    assert len(expected["loss"]) == 4
    assert len(set(expected["loss"])) == 4
    for of_name, values in expected.items():
        assert found[of_name] == pytest.approx(values, rel=1e-5, abs=2e-7), of_name
    norms = [curve(one.jobs[name].run, "grad_norm")["grad_norm"] for one in (session, alone)]
    assert norms[0] == pytest.approx(norms[1], rel=1e-4)


@pytest.mark.parametrize("session", grouped(SHARDED), indirect=True)
def test_a_teacher_in_shares_is_asked_token_by_token_for_as_long_as_each_process_samples(session: Session) -> None:
    assert session.told["minillm"] is None


@pytest.mark.parametrize("session", grouped(SHARDED), indirect=True)
def test_what_is_to_be_offloaded_where_all_is_in_main_memory_changes_nothing(session: Session) -> None:
    assert session.told["offloaded"] is None
    found, expected = (curve(session.jobs[name].run, "loss") for name in ("offloaded", "sft"))
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-5)


@pytest.mark.parametrize("session", grouped(["zero2"]), indirect=True)
def test_a_deepspeed_file_of_the_users_runs_on_cpu_processes_too(session: Session, alone: Session) -> None:
    assert session.told["a file"] is None
    found, expected = (curve(one, "loss") for one in (session.jobs["a file"].run, alone.jobs["sft"].run))
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-5)


@pytest.mark.parametrize("session", grouped(SHARED), indirect=True)
@pytest.mark.parametrize("name", ["sft", "grpo"])
def test_what_is_saved_loads_in_plain_transformers(name: str, session: Session, alone: Session) -> None:
    _, told = AutoModelForCausalLM.from_pretrained(session.output(name), output_loading_info=True)
    assert not any(told.values())
    _assert_close(session.output(name) / "model.safetensors", alone.output(name) / "model.safetensors")


@pytest.mark.parametrize("session", grouped(SHARED), indirect=True)
def test_adapters_are_saved_whole(session: Session, alone: Session) -> None:
    file = "adapter_model.safetensors"
    _assert_close(session.output("lora") / file, alone.output("lora") / file)


@pytest.mark.parametrize("session", grouped(SHARED), indirect=True)
@pytest.mark.parametrize("name", ["sft", "grpo", "lora"])
def test_a_resumed_run_ends_bit_equal_to_one_that_was_never_stopped(name: str, session: Session) -> None:
    """``grpo`` is resumed in the middle of a round of samples."""
    assert session.told[f"{name} resumed"] is None
    assert weights(session.output(f"{name} resumed")) == weights(session.output(name))


@pytest.mark.parametrize(
    ("session", "broken", "message"),
    [case for strategy, of in BROKEN.items() for one in of.items() for case in grouped([strategy], *one)],
    indirect=["session"],
)
def test_what_is_not_as_asked_for_ends_the_run_before_its_first_step(
    session: Session, broken: str, message: str
) -> None:
    told = session.told[broken]
    assert told is not None
    assert told.startswith(f"RunError: {message}")
    assert not (session.output(broken) / "model.safetensors").exists()


def _assert_close(found: Path, expected: Path) -> None:
    ours, theirs = load_file(found), load_file(expected)
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, rtol=1e-3, atol=1e-4, msg=name)
