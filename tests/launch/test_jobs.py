"""What files say of runs that a scheduler was given."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from recipe_engine.compiled import CompiledRun
from recipe_engine.launch import jobs
from recipe_engine.launch.attempts import begin, end
from recipe_engine.launch.jobs import Job, name_of, surrounding_job
from recipe_engine.launch.run_folder import demand_free, write_run_folder
from recipe_engine.launch.runs import runs_under, status_of

SLURM, RAY = Job("slurm", "17"), Job("ray", "sft-20261130-4f", "http://head:8265")


@pytest.mark.parametrize("job", [SLURM, RAY])
def test_a_job_is_passed_on_by_its_name(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(jobs.VARIABLE, name_of(job))
    assert surrounding_job() == job


@pytest.mark.parametrize("text", ["", "slurm:", "cron:1", "17"])
def test_anything_else_is_no_job(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(jobs.VARIABLE, text)
    assert surrounding_job() is None


def test_a_submitted_run_is_known_and_keeps_its_folder_free(run: CompiledRun) -> None:
    jobs.record(run, SLURM, Path("logs/x.log"))
    found = status_of(Path(run.output_dir))
    assert (found.state, found.job, found.log) == ("submitted", SLURM, Path("logs/x.log"))
    assert [one.run.run_name for one in runs_under(Path("models"))[0]] == [run.run_name]
    demand_free(run, overwrite=False)


def test_a_run_that_has_begun_is_no_longer_submitted(run: CompiledRun, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs.record(run, SLURM, Path("logs/x.log"))
    monkeypatch.setenv(jobs.VARIABLE, name_of(SLURM))
    _, lock = write_run_folder(run, {}, overwrite=False)
    begin(run, Path("logs/a.log"))
    found = status_of(Path(run.output_dir))
    assert (found.state, found.job, found.pid) == ("running", SLURM, os.getpid())
    end(run, 143, "stopped")
    lock.release()
    jobs.record(run, SLURM, Path("logs/x.log"))  # the submission is noted late: the job was quick to begin
    assert status_of(Path(run.output_dir)).state == "stopped"
    jobs.record(run, Job("slurm", "18"), Path("logs/x.log"))
    assert status_of(Path(run.output_dir)).state == "submitted"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"job": {"system": "cron", "id": "1"}}',
        '{"job": {"system": "slurm"}}',
        '{"job": {"system": "slurm", "id": "--user=root"}}',
    ],
)
def test_a_damaged_note_is_none(run: CompiledRun, text: str) -> None:
    jobs.record(run, SLURM, Path("logs/x.log"))
    Path(run.run_dir, jobs.FILE).write_text(text)
    assert jobs.submitted(Path(run.run_dir)) is None


def test_a_resubmitted_run_whose_recipe_is_of_another_version_is_none(run: CompiledRun) -> None:
    jobs.record(run, SLURM, Path("logs/x.log"))
    file = Path(run.run_dir, jobs.FILE)
    entry = json.loads(file.read_text())
    del entry["run"]["algorithm"]
    file.write_text(json.dumps(entry))
    assert jobs.submitted(Path(run.run_dir)) is None
