"""One training process: everything is checked and prepared before the model is loaded."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from accelerate import PartialState
from transformers import PrinterCallback, ProgressCallback

from recipe_engine.algorithms import algorithm
from recipe_engine.algorithms.grpo import prompt_limit_of
from recipe_engine.compiled import FINISHED, STOPPED, CompiledRun
from recipe_engine.data.thinking_file import write_thinking
from recipe_engine.diagnostics.visible import visible_lines
from recipe_engine.runtime import model as loading
from recipe_engine.runtime.callbacks.heartbeat import Heartbeat
from recipe_engine.runtime.callbacks.metrics import METRICS, MetricsFile, read_metrics
from recipe_engine.runtime.callbacks.progress import Progress
from recipe_engine.runtime.callbacks.stopping import Stopping
from recipe_engine.runtime.callbacks.trackers import survive_trackers
from recipe_engine.runtime.callbacks.upload import CheckpointUpload, upload_model
from recipe_engine.runtime.carried import CarriedOn
from recipe_engine.runtime.checkpointing import save_tied_once, save_whole, was_at_the_end
from recipe_engine.runtime.disk import full_disk
from recipe_engine.runtime.errors import RunError, StoppedError
from recipe_engine.runtime.finite import demand_finite_loss
from recipe_engine.runtime.hand_on import hand_on
from recipe_engine.runtime.launch_check import WrapperCheck, check_launch, check_trainer
from recipe_engine.runtime.offload import supported_offload
from recipe_engine.runtime.picture import draw
from recipe_engine.runtime.process_group import connect
from recipe_engine.runtime.rewards import demand_columns, reward_functions
from recipe_engine.runtime.saved import check_saved
from recipe_engine.runtime.sealing import Sealing
from recipe_engine.runtime.secrets import masked
from recipe_engine.runtime.shown import show_safely
from recipe_engine.runtime.spared import spare_data_workers
from recipe_engine.runtime.tokenizer import load_tokenizer
from recipe_engine.runtime.tracking import start_wandb
from recipe_engine.runtime.training_data import training_data

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


def train(run: CompiledRun) -> Any:
    """Train a compiled run to its end and save the model.

    Returns the trainer, which must not be freed where several processes train (see ``runtime.__main__``).

    Raises:
        RunError: the run cannot start or go on.
        StoppedError: a signal ended it, and a checkpoint was saved.
        DataError: the data cannot be used.
    """
    run_dir, chosen = Path(run.run_dir), algorithm(run.algorithm)
    heartbeat = Heartbeat(run_dir)
    notes: list[str] = []
    connect(run)
    arguments = trainer_config(run, notes.append)
    first = PartialState().is_main_process

    def say(message: str) -> None:
        if first:
            print(visible_lines(masked(message, run)), flush=True)

    for note in notes:
        say(note)
    check_launch(run)
    path = loading.model_path(run)
    tokenizer = load_tokenizer(run, path, say)
    settings = chosen.settings.model_validate(loading.settings_with_paths(run)) if run.settings else None
    scorers = reward_functions(run, tokenizer, say)
    data = training_data(run, tokenizer, say)
    demand_columns(run, data.columns)
    if first:
        _write_environment(run_dir)
        if "wandb" in arguments.report_to:
            start_wandb(run, say)
    arguments.model_init_kwargs = loading.model_arguments(run, say)
    further = _class(chosen.before_loading)(run, tokenizer, data, say) if chosen.before_loading else {}
    sealing = Sealing()
    on_cpu_in_4bit = run.model.load_in_4bit and run.gpus == 0
    try:
        with loading.gradients_kept_in_4bit() if on_cpu_in_4bit else nullcontext():
            trainer = _class(run.trainer)(
                model=path,
                args=arguments,
                train_dataset=data.training,
                eval_dataset=data.evaluation,
                processing_class=tokenizer,
                quantization_config=loading.quantization(run.model),
                peft_config=loading.adapter(run.model, chosen.task),
                callbacks=[MetricsFile(run_dir / METRICS), Progress(), CheckpointUpload(run, sealing, say)],
                **({"reward_funcs": scorers} if chosen.reward_driven else {}),
                **({"settings": settings} if settings is not None else {}),
                **further,
            )
    except (ValueError, NotImplementedError, ImportError, OSError) as error:
        if isinstance(error, OSError) and full_disk(error, Path(run.output_dir)) is not None:
            raise
        # What the trainer, the model or a package for it says to the user: a setting that does not go with another.
        raise RunError(f"{run.trainer.split(':')[1]}: {error}") from error
    for shown_by_default in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(shown_by_default)
    if "prompt" in chosen.shapes:
        trainer.columns = data.columns
        trainer.thinking = run.thinking
        trainer.prompt_limit = prompt_limit_of(run.data, run.arguments["max_completion_length"])
        trainer.prompt_cut = "left" if run.data.overlong_rows == "left" else "right"
    loading.name_base_model(run, trainer.model)
    check_trainer(run, trainer)
    if run.checkpoint is not None:
        trainer.args.eval_on_start = False  # it was measured when the run was started
    stopping = Stopping()
    restored = CarriedOn(trainer, run.checkpoint, say)
    for callback in (WrapperCheck(run, trainer), restored, stopping, sealing, heartbeat):
        trainer.add_callback(callback)
    heartbeat.watch(trainer)
    survive_trackers(trainer, say)
    spare_data_workers(trainer)
    show_safely(trainer)
    save_whole(trainer, run_dir, sealing)
    save_tied_once(trainer)
    demand_finite_loss(trainer)
    say(_shape(trainer))
    try:
        if run.checkpoint is not None and was_at_the_end(run.checkpoint, trainer.args):
            say("training had come to its end: only the model is left to be saved")
            trainer._load_from_checkpoint(run.checkpoint)
        else:
            trainer.train(resume_from_checkpoint=run.checkpoint)
        if stopping.agreed:
            if first:
                Path(run.run_dir, STOPPED).write_text(str(stopping.agreed), encoding="ascii")
            raise StoppedError(stopping.agreed, trainer.state.global_step)
        trainer.save_model(run.output_dir)
        if first:
            finish(run, trainer.model, say)
    except BaseException:
        sealing.wait_and_say(say)
        raise
    finally:
        stopping.restore()
    trainer.accelerator.end_training()
    return trainer


def trainer_config(run: CompiledRun, say: Callable[[str], None]) -> Any:
    """TRL's config object, with what only the running process can tell.

    Raises:
        RunError: TRL refuses the arguments.
    """
    values = loading.supported_precision(run.arguments, run.gpus, say)
    values = supported_offload(values, run.gpus, say)
    # Rows come with their labels, by which TRL cannot tell that they were conversations.
    values = {name: value for name, value in values.items() if name != "assistant_only_loss"}
    if run.rewards and values.get("remove_unused_columns"):
        hint = "leave data.remove_unused_columns out"
        raise RunError("data.remove_unused_columns: true would take the columns from the rewards", hint)
    if "stop_strings" in (values.get("generation_kwargs") or {}):
        hint = "use vLLM: generation_kwargs: {stop: [...], include_stop_str_in_output: true}; or leave them out"
        raise RunError("training.generation_kwargs: TRL gives generation no tokenizer to find stop_strings with", hint)
    if values.get("packing") and values.get("eval_packing") is False:
        hint = "leave training.eval_packing out"
        raise RunError("evaluation rows are measured for packing, as training rows are", hint)
    try:
        return _class(run.config_class)(**values)
    except (ValueError, TypeError, ImportError) as error:
        raise RunError(f"{run.config}: {error}") from error


def finish(run: CompiledRun, model: Any, say: Any) -> None:
    """Check what was saved of the model, draw the curves, upload."""
    saved = Path(run.output_dir)
    check_saved(saved, model)
    if run.thinking is not None:
        write_thinking(saved, run.thinking)
    draw(read_metrics(Path(run.run_dir) / METRICS), Path(run.run_dir) / "loss.png", run.run_name)
    if run.hands_on_to is not None:
        hand_on(run, Path(run.hands_on_to), say)
    upload_model(run, say)
    Path(run.run_dir, FINISHED).touch()


def _class(place: str) -> Any:
    module, name = place.split(":")
    return getattr(import_module(module), name)


def _shape(trainer: Any) -> str:
    sizes = [(getattr(p, "ds_numel", p.numel()), p.requires_grad) for p in trainer.model.parameters()]
    total, trained = sum(size for size, _ in sizes), sum(size for size, trained in sizes if trained)
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
