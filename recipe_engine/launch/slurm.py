"""A run as a job of Slurm: the script, its submission, and its end.

One task on each machine starts ``recipe train``. What a user wrote reaches the script in two ways only: quoted, as an
element of an array, or in an ``#SBATCH`` line, where it may hold no blank, quote or other sign that sbatch would read.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from recipe_engine.compiled import FINISHED, CompiledRun
from recipe_engine.launch.asked import SECOND_WISH_SECONDS
from recipe_engine.launch.errors import LaunchError
from recipe_engine.launch.jobs import VARIABLE, Job
from recipe_engine.launch.submission import Request, program

_PLAIN = re.compile(r"[\w@%+=:,./()\[\]*&|!~^-]+", re.ASCII)
_OPTION = re.compile(r"[a-z][a-z-]*")
_NAME = re.compile(r"[^\w.+=-]+", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TIME = re.compile(r"(?:(?P<days>\d+)-)?(?P<parts>\d+(?::\d+){0,2})", re.ASCII)
_MEM = re.compile(r"\d+[KMGT]?", re.ASCII | re.IGNORECASE)
_UNLIMITED = {"UNLIMITED", "INFINITE"}
_LONGEST_NAME = 60
_SIGNAL_MARGIN = 30
"""Seconds for what comes around saving: the signal's way, and the end of the processes."""
_OURS = {
    *("array", "chdir", "error", "export", "job-name", "nodes", "ntasks", "ntasks-per-node", "open-mode", "output"),
    *("parsable", "signal", "test-only", "time", "wait", "wrap"),
}
"""Options of sbatch that the script relies on, or that recipe submit has options of its own for."""
_CPU_OPTIONS = {"cpus-per-task", "cpus-per-gpu"}
_GPU_OPTIONS = {"gres", "gpus", "gpus-per-node", "gpus-per-task"}

_RENDEZVOUS = """\
# The first machine of the allocation, at the address by which Slurm reaches it, and a port that no other job has.
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address=$(scontrol --oneliner show node "$first" | sed -n 's/.* NodeAddr=\\([^ ]*\\) .*/\\1/p')
rendezvous=$address:$((15000 + SLURM_JOB_ID % 15000))
"""

_SRUN = ["srun", "--ntasks-per-node=1"]
# Each task knows its own rank only. $0 is how many words the program has.
_ON_EACH = (
    """--label bash -c 'exec "${@:1:$0}" --node-rank "$SLURM_NODEID" "${@:$0+1}"' """
    """"${#program[@]}" "${program[@]}" --rendezvous "$rendezvous\""""
)

_BODY = """\
export {variable}=slurm:$SLURM_JOB_ID
if [[ -n ${{SLURM_CPUS_PER_TASK:-}} ]]; then export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK; fi
# A job that Slurm, or the time limit, has put back into the queue goes on from its checkpoint.
if ((${{SLURM_RESTART_COUNT:-0}} > 0)); then overrides+=(training.resume=auto); fi

again=
# The time limit is near: save, and go on in another job. A stop (SIGTERM) reaches the training without this shell.
trap 'again=yes; scancel --quiet --signal=TERM "$SLURM_JOB_ID"' USR1
trap : TERM

{start} &
step=$!
while wait "$step"; code=$?; ((code > 128)) && kill -0 "$step" 2>/dev/null; do :; done
if [[ $again && ! -e $finished ]]; then scontrol requeue "$SLURM_JOB_ID"; fi
exit "$code"
"""


@dataclass(frozen=True, slots=True)
class Resources:
    """What a job asks of Slurm beside machines and GPUs, each in Slurm's own spelling."""

    time: str | None = None
    partition: str | None = None
    account: str | None = None
    mem: str | None = None
    cpus: int | None = None
    further: tuple[str, ...] = ()
    """``KEY=VALUE`` or ``KEY``, options of sbatch by their long names."""


def script(
    run: CompiledRun, command: Sequence[str], overrides: Sequence[str], resources: Resources, output: str
) -> str:
    """The batch script that trains a run. ``command`` is that of one machine, ``overrides`` those of the recipe.
    ``output`` is where the script's own output goes, seen from the current folder.

    Raises:
        LaunchError: an option of sbatch holds what could be read as something else, or is one that the script sets.
    """
    several = run.nodes > 1
    start = f"{shlex.join(_SRUN)} {_ON_EACH}" if several else f'{shlex.join(_SRUN)} "${{program[@]}}"'
    return "\n".join(
        [
            "#!/bin/bash",
            *(f"#SBATCH --{line}" for line in _directives(run, resources, output)),
            "",
            "# Written by `recipe submit`: change the recipe or the options, and submit it again.",
            f"program=({_words(command)})",
            f"overrides=({_words(overrides)})",
            f"finished={_quoted(str(Path(run.run_dir, FINISHED)))}",
            "",
            *([_RENDEZVOUS] if several else []),
            _BODY.format(variable=VARIABLE, start=f'{start} -- "${{overrides[@]}}"'),
        ]
    )


def request(run: CompiledRun, config: Path, overrides: Sequence[str], resources: Resources) -> Request:
    """What Slurm would be given to train a run.

    Raises:
        LaunchError: as ``script``.
    """
    name = _name(run)
    text = script(run, program(run, config), overrides, resources, f"logs/{name}-slurm-%j.log")
    return Request(text, ".sbatch", _submit, lambda job: f"{name}-slurm-{job.id}.log")


def _submit(script_file: Path) -> Job:
    """Give a script to Slurm.

    Raises:
        LaunchError: Slurm is not installed here, or does not take it.
    """
    said = _run(["sbatch", "--parsable", str(script_file)], "T515")
    return Job("slurm", said.strip().partition(";")[0])


def stop(job: Job, *, now: bool) -> None:
    """Have a running job's training save and end, with a SIGTERM that leaves it all the time it needs; or end at once.

    A job that was stopped so is not put back into the queue.

    Raises:
        LaunchError: Slurm is not here, or refuses.
    """
    command = ["scancel", "--signal=TERM", job.id]
    _run(command, "T514")
    if now:  # as with Ctrl-C, the second one does not wait
        time.sleep(SECOND_WISH_SECONDS)
        with suppress(LaunchError):  # it has ended meanwhile
            _run(command, "T514")


def is_queued(job: Job) -> bool:
    """Whether a job waits to begin, or to begin again, as far as this machine can tell."""
    try:
        return _run(["squeue", "--noheader", "--states=PENDING", "--jobs", job.id, "--format=%T"], "T514").strip() != ""
    except LaunchError:
        return False  # Slurm has forgotten it, or is not here


def cancel(job: Job) -> None:
    """Take a job that has not begun out of the queue.

    Raises:
        LaunchError: Slurm is not here, or refuses.
    """
    _run(["scancel", job.id], "T514")


def _directives(run: CompiledRun, resources: Resources, output: str) -> Iterator[str]:
    yield f"job-name={_name(run)}"
    yield f"nodes={run.nodes}"
    yield "ntasks-per-node=1"
    given = {item.partition("=")[0] for item in resources.further}
    if run.gpus > 0 and not given & _GPU_OPTIONS:
        yield f"gpus-per-node={run.gpus}"
    named = {"time": resources.time, "partition": resources.partition, "account": resources.account}
    cpus = resources.cpus
    if cpus is None and run.gpus == 0 and not given & _CPU_OPTIONS:
        cpus = run.processes_per_node
    named |= {"mem": resources.mem, "cpus-per-task": None if cpus is None else str(cpus)}
    if resources.mem is not None and not _MEM.fullmatch(resources.mem):
        hint = "write MiB, or a number with K, M, G or T, as in 200G; 0 is all that the machine has"
        raise LaunchError("T516", f"mem: {resources.mem!r} is no size that Slurm reads", hint)
    for name, value in named.items():
        if value is not None:
            yield f"{name}={_plain(name, value)}"
    for item in resources.further:
        name, equals, value = item.partition("=")
        if not _OPTION.fullmatch(name):
            raise LaunchError(
                "T516", f"--sbatch {item!r}: an option of sbatch is named by its long name, without dashes"
            )
        if name in _OURS:
            raise LaunchError("T516", f"--sbatch {name}: the script sets this itself")
        yield f"{name}={_plain(name, value)}" if equals else name
    if "no-requeue" not in given:
        yield "requeue"
    yield "open-mode=append"
    yield f"signal=B:USR1@{seconds_before_limit(run, resources.time)}"
    yield f"output={output}"


def _name(run: CompiledRun) -> str:
    """The run's name, with nothing in it that sbatch, a shell or a file system reads."""
    return _NAME.sub("-", run.run_name)[:_LONGEST_NAME].strip("-.") or "run"


def _words(words: Sequence[str]) -> str:
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    """A word as bash reads it, on one line: what comes after a line break might look like a line for sbatch."""
    if not _CONTROL.search(word):
        return shlex.quote(word)
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    return "$'" + _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", escaped) + "'"


def _plain(name: str, value: str) -> str:
    if not value:
        raise LaunchError("T516", f"{name} is empty", "name one, or leave the option out")
    if not _PLAIN.fullmatch(value):
        hint = "blanks, quotes, $, #, ; and the like are not passed on to sbatch"
        raise LaunchError("T516", f"{name}: {value!r} holds signs that no value of this option needs", hint)
    return value


def is_unlimited(limit: str) -> bool:
    """Whether Slurm takes a time limit, which it can read, for none at all."""
    return limit.upper() in _UNLIMITED or not any(sign in "123456789" for sign in limit)


def seconds_before_limit(run: CompiledRun, limit: str | None) -> int:
    """How long before the time limit the run is told to save: as long as that may take, at most a quarter of the limit.

    Raises:
        LaunchError: ``limit`` is none that Slurm reads.
    """
    wanted = round(run.launch.grace_minutes * 60) + _SIGNAL_MARGIN
    if limit is None or limit.upper() in _UNLIMITED:
        return wanted
    found = _TIME.fullmatch(limit)
    if not found:
        hint = "write minutes, HH:MM:SS, or D-HH:MM:SS; UNLIMITED, or 0, for none"
        raise LaunchError("T516", f"time: {limit!r} is no time limit", hint)
    parts = [int(part) for part in found["parts"].split(":")]
    units: dict[int, tuple[int, ...]] = {1: (60,), 2: (60, 1), 3: (3600, 60, 1)}
    chosen = units[3] if found["days"] is not None else units[len(parts)]
    seconds = int(found["days"] or 0) * 86400 + sum(part * unit for part, unit in zip(parts, chosen, strict=False))
    return max(min(wanted, seconds // 4), 1) if seconds else wanted  # 0 is Slurm's word for no limit


def _run(command: list[str], code: str) -> str:
    if shutil.which(command[0]) is None:
        raise LaunchError(
            code, f"there is no {command[0]} here", "run this on a machine of the cluster where Slurm's commands are"
        )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LaunchError(code, f"{command[0]}: {(done.stderr or done.stdout).strip()}")
    return done.stdout
