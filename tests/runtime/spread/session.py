"""Several runs, one after another, in the same processes: starting one that imports torch costs more than such a run.

``python -m tests.runtime.spread.session COMPILED`` is one process; the plan of the session lies beside the file. Each
run is trained as ``recipe train`` has a worker do it, but for two things. The process group outlives a run. And what is
sampled follows from a completion's place in its group and from the number of tokens before it, not from the state of a
generator, which is another in each process: the model's own probabilities are drawn from with the same noise, however
the rows are shared. (All completions have ``LENGTH`` tokens.)
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor
from transformers import AutoTokenizer

from recipe_engine.compiled import CompiledRun
from recipe_engine.runtime import builtin_model, process_group
from recipe_engine.runtime.worker import train

GROUP = 4
"""Completions of a prompt; each process has whole groups."""
LENGTH = 4
PLAN = "plan.json"


@contextmanager
def seeded_sampling() -> Iterator[None]:
    """Draw by the Gumbel-max trick, with noise of the place in the group and in the completion."""
    draws = 0

    def drawn(probabilities: Tensor, *_: Any, **__: Any) -> Tensor:
        nonlocal draws
        noise = torch.rand(GROUP, probabilities.shape[-1], generator=torch.Generator().manual_seed(draws % LENGTH))
        draws += 1
        gumbel = -torch.log(-torch.log(noise.clamp(1e-9, 1 - 1e-7)))
        scores = probabilities.float().log() + gumbel[torch.arange(len(probabilities)) % GROUP]
        return scores.argmax(-1, keepdim=True)

    with patch.object(torch, "multinomial", drawn):
        yield


@contextmanager
def ddp_that_wraps_nothing() -> Iterator[None]:
    with patch.object(Accelerator, "prepare_model", lambda self, model, **_: model):
        yield


@contextmanager
def an_accelerate_that_shards_on_no_cpu() -> Iterator[None]:
    """What accelerate does by itself."""
    own = AcceleratorState.__init__
    AcceleratorState.__init__ = own.__wrapped__
    try:
        with patch.object(process_group, "_let_accelerate_shard_on_cpus", lambda: None):
            yield
    finally:
        AcceleratorState.__init__ = own


@contextmanager
def shards_that_hold_everything() -> Iterator[None]:
    import torch.distributed.fsdp as fsdp

    shard = fsdp.fully_shard

    def ignoring(module: Any, **others: Any) -> Any:
        modules = module if isinstance(module, list) else [module]
        ignored = {parameter for one in modules for parameter in one.parameters()}
        return shard(module, **{**others, "ignored_params": ignored})

    with patch.object(fsdp, "fully_shard", ignoring):
        yield


@contextmanager
def another_stage() -> Iterator[None]:
    yield from _deepspeed_with(zero_optimization={"stage": 1})


@contextmanager
def another_clipping() -> Iterator[None]:
    yield from _deepspeed_with(gradient_clipping=7.0)


def _deepspeed_with(**changed: Any) -> Iterator[None]:
    from transformers.integrations.deepspeed import HfTrainerDeepSpeedConfig

    process = HfTrainerDeepSpeedConfig.trainer_config_process

    def and_change(self: Any, *arguments: Any, **keywords: Any) -> None:
        process(self, *arguments, **keywords)
        self.config.update(changed)

    with patch.object(HfTrainerDeepSpeedConfig, "trainer_config_process", and_change):
        yield


@contextmanager
def completions_that_end_early_on_one_process() -> Iterator[None]:
    """Nothing broken: while one process has nothing more to sample, the others go on."""
    end = AutoTokenizer.from_pretrained(builtin_model.ensure()).eos_token_id
    seeded = torch.multinomial

    def drawn(probabilities: Tensor, *arguments: Any, **keywords: Any) -> Tensor:
        found = seeded(probabilities, *arguments, **keywords)
        return torch.full_like(found, end) if os.environ["RANK"] == "1" else found

    with patch.object(torch, "multinomial", drawn):
        yield


BROKEN: dict[str, Callable[[], Any]] = {
    broken.__name__: broken
    for broken in (
        ddp_that_wraps_nothing,
        an_accelerate_that_shards_on_no_cpu,
        shards_that_hold_everything,
        another_stage,
        another_clipping,
        completions_that_end_early_on_one_process,
    )
}


def trained(compiled: str, broken: str | None) -> tuple[Any, str | None]:
    """The trainer, which is kept, and what went wrong."""
    run = CompiledRun.model_validate_json(Path(compiled).read_text(encoding="utf-8"))
    with ExitStack() as stack:
        stack.enter_context(patch.object(Accelerator, "end_training", lambda self: None))
        stack.enter_context(seeded_sampling())
        if broken:
            stack.enter_context(BROKEN[broken]())
        try:
            return train(run), None
        except Exception as error:  # noqa: BLE001 # whatever it is, the test is told
            traceback.print_exc()
            return error, f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    from recipe_engine.runtime.__main__ import quieten

    quieten()
    torch.set_num_threads(1)
    folder, kept, told = Path(sys.argv[1]).parent, [], {}
    for job in json.loads((folder / PLAN).read_text(encoding="utf-8")):
        result, told[job["name"]] = trained(job["compiled"], job["broken"])
        kept.append(result)
        (folder / f"told.{os.environ.get('RANK', '0')}").write_text(json.dumps(told), encoding="utf-8")
        if told[job["name"]] and not job["broken"]:
            sys.stderr.flush()
            os._exit(1)  # the others wait for this one
    sys.stdout.flush()
    os._exit(0)  # see runtime.__main__
