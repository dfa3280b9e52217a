"""One training process: everything is checked and prepared before the model is loaded."""

from __future__ import annotations

import json
import os
import time
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import trl
from accelerate import PartialState
from datasets import Dataset
from transformers import PrinterCallback, ProgressCallback

from recipe_engine.algorithms.grpo import prompt_limit_of
from recipe_engine.compiled import CompiledRun
from recipe_engine.runtime import model as loading
from recipe_engine.runtime.callbacks.metrics import MetricsFile, read_metrics
from recipe_engine.runtime.callbacks.progress import Progress
from recipe_engine.runtime.callbacks.upload import CheckpointUpload, upload_model
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.launch_check import check_launch, check_trainer
from recipe_engine.runtime.picture import draw
from recipe_engine.runtime.prepare import Prepared, counts_as_data, describe, prepare
from recipe_engine.runtime.rewards import reward_functions
from recipe_engine.runtime.tokenizer import load_tokenizer
from recipe_engine.runtime.tracking import start_wandb

VERSIONS = (
    "recipe-engine",
    "torch",
    "transformers",
    "trl",
    "peft",
    "accelerate",
    "datasets",
    "bitsandbytes",
    "deepspeed",
)


def train(run: CompiledRun) -> None:
    """Train a compiled run to its end and save the model.

    Raises:
        RunError: the run cannot start or go on.
        DataError: the data cannot be used.
    """
    run_dir = Path(run.run_dir)
    arguments = trainer_config(run)
    first = PartialState().is_main_process

    def say(message: str) -> None:
        if first:
            print(message, flush=True)

    check_launch(run)
    path = loading.model_path(run)
    tokenizer = load_tokenizer(run, path, say)
    scorers = reward_functions(run)
    with PartialState().main_process_first():
        training, evaluation = datasets_of(run, tokenizer, run_dir, say)
    if first:
        _write_environment(run_dir)
        if "wandb" in arguments.report_to:
            start_wandb(run, say)
    model_arguments = loading.model_arguments(run, say)
    arguments.model_init_kwargs = model_arguments
    trainer = _trainer_class(run)(
        model=path,
        args=arguments,
        train_dataset=training,
        eval_dataset=evaluation,
        processing_class=tokenizer,
        quantization_config=loading.quantization(run.model),
        peft_config=loading.adapter(run.model),
        callbacks=[MetricsFile(run_dir / "metrics.jsonl"), Progress(), CheckpointUpload(run, say)],
        **({"reward_funcs": scorers} if scorers else {}),
    )
    for shown_by_default in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(shown_by_default)
    if scorers:
        trainer.prompt_limit = prompt_limit_of(run.data, run.arguments["max_completion_length"])
        trainer.prompt_cut = run.data.overlong_rows or "drop"
    if run.model.load_in_4bit and run.gpus == 0:
        loading.keep_gradients_in_4bit(trainer.model)
    check_trainer(run, trainer)
    say(_shape(trainer))
    trainer.train(resume_from_checkpoint=_checkpoint(run))
    trainer.save_model(run.output_dir)
    if first:
        finish(run, say)
    trainer.accelerator.end_training()


def trainer_config(run: CompiledRun) -> Any:
    """TRL's config object, with what only the running process can tell.

    Raises:
        RunError: TRL refuses the arguments.
    """
    notes: list[str] = []
    values = loading.supported_precision(run.arguments, run.gpus, notes.append)
    values = {name: value for name, value in values.items() if name != "resume_from_checkpoint"}
    try:
        config = getattr(trl, run.config)(**values, disable_tqdm=True)
    except (ValueError, TypeError, ImportError) as error:
        raise RunError(f"{run.config}: {error}") from error
    if PartialState().is_main_process:
        for note in notes:
            print(note, flush=True)
    return config


def datasets_of(run: CompiledRun, tokenizer: Any, run_dir: Path, say: Any) -> tuple[Dataset, Any]:
    """The training and evaluation rows. The first process prepares them, the others read what it wrote."""
    folder = run_dir / "data"
    done = folder / "done.json"
    if PartialState().is_main_process:
        done.unlink(missing_ok=True)
        prepared = prepare(run, run.data.datasets, tokenizer, folder / "train")
        evaluation = (
            prepare(run, run.data.eval_datasets, tokenizer, folder / "eval") if run.data.eval_datasets else None
        )
        training, held_out = _held_out(run, prepared)
        training.save_to_disk(folder / "train-mixed")
        held_out = evaluation.dataset if evaluation else held_out
        if held_out is not None:
            held_out.save_to_disk(folder / "eval-mixed")
        counts = prepared.counts + (evaluation.counts if evaluation else [])
        for count in counts:
            say(f"data: {count.name} ({count.format}): {describe(count)}")
        done.write_text(json.dumps(counts_as_data(counts), indent=1), encoding="utf-8")
        return training, held_out
    training = Dataset.load_from_disk(folder / "train-mixed")
    has_evaluation = (folder / "eval-mixed").exists()
    return training, Dataset.load_from_disk(folder / "eval-mixed") if has_evaluation else None


def finish(run: CompiledRun, say: Any) -> None:
    """Check the saved model, draw the curves, upload."""
    saved = Path(run.output_dir)
    weights = list(saved.glob("*.safetensors"))
    if not weights or any(file.stat().st_size == 0 for file in weights):
        raise RunError(f"training ended, and no weights were saved in {saved}")
    draw(read_metrics(Path(run.run_dir) / "metrics.jsonl"), Path(run.run_dir) / "loss.png", run.run_name)
    upload_model(run, say)


def _held_out(run: CompiledRun, prepared: Prepared) -> tuple[Dataset, Dataset | None]:
    holdout = run.data.eval_holdout
    if holdout is None:
        return prepared.dataset, None
    size = int(holdout) if holdout >= 1 else holdout
    if len(prepared.dataset) < 2 or (isinstance(size, int) and size >= len(prepared.dataset)):
        raise RunError(f"data.eval_holdout: {size} of {len(prepared.dataset)} rows leaves nothing to train on")
    split = prepared.dataset.train_test_split(test_size=size, seed=int(run.arguments.get("seed") or 42))
    return split["train"], split["test"]


def _trainer_class(run: CompiledRun) -> Any:
    module, name = run.trainer.split(":")
    return getattr(import_module(module), name)


def _checkpoint(run: CompiledRun) -> str | bool | None:
    given = run.arguments.get("resume_from_checkpoint")
    if given is None or (isinstance(given, str) and os.path.isdir(given)):
        return given
    raise RunError(f"training.resume_from_checkpoint: there is no folder {given}")


def _shape(trainer: Any) -> str:
    total = sum(p.numel() for p in trainer.model.parameters())
    trained = sum(p.numel() for p in trainer.model.parameters() if p.requires_grad)
    share = f"{trained:,} of {total:,} weights ({trained / total:.2%})" if trained < total else f"all {total:,} weights"
    return f"training {share} on {trainer.args.device}, {len(trainer.train_dataset)} rows"


def _write_environment(run_dir: Path) -> None:
    versions: dict[str, str] = {}
    for name in VERSIONS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    environment = {"time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "versions": versions}
    (run_dir / "environment.json").write_text(json.dumps(environment, indent=1), encoding="utf-8")
