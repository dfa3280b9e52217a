"""Pipelines that need no torch, run as a user runs them: what runs, what is skipped, and why."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recipe_engine.launch.lock import lock_folder
from recipe_engine.launch.tee import Screen
from recipe_engine.pipeline.check import check_pipeline
from recipe_engine.pipeline.driver import Limits, run_pipeline
from recipe_engine.pipeline.errors import PipelineError
from recipe_engine.pipeline.instances import instances, waits_for
from recipe_engine.pipeline.limits import key_of
from recipe_engine.pipeline.lock import take
from recipe_engine.pipeline.manifest import read_manifest
from recipe_engine.pipeline.resolve import compile_stage, work_of
from recipe_engine.pipeline.slices import trim_as_they_stand
from tests.pipeline.support import CHOOSING, ROOT, recipe, rows, run, said, write, write_scored


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
    assert "error[P201]: best: its result was made with other settings" in changed.stdout
    assert "min_group: null -> 2" in changed.stdout
    assert said(changed, "runs") == []
    assert run(done).returncode == 0  # nothing was touched


def test_a_start_that_runs_nothing_changes_no_record_of_the_one_before(done: Path) -> None:
    def records() -> list[bytes]:
        return [(done / "out" / name).read_bytes() for name in ("pipeline.json", "starts.jsonl")]

    before = records()
    assert run(done, "stages[1].min_group=2").returncode == 1
    assert run(done, "--until", "scored").returncode == 0
    assert run(done).returncode == 0
    assert records() == before
    (done / "out/starts.jsonl").write_bytes(before[1].split(b"\n")[0] + b"\n")  # killed before it could say its end
    assert run(done).returncode == 0
    (data,) = json.loads(recipe(done, "status", "--folder", ".", "--json").stdout)
    assert data["state"] == "done"


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
    shard.write_bytes(before.replace(b"answer 0.2", b"answer 9.9"))  # of the same size
    edited = run(done)
    assert edited.returncode == 1
    assert "part-00000.jsonl of its result was changed since" in edited.stdout
    shard.write_bytes(before)  # another time and perhaps another inode, the same content
    assert said(run(done), "skipped") == ["scored", "best", "short"]
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
    empty = run(folder, "--from", "short", "--until", "best")
    assert (empty.returncode, "--from short comes after --until best" in empty.stderr) == (1, True)


def test_a_failed_stage_ends_the_pipeline_with_the_place_of_its_log(folder: Path) -> None:
    (folder / "scored.jsonl").write_text('{"prompt_id": "p", "reward": "much"}\n', encoding="utf-8")
    failed = run(folder)
    assert failed.returncode == 1
    assert "best: failed (exit code 1); its log: out/best/log.txt" in failed.stdout
    assert "which is no number" in (folder / "out/best/log.txt").read_text(encoding="utf-8")
    assert said(failed, "runs") == ["scored", "best"]


def test_a_finished_pipeline_is_run_again_without_torch(done: Path) -> None:
    code = """
import sys
from recipe_engine.cli import app
try:
    app(["run", "pipeline.yaml", "--num-gpus", "0"])
except SystemExit as end:
    assert not end.code
heavy = {"torch", "transformers", "trl", "datasets", "pyarrow", "numpy"} & set(sys.modules)
assert not heavy, heavy
"""
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
    assert (
        "out has no stage bset\n  = help: did you mean best?" in recipe(done, "logs", "out", "--stage", "bset").stderr
    )
    (done / "out/short/manifest.json").unlink()
    (done / "out/short/begun.json").unlink()
    resumed = recipe(done, "resume", "out")
    assert (resumed.returncode, said(resumed, "runs")) == (0, ["short"])
    assert recipe(done, "wait", "out").returncode == 0


def test_status_shows_the_verdict_of_a_gate(done: Path) -> None:
    manifest = json.loads((done / "out/short/manifest.json").read_text(encoding="utf-8"))
    manifest |= {"kind": "gate"}
    manifest["result"] |= {"rows_in": 0, "rows_out": 0, "summary": {"verdict": "not_ready"}}
    (done / "out/short/manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert "short: not ready" in recipe(done, "status", "--folder", ".").stdout


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
    shutil.copytree(done / "out", done / "cut")
    shutil.rmtree(done / "cut/best")
    data = json.loads(recipe(done, "plan", "pipeline.yaml", "--json", "output_dir=cut").stdout)
    assert [run["act"] for run in data["runs"]] == ["skip", "begin", "open"]
    text = recipe(done, "run", "pipeline.yaml", "--num-gpus", "0", "--dry-run", "stages[1].min_group=2").stdout
    assert "best: in the way: its result was made with other settings" in text
    assert "min_group: null -> 2" in text


LOOP = """\
output_dir: out
stages:
  - {id: rows, kind: prepare, rows: ./scored.jsonl}
  - id: again
    kind: loop
    iterations: 9
    carry: {policy: {start: builtin/tiny-chat, from_stage: sft}}
    slices: {batch: {rows: $rows, take: 5, at_end: stop}}
    stages:
      - {id: part, kind: prepare, rows: $batch}
      - {id: all, kind: select, rows: $part, how: best_of_n, iterations: all}
      - {id: sft, kind: train, model: $policy, rows: $all, recipe: {training: {algorithm: sft}}}
"""


def test_a_loop_takes_further_rows_each_time_and_ends_where_they_do(folder: Path) -> None:
    """Only what needs no torch is run: training is asked for by no stage up to here."""

    write(folder, LOOP)
    assert run(folder, "--until", "rows").returncode == 0
    graph = check_pipeline(folder / "pipeline.yaml", [f"output_dir={folder}/out"]).graph
    assert graph is not None
    work = work_of(graph)
    assert read_manifest(str(folder / "out/rows")) is not None
    trim_as_they_stand(work)
    assert work.iterations == {"again": 2}  # 12 rows, 5 an iteration
    found = {one.key: one for one in instances(graph, work.iterations)}
    assert list(found)[-1] == "again/0001/sft"
    assert compile_stage(work, found["again/0001/part"]).slice == (5, 10)
    assert compile_stage(work, found["again/0001/all"]).merged_rows == [f"{folder}/out/again/0000/part/rows/train"]
    assert key_of(graph, work.iterations, "again/1/all", "--until", last=True) == "again/0001/all"
    with pytest.raises(PipelineError, match="the loop again has no iteration 2") as beyond:
        key_of(graph, work.iterations, "again/2/all", "--until", last=True)
    assert beyond.value.hint == "it has 2, counted from 0: again/0 to again/1"
    needs = {one.key for one in waits_for(graph, found["again/0001/sft"], work.iterations)}
    assert needs == {"again/0000/sft", "again/0001/all"}


def test_slices_that_run_out_and_may_not_are_said_before_the_loop_begins(folder: Path) -> None:
    write(folder, LOOP.replace("at_end: stop", "at_end: error"))
    ended = run(folder)
    assert ended.returncode == 1
    assert "error[P205]: again: $rows has 12 rows, and 9 iterations take 5 each" in ended.stdout
    assert said(ended, "runs") == ["rows"]


def test_stages_that_do_not_wait_for_one_another_run_at_once_on_gpus_of_their_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    write(
        folder,
        "output_dir: out\nstages:\n"
        + "".join(f"  - {{id: {name}, kind: prepare, rows: ./scored.jsonl, gpus: 1}}\n" for name in "abc")
        + "  - {id: both, kind: prepare, rows: $a, gpus: 2, after: [b, c]}\n",
    )
    graph = check_pipeline("pipeline.yaml", gpus=2).graph
    assert graph is not None
    os.mkdir("out")
    lines: list[str] = []
    held = take(Path("out"), lines.append)
    assert run_pipeline(work_of(graph, 2), Limits(), lines.append, Screen(), held.descriptor) == 0
    held.release()
    begun = [line.split(": ")[0] + ":" + line.split(": ")[1] for line in lines if ": runs" in line or ": done" in line]
    assert begun[:2] == ["a:runs on GPU 4", "b:runs on GPU 7"]
    assert begun[2].endswith(":done")  # a or b, or both at once
    assert next(line for line in begun if line.startswith("c:")) in {"c:runs on GPU 4", "c:runs on GPU 7"}
    assert begun[-2] in {"both:runs on GPU 4, 7", "both:runs on GPU 7, 4"}


def test_a_pipeline_that_is_going_on_is_not_run_a_second_time(done: Path) -> None:
    held = lock_folder(done / "out", "the pipeline")
    held.name_holder(os.getpid())
    second = run(done)
    held.release()
    assert second.returncode == 1
    assert f"output_dir: out is in use by a run that is going on (process {os.getpid()}" in second.stderr


def test_a_signal_ends_the_running_stage_and_leaves_no_process(folder: Path) -> None:
    write_scored(folder, prompts=60000, samples=3)
    mark = f"MARK_{os.getpid()}_{time.monotonic_ns()}"
    process = subprocess.Popen(
        [sys.executable, "-m", "recipe_engine.cli", "run", "pipeline.yaml", "--num-gpus", "0"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), mark: "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    while "scored: runs" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 143, output
    assert "scored: stopped by SIGTERM" in output
    environments = (folder_.joinpath("environ") for folder_ in Path("/proc").glob("[0-9]*"))
    for file in environments:
        try:
            assert mark.encode() not in file.read_bytes()
        except OSError:
            continue
    assert run(folder, "--until", "scored").returncode == 0
