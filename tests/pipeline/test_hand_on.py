"""A train stage of several processes: its model is handed on by a process of its own."""

from __future__ import annotations

import json
from pathlib import Path

from tests.pipeline.support import run, said, write

SEVERAL = """\
output_dir: out
stages:
  - id: sft
    kind: train
    model: builtin/tiny-chat
    rows: builtin/conversations
    recipe:
      model: {use_lora: true, lora_r: 4}
      training: {algorithm: sft, max_steps: 1, per_device_train_batch_size: 2, save_strategy: 'no'}
      launch: {cpu_processes: 2}
"""


def test_the_adapter_that_two_processes_trained_is_merged_and_loaded_by_another_and_again_where_that_was_killed(
    tmp_path: Path,
) -> None:
    write(tmp_path, SEVERAL)
    done = run(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    stage = tmp_path / "out" / "sft"
    given = json.loads((stage / "train.json").read_text(encoding="utf-8"))
    assert (given["run"]["processes"], given["run"]["hands_on_to"]) == (2, None)
    assert (stage / "model" / "adapter_config.json").is_file()
    assert (stage / "model" / "run" / "handed_on").is_file()
    manifest = json.loads((stage / "manifest.json").read_text(encoding="utf-8"))
    assert "merged/model.safetensors" in manifest["outputs"]
    merged = (stage / "merged" / "model.safetensors").read_bytes()

    for name in ("manifest.json", "model/run/handed_on", "merged/model.safetensors"):
        (stage / name).unlink()
    trained = (stage / "model" / "adapter_model.safetensors").stat().st_mtime_ns
    again = run(tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    assert said(again, "runs") == ["sft"]
    assert (stage / "model" / "adapter_model.safetensors").stat().st_mtime_ns == trained  # it is not trained again
    assert (stage / "merged" / "model.safetensors").read_bytes() == merged
