"""``keep_models``: which models a loop removes, and that none goes that a stage still reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipe_engine.launch.tee import Screen
from recipe_engine.pipeline.check import check_pipeline
from recipe_engine.pipeline.driver import Limits, run_pipeline
from recipe_engine.pipeline.lock import take
from recipe_engine.pipeline.resolve import work_of
from tests.pipeline import trainer
from tests.pipeline.support import ROOT, write, write_scored

LOOP = """\
output_dir: out
stages:
  - {id: rows, kind: prepare, rows: ./scored.jsonl}
  - id: again
    kind: loop
    iterations: 3
    carry: {policy: {start: builtin/tiny-chat, from_stage: sft}}
    stages:
      - {id: sft, kind: train, model: $policy, rows: $rows, gpus: 1, keep_models: 1, recipe: RECIPE}
      - {id: late, kind: train, model: $sft, rows: $rows, gpus: 1, recipe: RECIPE}
  - {id: last, kind: train, model: $policy, rows: $rows, gpus: 1, recipe: RECIPE}
"""
WITH_MODEL = "{model: {base_model_name: builtin/tiny-chat}, training: {algorithm: sft}}"
WHOLE, ADAPTERS = "{training: {algorithm: sft}}", "{model: {use_lora: true}, training: {algorithm: sft}}"


@pytest.fixture(autouse=True)
def _trained_without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")  # for two at once
    monkeypatch.setattr("recipe_engine.pipeline.complete._TRAIN", trainer.__name__)
    write_scored(tmp_path)


def run(text: str, *overrides: str) -> tuple[int, list[str]]:
    """The exit code, and what was said."""
    checked = check_pipeline(write(Path.cwd(), text), overrides, gpus=2)
    assert checked.graph is not None, checked.diagnostics
    Path("out").mkdir(exist_ok=True)
    lines: list[str] = []
    held = take(Path("out"), lines.append)
    code = run_pipeline(work_of(checked.graph, 2), Limits(), lines.append, Screen(), held.descriptor)
    held.release()
    return code, lines


def models() -> list[str]:
    """The stages that have a model."""
    return sorted({str(file.parent.parent.relative_to("out")) for file in Path("out").glob("**/model.safetensors")})


def words(lines: list[str], word: str) -> list[str]:
    return [line.split(": ")[0] for line in lines if f": {word}" in line]


@pytest.mark.parametrize("recipe", [WHOLE, ADAPTERS], ids=["whole models", "adapters"])
def test_a_model_is_removed_once_a_newer_one_is_there_and_no_stage_reads_it(recipe: str) -> None:
    """The stand-in for a training fails where its model is gone before it ends."""
    code, lines = run(LOOP.replace("RECIPE", recipe))
    assert code == 0, lines
    assert words(lines, "its model is removed") == ["again/0000/sft", "again/0001/sft"]
    removed = next(index for index, line in enumerate(lines) if "again/0000/sft: its model is removed" in line)
    read = next(index for index, line in enumerate(lines) if "again/0000/late: done" in line)
    newer = next(index for index, line in enumerate(lines) if "again/0001/sft: done" in line)
    assert newer < read < removed, lines
    everywhere = [f"again/000{number}/late" for number in range(3)] + ["again/0002/sft", "last"]
    assert models() == sorted(everywhere)
    assert [path.name for path in Path("out/again/0000/sft/model").iterdir()] == ["run"]
    assert Path("out/again/0000/sft/model/run/metrics.jsonl").is_file()

    leftover = Path("out/again/0000/sft/model/optimizer.bin")
    leftover.touch()  # as where the removal was killed
    code, lines = run(LOOP.replace("RECIPE", recipe))
    assert (code, words(lines, "runs"), words(lines, "its model is removed")) == (0, [], [])
    assert not leftover.exists()
    assert models() == sorted(everywhere)


def test_models_are_also_removed_where_keep_models_is_lowered_after_they_were_made() -> None:
    text = LOOP.replace("RECIPE", WHOLE)
    kept = "stages[again].stages[sft].keep_models=all"
    assert run(text, kept)[0] == 0
    assert len(models()) == 7
    code, lines = run(text, "stages[again].stages[sft].keep_models=2")
    assert (code, words(lines, "runs"), words(lines, "its model is removed")) == (0, [], ["again/0000/sft"])
    assert len(models()) == 6


def test_a_stage_that_has_to_run_again_without_its_model_says_so_and_touches_nothing() -> None:
    text = LOOP.replace("RECIPE", WHOLE)
    assert run(text)[0] == 0
    Path("out/again/0000/late/manifest.json").unlink()
    Path("out/again/0000/late/begun.json").unlink()
    before = models()
    code, lines = run(text)
    assert (code, words(lines, "runs")) == (1, ["again/0000/late"])
    assert any(line.startswith("error[P204]: again/0000/late needs the model of again/0000/sft") for line in lines)
    assert models() == before


def test_the_last_model_is_always_kept() -> None:
    text = LOOP.replace("RECIPE", WHOLE).replace("keep_models: 1", "keep_models: 0")
    (found,) = check_pipeline(write(Path.cwd(), text)).diagnostics
    assert "keep_models" in found.message
    assert (found.code, found.span.line) == ("R204", 9)


def test_a_training_that_restarts_did_not_save_is_not_told_of_money(monkeypatch: pytest.MonkeyPatch) -> None:
    """75 is the code of a passing fault, and of a stage that would cost more than it may."""
    monkeypatch.setenv("TRAINER_ENDS_WITH", "75")
    code, lines = run(
        f"output_dir: out\nstages:\n  - {{id: sft, kind: train, rows: builtin/conversations, recipe: {WITH_MODEL}}}\n"
    )
    assert code == 1
    assert "sft: failed (exit code 75); its log: out/sft/log.txt" in lines
    assert not any("max_dollars" in line for line in lines)
