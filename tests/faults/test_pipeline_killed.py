"""Pipelines killed with SIGKILL at random moments and run again end with the rows and weights of one that never was."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from tests.pipeline.support import ROOT, write, write_scored

ROWS = """\
output_dir: out
stages:
  - {id: scored, kind: prepare, rows: ./scored.jsonl, shuffle: true}
  - {id: pairs, kind: select, rows: $scored, how: best_worst, shuffle: true, eval_share: 0.2}
  - {id: best, kind: select, rows: $scored, how: best_of_n}
  - {id: texts, kind: prepare, rows: $best, steps: [{do: dedup}, {do: columns, keep: [prompt, completion]}]}
"""
MODELS = """\
output_dir: out
stages:
  - {id: rows, kind: prepare, rows: builtin/conversations, steps: [{do: sample, first: 96}], shuffle: true}
  - id: again
    kind: loop
    iterations: 2
    carry: {policy: {start: builtin/tiny-chat, from_stage: sft}}
    stages:
      - id: sft
        kind: train
        model: $policy
        rows: $rows
        recipe:
          model: {use_lora: true, lora_r: 8}      # what is handed on is merged
          data: {max_length: 128}
          training:
            algorithm: sft
            per_device_train_batch_size: 8
            learning_rate: 1e-3
            max_steps: 9
            save_steps: 2
            logging_steps: 1
            bf16: false
            gradient_checkpointing: false
      - id: sample
        kind: generate
        model: $sft
        rows: builtin/questions
        sampling: {n: 2, max_tokens: 4}
        engine: {batch_size: 64}
        shard_rows: 100
      - {id: scored, kind: score, rows: $sample, rewards: [{type: exact_match}], shard_rows: 300}
"""
_OWN = Path("pipeline.yaml")
_QUICKSTARTS = sorted((ROOT / "recipes/pipelines/quickstart").glob("[a-z]*.yaml"))
_SEED = 20250914
_PATIENCE = 600.0


def start(folder: Path, mark: str, file: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", mark: "1"}
    with (folder / "said.txt").open("ab") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "recipe_engine.cli", "run", str(file), "--num-gpus", "0", "output_dir=out"],
            cwd=folder,
            env=environment,
            stdout=said,
            stderr=said,
        )


def kill(process: subprocess.Popen[bytes], mark: str, *, everything: bool) -> None:
    """Kill the pipeline's own process, and with it, or not, every process that it has started, however deep."""
    process.kill()
    process.wait()
    for folder in Path("/proc").glob("[0-9]*") if everything else ():
        try:
            marked = any(
                entry.startswith(f"{mark}=".encode()) for entry in (folder / "environ").read_bytes().split(b"\0")
            )
            if marked:
                os.kill(int(folder.name), signal.SIGKILL)
        except OSError:
            continue  # it has just ended


def run_to_end(folder: Path, file: Path = _OWN) -> None:
    process = start(folder, f"MARK_{uuid.uuid4().hex}", file)
    assert process.wait(timeout=_PATIENCE) == 0, (folder / "said.txt").read_text(encoding="utf-8")


def made(folder: Path) -> dict[str, bytes]:
    """Every row, every measured number and the weights of every model that the pipeline has made."""
    made_by = ("rows/**/part-*", "summary.json", "merged/*.safetensors", "model/*.safetensors")
    files = [file for pattern in made_by for file in (folder / "out").glob(f"**/{pattern}")]
    # Rows name the folder of the model that made them.
    here = str(folder).encode()
    return {str(file.relative_to(folder)): file.read_bytes().replace(here, b"") for file in sorted(files)}


def left_behind(folder: Path) -> list[str]:
    """What a killed process had begun to write beside what stands."""
    return [str(file) for pattern in (".part-*", ".new-*", ".work-*") for file in (folder / "out").rglob(pattern)]


def prepared(folder: Path, text: str) -> Path:
    folder.mkdir()
    write(folder, text)
    write_scored(folder, prompts=3000, samples=4)
    return folder


def killed_and_run_again(folder: Path, kills: int, longest: float, seed: int, file: Path = _OWN) -> int:
    """Kill it ``kills`` times at random moments, each time starting it again, then let it end. Returns how often it was
    killed before its end."""
    moments, real = random.Random(seed), 0
    for number in range(kills):
        mark = f"MARK_{uuid.uuid4().hex}"
        process = start(folder, mark, file)
        try:
            process.wait(timeout=moments.uniform(0.1, longest))
            break  # it was done
        except subprocess.TimeoutExpired:
            kill(process, mark, everything=number % 2 == 0)
            real += 1
    run_to_end(folder, file)
    return real


@pytest.mark.times(6, 60)
def test_rows_are_the_same_however_often_it_is_killed(tmp_path: Path, times: int) -> None:
    whole = prepared(tmp_path / "whole", ROWS)
    begun = time.monotonic()
    run_to_end(whole)
    seconds = time.monotonic() - begun
    expected = made(whole)
    assert len(expected) == 5
    killed, round_number = 0, 0
    while killed < times:
        folder = prepared(tmp_path / str(round_number), ROWS)
        killed += killed_and_run_again(folder, min(6, times - killed), seconds, _SEED + round_number)
        assert made(folder) == expected, round_number
        assert left_behind(folder) == [], round_number
        round_number += 1


@pytest.mark.slow
@pytest.mark.times(2, 30)
def test_rows_and_weights_are_the_same_however_often_it_is_killed(tmp_path: Path, times: int) -> None:
    text = MODELS if times > 2 else MODELS.replace("iterations: 2", "iterations: 1")
    whole = prepared(tmp_path / "whole", text)
    begun = time.monotonic()
    run_to_end(whole)
    seconds = time.monotonic() - begun
    expected = made(whole)
    assert {name.rpartition("/")[2] for name in expected} >= {
        "model.safetensors",
        "part-00000.jsonl",
        "part-00005.jsonl",
    }
    killed, round_number = 0, 0
    while killed < times:
        folder = prepared(tmp_path / str(round_number), text)
        # Half of a whole run, so that most starts are killed on the way and the last parts are reached too.
        killed += killed_and_run_again(folder, min(3, times - killed), seconds / 2, _SEED + round_number)
        found = made(folder)
        assert found.keys() == expected.keys(), round_number
        assert [name for name in expected if found[name] != expected[name]] == [], round_number
        round_number += 1


@pytest.mark.long
@pytest.mark.parametrize("file", _QUICKSTARTS, ids=lambda file: file.stem)
def test_a_quickstart_ends_the_same_however_often_it_is_killed(tmp_path: Path, file: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    begun = time.monotonic()
    run_to_end(whole, file)
    seconds = time.monotonic() - begun
    expected = made(whole)
    assert {name.rpartition("/")[2] for name in expected} >= {"model.safetensors", "part-00000.jsonl"}
    killed, round_number = 0, 0
    while killed < 30:
        folder = tmp_path / str(round_number)
        folder.mkdir()
        killed += killed_and_run_again(folder, min(10, 30 - killed), seconds / 4, _SEED + round_number, file)
        found = made(folder)
        assert found.keys() == expected.keys(), round_number
        assert [name for name in expected if found[name] != expected[name]] == [], round_number
        round_number += 1
