"""The teacher of a distillation: checked before any model is loaded, then held frozen beside the student."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from torch.distributed.fsdp import FSDPModule
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase
from transformers.integrations.deepspeed import is_deepspeed_zero3_enabled
from trl.models import prepare_deepspeed, prepare_fsdp, unwrap_model_for_generation

from recipe_engine.algorithms.completions import trains_on_completions
from recipe_engine.compiled import CompiledRun
from recipe_engine.runtime import model as loading
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.training_data import TrainingData

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TeacherSource:
    """A teacher that is not loaded yet."""

    path: str
    arguments: dict[str, Any]
    """Keyword arguments of ``from_pretrained``."""
    offload: bool


def teacher_for(
    run: CompiledRun, tokenizer: PreTrainedTokenizerBase, data: TrainingData, say: Say
) -> dict[str, TeacherSource]:
    """The trainer's ``teacher``: its vocabulary compared with the student's while neither model is loaded.

    Raises:
        RunError: there is no such teacher, its vocabulary is another, or the rows lack what the recipe trains on.
        DataError: a remote teacher cannot be fetched.
    """
    settings = run.settings
    path = loading.settings_with_paths(run)["teacher_model"]
    revision = settings["teacher_revision"]
    try:
        known = AutoTokenizer.from_pretrained(path, revision=revision, trust_remote_code=False).get_vocab()
    except (OSError, ValueError, ImportError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise RunError(f"the tokenizer of the teacher {settings['teacher_model']} cannot be loaded: {first}") from error
    demand_same_vocabulary(tokenizer.get_vocab(), known, settings["teacher_model"])
    _demand_completions(run, data)
    arguments: dict[str, Any] = {"dtype": settings["teacher_torch_dtype"], "revision": revision}
    arguments["trust_remote_code"] = False  # unsaid, it would be asked for in a terminal
    implementation = loading.attention(run.model, run.gpus, lambda _: None)
    if implementation is not None:
        arguments["attn_implementation"] = implementation
    if settings["teacher_offload"] and run.gpus == 0:
        say("teacher_offload: nothing to do, since this run uses the CPU alone")
    return {"teacher": TeacherSource(path, arguments, offload=settings["teacher_offload"] and run.gpus > 0)}


def demand_same_vocabulary(student: Mapping[str, int], teacher: Mapping[str, int], name: str) -> None:
    """Check that two vocabularies are one: a distribution over other tokens teaches nonsense, without any error.

    Raises:
        RunError: a token is missing on one side, or has another id.
    """
    if student == teacher:
        return
    others = [token for token in student if teacher.get(token, student[token]) != student[token]]
    lacking = [token for token in student if token not in teacher]
    further = [token for token in teacher if token not in student]
    found = []
    if others:
        token = min(others, key=student.__getitem__)
        found.append(f"{len(others)} tokens have another id, such as {token!r} ({student[token]} and {teacher[token]})")
    if lacking:
        found.append(f"the teacher lacks {len(lacking)}, such as {min(lacking, key=student.__getitem__)!r}")
    if further:
        found.append(f"the student lacks {len(further)}, such as {min(further, key=teacher.__getitem__)!r}")
    raise RunError(
        f"training.teacher_model: {name} has another vocabulary than the student ({len(teacher)} tokens and "
        f"{len(student)}): {'; '.join(found)}",
        hint="take a teacher of the student's family, or give the student the teacher's tokenizer: "
        "model.tokenizer_name, where its ids mean the same",
    )


def _demand_completions(run: CompiledRun, data: TrainingData) -> None:
    """Where completions of the data are trained on, rows must have some, and a prompt before them."""
    needed = trains_on_completions(run.settings)
    for rows in filter(None, (data.training, data.evaluation)):
        if needed and "labels" not in rows.column_names:
            hint = "name its completion_column, or write lmbda: 1.0 (pt_coef: 0.0) to train on prompts alone"
            raise RunError(f"{needed} trains on the completions of the data, and these rows are prompts alone", hint)


class Teacher:
    """A frozen model whose distributions are learnt from."""

    def __init__(self, source: TeacherSource, trainer: Any) -> None:
        if source.offload and is_deepspeed_zero3_enabled():
            raise RunError(
                "teacher_offload does not go with ZeRO stage 3, which has the teacher in parts",
                hint="leave it out, and write offload_param in the DeepSpeed file: it moves the teacher's parts too",
            )
        model = AutoModelForCausalLM.from_pretrained(source.path, **source.arguments)
        model.eval().requires_grad_(requires_grad=False)
        self.offload = source.offload
        self.device = trainer.accelerator.device
        self.model: Any = model if source.offload else _prepared(model, trainer)
        self.plain: Any = trainer.accelerator.unwrap_model(self.model)

    @contextmanager
    def present(self) -> Iterator[None]:
        """Have the teacher on the device that trains. An offloaded one leaves only its copy there behind."""
        if not self.offload:
            yield
            return
        tensors = list(chain(self.plain.parameters(), self.plain.buffers()))
        kept = [tensor.data for tensor in tensors]
        for tensor in tensors:
            tensor.data = self._copied(tensor.data)
        try:
            yield
        finally:
            for tensor, at_home in zip(tensors, kept, strict=True):
                tensor.data = at_home

    @contextmanager
    def whole(self, accelerator: Any) -> Iterator[Any]:
        """The teacher with all of its weights on each process, so that one may ask it without the others.

        While tokens are sampled, a process whose completions have ended asks no more; where each holds a share of the
        weights, the others would wait for it forever.
        """
        if isinstance(self.model, FSDPModule):
            self.model.set_reshard_after_forward(False)
            self.model.unshard()
            try:
                yield self.model
            finally:
                self.model.set_reshard_after_forward(True)
                self.model.reshard()
            return
        with unwrap_model_for_generation(self.model, accelerator) as gathered:
            # Its forward without its hooks: of DeepSpeed's, TRL leaves one, which waits for the other processes.
            yield gathered.forward

    def _copied(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.device)


def _prepared(model: Any, trainer: Any) -> Any:
    """The model as the launch strategy holds one that is only read."""
    if trainer.is_deepspeed_enabled:
        return prepare_deepspeed(model, trainer.accelerator)
    if trainer.is_fsdp_enabled:
        return prepare_fsdp(model, trainer.accelerator)
    return trainer.accelerator.prepare_model(model, evaluation_mode=True)


def mean_over_tokens(trainer: Any, names: tuple[str, ...], measured: Tensor, kept: Tensor | None = None) -> None:
    """Log the mean of what was measured, (N, M), over the tokens of every process."""
    sums = measured.double().sum(0) if kept is None else measured.double()[kept].sum(0)
    count = len(measured) if kept is None else int(kept.sum())
    local = torch.cat([sums, sums.new_tensor([count])]).float()
    *totals, tokens = trainer.accelerator.gather(local.unsqueeze(0)).double().sum(0).tolist()
    mode = "train" if trainer.model.training else "eval"
    for name, total in zip(names, totals, strict=True):
        trainer._metrics[mode][name].append(total / max(tokens, 1))
