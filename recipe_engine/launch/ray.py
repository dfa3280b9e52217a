"""A run as a job of Ray: what is submitted, and its end. ``ray_driver`` is what the job runs."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
import uuid
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from recipe_engine.compiled import CompiledRun
from recipe_engine.launch.asked import SECOND_WISH_SECONDS
from recipe_engine.launch.errors import LaunchError, install_hint
from recipe_engine.launch.jobs import Job, log_name, name_of
from recipe_engine.launch.submission import Request, program

_LOCAL = "http://127.0.0.1:8265"
_DRIVER = "recipe_engine.launch.ray_driver"
_MARGIN_SECONDS = 30


def request(run: CompiledRun, config: Path, overrides: Sequence[str], cpus: int | None, address: str | None) -> Request:
    """What Ray would be given to train a run: the specification that the job's driver reads.

    ``cpus`` are the CPU cores of each machine; by default one for each process.
    """
    where = address or os.environ.get("RAY_API_SERVER_ADDRESS") or os.environ.get("RAY_ADDRESS") or _LOCAL
    specification = {
        "run_name": run.run_name,
        "nodes": run.nodes,
        "bundle": {"CPU": cpus or run.processes_per_node, **({"GPU": run.gpus} if run.gpus else {})},
        "folder": os.getcwd(),
        "command": program(run, config),
        "overrides": list(overrides),
        "start_seconds": run.launch.start_minutes * 60,
        "grace_seconds": run.launch.grace_minutes * 60,
    }
    text = json.dumps(specification, indent=1, ensure_ascii=False) + "\n"
    return Request(text, ".ray.json", partial(_submit, run, where), lambda job: log_name(name_of(job)))


def stop(job: Job, *, now: bool) -> None:
    """Have a running job's training save and end.

    Ray ends the job's processes itself where the run does not end in its grace time.

    Raises:
        LaunchError: Ray is not installed here, is not to be reached, or refuses.
    """
    _asked(job.address, "T514", lambda client: client.stop_job(job.id))
    if now:
        time.sleep(SECOND_WISH_SECONDS)
        _asked(job.address, "T514", lambda client: client.stop_job(job.id))


def is_queued(job: Job) -> bool:
    """Whether a job waits to begin, as far as this machine can tell."""
    try:
        status = _asked(job.address, "T514", lambda client: client.get_job_status(job.id))
    except LaunchError:
        return False
    return str(status) == "PENDING"


def cancel(job: Job) -> None:
    """Take a job that has not begun out of the queue.

    Raises:
        LaunchError: as ``stop``.
    """
    stop(job, now=False)


def _submit(run: CompiledRun, address: str, specification: Path) -> Job:
    identity = f"{specification.name.removesuffix('.ray.json')}-{uuid.uuid4().hex[:6]}".replace(" ", "-")
    # The cluster's Python is this one, under the same path: the folder that all machines share may hold it.
    job = Job("ray", identity, address)
    entrypoint = shlex.join([sys.executable, "-P", "-m", _DRIVER, str(specification), name_of(job)])
    # Ray would kill a job three seconds after a stop.
    patience = str(round(run.launch.grace_minutes * 60) + _MARGIN_SECONDS)
    variables = {"RAY_JOB_STOP_WAIT_TIME_S": patience}
    _asked(
        address,
        "T515",
        lambda client: client.submit_job(
            entrypoint=entrypoint, submission_id=identity, runtime_env={"env_vars": variables}
        ),
    )
    return job


def _asked(address: str | None, code: str, question: Any) -> Any:
    if find_spec("ray") is None:
        raise LaunchError("T510", "Ray is not installed here", install_hint("ray"))
    from ray.job_submission import JobSubmissionClient

    try:
        return question(JobSubmissionClient(address))
    except (ConnectionError, RuntimeError, ValueError) as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise LaunchError(
            code, f"Ray at {address}: {first}", "is that the address of its dashboard? See --address"
        ) from error
