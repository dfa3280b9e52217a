"""Pipelines that need no torch, run as a user runs them: what runs, what is skipped, and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.pipeline.support import CHOOSING, recipe, rows, run, said, write, write_scored


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in which the pipeline has not run yet."""
    write_scored(tmp_path)
    write(tmp_path, CHOOSING)
    return tmp_path


@pytest.fixture
def done(folder: Path) -> Path:
    """A folder in which the pipeline is complete."""
    assert run(folder).returncode == 0
    return folder


def test_every_stage_runs_once_and_hands_its_rows_on(folder: Path) -> None:
    first = run(folder)
    assert first.returncode == 0, first.stdout + first.stderr
    assert said(first, "runs") == ["scored", "best", "short"]
    assert rows(folder, "short") == [
        {"prompt": f"question {number}", "completion": f"answer {number}.2"} for number in range(4)
    ]
    manifest = json.loads((folder / "out/best/manifest.json").read_text(encoding="utf-8"))
    assert (manifest["result"]["rows_in"], manifest["result"]["rows_out"]) == (12, 4)
    assert manifest["result"]["dropped"] == {"not the best of its group": 8}
    assert "python" not in manifest["basis"]["settings"]
    again = run(folder)
    assert again.returncode == 0
    assert (said(again, "runs"), said(again, "skipped")) == ([], ["scored", "best", "short"])


def test_a_changed_stage_whose_result_stands_is_named_before_anything_runs(done: Path) -> None:
    changed = run(done, "stages[1].min_group=2")
    assert changed.returncode == 1
    assert "error[P201]: best: its result is of another pipeline" in changed.stdout
    assert "min_group: null -> 2" in changed.stdout
    assert said(changed, "runs") == []
    assert run(done).returncode == 0  # nothing was touched


def test_replace_makes_it_anew_and_what_reads_it_only_where_that_has_changed(done: Path) -> None:
    same = run(done, "stages[1].min_group=2", "--replace")
    assert same.returncode == 0, same.stdout
    assert (said(same, "runs"), said(same, "skipped")) == (["best"], ["scored", "short"])
    other = run(done, "stages[1].how=best_worst", "stages[2].steps[0].keep=[prompt, chosen]", "--replace")
    assert said(other, "runs") == ["best", "short"]
    assert rows(done, "short")[0] == {"prompt": "question 0", "chosen": "answer 0.2"}


def test_a_file_that_holds_something_else_is_found_by_its_content(done: Path) -> None:
    file = done / "scored.jsonl"
    file.touch()  # another time, the same content
    assert said(run(done), "skipped") == ["scored", "best", "short"]
    write_scored(done, prompts=5)
    changed = run(done)
    assert changed.returncode == 1
    assert "scored.jsonl holds something else" in changed.stdout
    assert run(done, "--replace").returncode == 0
    assert len(rows(done, "short")) == 5


def test_settings_that_say_how_and_not_what_do_not_make_a_stage_another(done: Path) -> None:
    same = run(done, "stages[1].after=[scored]", "stages[0].gpus=0")
    assert said(same, "skipped") == ["scored", "best", "short"]


def test_a_result_that_was_removed_is_made_again_and_one_that_was_edited_is_left_alone(done: Path) -> None:
    shard = done / "out/best/rows/train/part-00000.jsonl"
    before = shard.read_bytes()
    shard.unlink()
    again = run(done)
    assert "best: runs: rows/train/part-00000.jsonl of its result is missing" in again.stdout
    assert (said(again, "runs"), said(again, "skipped")) == (["best"], ["scored", "short"])
    assert shard.read_bytes() == before
    shard.write_bytes(before + before)
    edited = run(done)
    assert edited.returncode == 1
    assert "part-00000.jsonl of its result was changed since" in edited.stdout
    assert shard.read_bytes() == before + before


def test_a_stage_that_makes_no_row_is_an_error_that_says_why(folder: Path) -> None:
    empty = run(folder, "stages[1].how=threshold", "stages[1].at_least=100")
    assert empty.returncode == 1
    assert "error[P202]: best has made no row: of 12 rows 12 reward under 100 were dropped" in empty.stdout
    assert said(empty, "runs") == ["scored", "best"]
    assert not (folder / "out/best/manifest.json").exists()


def test_until_and_from_run_a_part(folder: Path) -> None:
    assert said(run(folder, "--until", "best"), "runs") == ["scored", "best"]
    missing = run(folder, "--from", "short", "output_dir=other")
    assert missing.returncode == 1
    assert "error[P203]" in missing.stdout
    assert "scored, which comes before it, is not complete" in missing.stdout
    rest = run(folder, "--from", "short")
    assert (said(rest, "runs"), said(rest, "skipped")) == (["short"], [])
    unknown = run(folder, "--until", "bset")
    assert "did you mean best?" in unknown.stderr


def test_a_failed_stage_ends_the_pipeline_with_the_place_of_its_log(folder: Path) -> None:
    (folder / "scored.jsonl").write_text('{"prompt_id": "p", "reward": "much"}\n', encoding="utf-8")
    failed = run(folder)
    assert failed.returncode == 1
    assert "best: failed (exit code 1); its log: out/best/log.txt" in failed.stdout
    assert "which is no number" in (folder / "out/best/log.txt").read_text(encoding="utf-8")
    assert said(failed, "runs") == ["scored", "best"]


def test_a_finished_pipeline_is_run_again_without_torch(done: Path) -> None:
    code = (
        "import sys\nfrom recipe_engine.cli import app\n"
        "try:\n    app(['run', 'pipeline.yaml', '--num-gpus', '0'])\nexcept SystemExit as end:\n    assert not end.code\n"
        "heavy = {'torch', 'transformers', 'trl', 'datasets', 'pyarrow', 'numpy'} & set(sys.modules)\nassert not heavy, heavy"
    )
    import subprocess
    import sys

    finished = subprocess.run([sys.executable, "-c", code], cwd=done, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


def test_status_logs_and_resume_know_a_pipeline(done: Path) -> None:
    table = recipe(done, "status", "--folder", ".").stdout
    assert "out" in table
    assert "3/3" in table
    (data,) = json.loads(recipe(done, "status", "--folder", ".", "--json").stdout)
    assert (data["state"], [stage["state"] for stage in data["stages"]]) == ("done", ["complete"] * 3)
    assert "short: done: 4 rows in, 4 out" in recipe(done, "logs", "out").stdout
    assert "prompts: 4" in recipe(done, "logs", "out", "--stage", "best").stdout
    (done / "out/short/manifest.json").unlink()
    (done / "out/short/begun.json").unlink()
    resumed = recipe(done, "resume", "out")
    assert (resumed.returncode, said(resumed, "runs")) == (0, ["short"])
    assert recipe(done, "wait", "out").returncode == 0


def test_a_pipeline_in_the_background_can_be_waited_for(folder: Path) -> None:
    started = run(folder, "--nohup")
    assert started.returncode == 0, started.stderr
    assert "running in the background as process" in started.stdout
    waited = recipe(folder, "wait", "out")
    assert (waited.returncode, waited.stdout) == (0, "out: done\n")
    assert len(rows(folder, "short")) == 4


def test_the_plan_shows_what_is_complete_and_what_would_run(done: Path) -> None:
    data = json.loads(recipe(done, "plan", "pipeline.yaml", "--json").stdout)
    assert [(one["id"], one["rows"], one["certainty"]) for one in data["stages"]] == [
        ("scored", 12, "exact"),
        ("best", 12, "at most"),
        ("short", 12, "at most"),
    ]
    assert [run["act"] for run in data["runs"]] == ["skip", "skip", "skip"]
    text = recipe(done, "run", "pipeline.yaml", "--num-gpus", "0", "--dry-run", "stages[1].min_group=2").stdout
    assert "best: in the way: its result is of another pipeline" in text
    assert "min_group: null -> 2" in text
