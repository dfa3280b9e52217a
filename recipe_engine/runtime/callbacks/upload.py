"""The ``s3`` block: checkpoints and the model are copied to a bucket."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from recipe_engine.compiled import CompiledRun
from recipe_engine.data.errors import DataError
from recipe_engine.data.remote import upload
from recipe_engine.runtime.sealing import Sealing

Say = Callable[[str], None]


class CheckpointUpload(TrainerCallback):
    """Uploads each checkpoint once it stands.

    A failed upload is said, and the local copy stays: it does not end the training.
    """

    def __init__(self, run: CompiledRun, sealing: Sealing, say: Say) -> None:
        self.run = run
        self.sealing = sealing
        self.say = say

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        settings = self.run.s3
        if not (settings.enabled and settings.upload_checkpoints and state.is_world_process_zero):
            return
        self.sealing.wait()
        folder = Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
        if _upload(self.run, folder, folder.name, self.say) and settings.delete_local_after_upload:
            shutil.rmtree(folder)


def upload_model(run: CompiledRun, say: Say) -> None:
    """Upload the trained model, without its checkpoints, where the recipe asks for it."""
    if not (run.s3.enabled and run.s3.upload_final_model):
        return
    for file in sorted(Path(run.output_dir).iterdir()):
        if file.is_file() and not _upload(run, file, "final", say):
            return


def _upload(run: CompiledRun, source: Path, name: str, say: Say) -> bool:
    address = "/".join(part.strip("/") for part in (run.s3.bucket, run.s3.prefix, name) if part.strip("/"))
    try:
        upload(source, f"s3://{address}", region=run.s3.region, endpoint_url=run.s3.endpoint_url)
    except DataError as error:
        say(f"s3: {source.name} was not uploaded: {error.message}; the local copy is kept")
        return False
    return True
