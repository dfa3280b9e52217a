"""Stands for the process of a train stage where a test is about what the driver does with models: no torch.

It demands that the model it starts from is whole when it begins and when it ends. ``late`` ends only once the next
iteration has trained its model, from when on the model that ``late`` reads is an earlier one. ``TRAINER_ENDS_WITH`` is
the exit code with which it fails at once.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from pathlib import Path

from recipe_engine.pipeline.train import TRAIN, CompiledTraining

FILES = ("config.json", "model.safetensors")


def content_of(model: str) -> bytes:
    if model.startswith("builtin/"):
        return model.encode()
    return b"".join(Path(model, name).read_bytes() for name in FILES)


def main(folder: Path) -> None:
    if "TRAINER_ENDS_WITH" in os.environ:
        sys.exit(int(os.environ["TRAINER_ENDS_WITH"]))
    given = CompiledTraining.model_validate_json((folder / TRAIN).read_text(encoding="utf-8"))
    base = given.run.model.base_model_name
    before = content_of(base)
    if folder.name == "late" and folder.parent.name != "0002":
        following = folder.parent.with_name(f"{int(folder.parent.name) + 1:04d}") / "sft" / "manifest.json"
        end = time.monotonic() + 15
        while not following.exists():
            assert time.monotonic() < end, "the next iteration has not trained"
            time.sleep(0.05)
        time.sleep(0.3)
    assert content_of(base) == before
    for place in {Path(given.run.output_dir), Path(given.whole)}:
        place.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            (place / name).write_text(hashlib.sha256(before + str(folder).encode()).hexdigest(), encoding="utf-8")
    (Path(given.run.output_dir) / "checkpoint-1").mkdir()
    (Path(given.run.output_dir) / "checkpoint-1" / "state.bin").touch()
    Path(given.run.run_dir).mkdir(exist_ok=True)
    Path(given.run.run_dir, "metrics.jsonl").write_text('{"step": 1, "loss": 2.5}\n', encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
