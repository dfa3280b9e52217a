"""Handing a run over to a scheduler: what every scheduler has in common."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from recipe_engine.compiled import CompiledRun
from recipe_engine.launch import jobs
from recipe_engine.launch.jobs import Job
from recipe_engine.launch.preflight import preflight
from recipe_engine.launch.resume import resumption
from recipe_engine.launch.run import log_folder, new_file


@dataclass(frozen=True, slots=True)
class Request:
    """What a scheduler would be given."""

    text: str
    suffix: str
    """Ending of the file that ``text`` is kept in."""
    submit: Callable[[Path], Job]
    """Gives the file to the scheduler. Raises ``LaunchError``."""
    log: Callable[[Job], str]
    """Name, under the folder of logs, of the file that a job's own output goes to."""


@dataclass(frozen=True, slots=True)
class Handed:
    """A run that was handed over."""

    job: Job
    script: Path
    log: Path


def hand_over(run: CompiledRun, request: Request, overwrite: bool) -> Handed:
    """Check all that can be checked here, write the script into the run's logs, submit it, and note that it was.

    Raises:
        LaunchError: something that the run needs is missing, or the scheduler does not take it.
        DataError: the data cannot be used.
    """
    resumed = resumption(run)
    preflight(run if resumed is None else resumed.run, overwrite, here=False)
    script = new_file(run, request.suffix)
    script.write_text(request.text, encoding="utf-8")
    job = request.submit(script)
    log = log_folder() / request.log(job)
    jobs.record(run, job, log)
    return Handed(job, script, log)


def program(run: CompiledRun, config: Path) -> list[str]:
    """The command that one machine starts, but for its rank and the recipe's overrides.

    ``-P`` keeps Python from importing out of the current folder. The recipe is named absolutely: the job may begin
    elsewhere.
    """
    command = [sys.executable, "-P", "-m", "recipe_engine.cli", "train", "--config", str(config.absolute())]
    command += ["--num-gpus", str(run.gpus)]
    command += ["--allow-reward-code"] * run.allow_reward_code
    return [*command, *["--trust-remote-code"] * run.allow_remote_code]
