"""Who starts runs: what may be asked of each of them."""

from __future__ import annotations

from typing import Protocol

from recipe_engine.launch import ray, slurm
from recipe_engine.launch.jobs import Job


class Scheduler(Protocol):
    """A scheduler's module. ``stop`` and ``cancel`` raise ``LaunchError`` where it is not to be reached, or refuses."""

    def stop(self, job: Job, *, now: bool) -> None:
        """Have a running job's training save and end, or end at once."""

    def is_queued(self, job: Job) -> bool:
        """Whether a job waits to begin, or to begin again, as far as this machine can tell."""

    def cancel(self, job: Job) -> None:
        """Take a job that has not begun out of the queue."""


def scheduler_of(job: Job) -> Scheduler:
    """The one that a job was submitted to."""
    return slurm if job.system == "slurm" else ray
