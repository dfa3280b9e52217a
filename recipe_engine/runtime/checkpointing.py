"""Checkpoints that appear whole or not at all, and hold what transformers and TRL leave out (see ``carried``)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainingArguments
from transformers.integrations.integration_utils import TrackioCallback, WandbCallback, WandbLogModel
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import rotate_checkpoints

from recipe_engine.checkpoints import RECORDS, STAGING, bring_to_disk, rename_into_place, seal, step_of
from recipe_engine.runtime.callbacks.metrics import METRICS
from recipe_engine.runtime.carried import save_carried
from recipe_engine.runtime.disk import full_disk
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.sealing import Sealing


def save_whole(trainer: Any, run_dir: Path, sealing: Sealing) -> None:
    """Have a trainer write each checkpoint aside, and bring it to the disk and into place while training goes on.

    That begins once every process has written its part, and is over before the next save, and before the best model
    is loaded or training ends. With it goes a copy of what the run was compiled to, and what was logged so far is on
    the disk before. Older ones are rotated only then: from the first on there is always one.
    """
    write, place, finalize = trainer._save_checkpoint, trainer._get_output_dir, trainer._finalize_training

    def save(model: Any, trial: Any) -> None:
        output = Path(place(trial=trial))
        staging, name = output / STAGING, f"checkpoint-{trainer.state.global_step}"
        if trainer.args.should_save:
            sealing.wait()
            shutil.rmtree(staging, ignore_errors=True)
        trainer.accelerator.wait_for_everyone()
        limit, trainer.args.save_total_limit = trainer.args.save_total_limit, None
        trainer._get_output_dir = lambda trial=None: str(staging)
        try:
            write(model, trial)
        except Exception as error:
            if trainer.args.should_save:
                shutil.rmtree(staging, ignore_errors=True)  # half a checkpoint helps nobody, and fills the disk
            if (full := full_disk(error, output, _size_of(model))) is not None:
                raise _not_saved(full, output / name) from error
            raise
        finally:
            trainer._get_output_dir, trainer.args.save_total_limit = place, limit
        save_carried(trainer, staging / name)
        if trainer.state.best_model_checkpoint == str(staging / name):
            trainer.state.best_model_checkpoint = str(output / name)
            if trainer.args.should_save:
                trainer.state.save_to_json(str(staging / name / TRAINER_STATE_NAME))
        trainer.accelerator.wait_for_everyone()
        if trainer.args.should_save:
            best = trainer.state.best_model_checkpoint
            sealing.begin(lambda: _put_in_place(staging / name, output / name, run_dir, limit, best))
            if any(map(_takes_checkpoints, trainer.callback_handler.callbacks)):
                sealing.wait()

    def finalize_once_saved(*arguments: Any, **keywords: Any) -> Any:
        if trainer.args.should_save:
            sealing.wait()
        trainer.accelerator.wait_for_everyone()  # the others load the best model too, and may not end before
        return finalize(*arguments, **keywords)

    trainer._save_checkpoint, trainer._finalize_training = save, finalize_once_saved


def _put_in_place(written: Path, place: Path, run_dir: Path, limit: int | None, best: str | None) -> None:
    """Bring a checkpoint that was written to the disk, rename it to its place, and remove those beyond the limit.

    Raises:
        RunError: the disk did not take it.
    """
    output = place.parent
    try:
        for record in RECORDS:
            if (run_dir / record).is_file():
                shutil.copyfile(run_dir / record, written / record)
        bring_to_disk(run_dir / METRICS)
        seal(written)
        shutil.rmtree(place, ignore_errors=True)  # one that was cut off, or of an earlier attempt
        rename_into_place(written, place)
        shutil.rmtree(written.parent)
    except OSError as error:
        shutil.rmtree(written.parent, ignore_errors=True)
        if (full := full_disk(error, output)) is not None:
            raise _not_saved(full, place) from error
        raise RunError(
            f"the disk of {output} did not take the checkpoint of step {step_of(place)}: {error}",
            hint="look after the disk, and start again: it goes on from its newest checkpoint",
        ) from error
    rotate_checkpoints(
        output_dir=str(output),
        save_total_limit=limit,
        best_model_checkpoint=best,
        use_mtime=False,  # by step: clocks jump
    )


def _takes_checkpoints(callback: Any) -> bool:
    """Whether it is a tracker's that looks for a checkpoint in its place as soon as it is saved."""
    kind = type(callback)
    if not kind.__module__.startswith("transformers.integrations") or kind.on_save is TrainerCallback.on_save:
        return False
    if isinstance(callback, WandbCallback):
        return bool(callback._log_model == WandbLogModel.CHECKPOINT)
    return not isinstance(callback, TrackioCallback)


def _not_saved(full: RunError, place: Path) -> RunError:
    return RunError(f"{full.message}: the checkpoint of step {step_of(place)} was not saved", full.hint)


def save_tied_once(trainer: Any) -> None:
    """Have tied weights saved under one name, as everywhere: FSDP gathers a copy of them for each."""
    gather = trainer.accelerator.get_state_dict

    def gathered(model: Any, *arguments: Any, **keywords: Any) -> Any:
        state = gather(model, *arguments, **keywords)
        for name, source in (getattr(model, "all_tied_weights_keys", None) or {}).items():
            if state and name in state and source in state:  # processes that do not save have none
                del state[name]
        return state

    trainer.accelerator.get_state_dict = gathered


def _size_of(model: Any) -> int:
    """Bytes of a model's weights."""
    return sum(getattr(p, "ds_numel", p.numel()) * p.element_size() for p in model.parameters())


def was_at_the_end(checkpoint: str, args: TrainingArguments) -> bool:
    """Whether a checkpoint is that of the last step. Going on from it, transformers would train one step too many."""
    state = json.loads(Path(checkpoint, TRAINER_STATE_NAME).read_text(encoding="utf-8"))
    planned = args.max_steps if args.max_steps > 0 else state["max_steps"]
    same_epochs = args.max_steps > 0 or state["num_train_epochs"] >= args.num_train_epochs
    return bool(same_epochs and state["global_step"] >= planned)
