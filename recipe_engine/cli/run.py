"""``recipe run``: run a pipeline, or go on with one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from recipe_engine.cli.common import EXIT_FINDINGS, Overrides, fail
from recipe_engine.cli.output import wants_color, write

if TYPE_CHECKING:
    from recipe_engine.pipeline.graph import Graph
    from recipe_engine.pipeline.record import Record
    from recipe_engine.pipeline.resolve import Work

_FIRST_SECONDS = 10.0


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(run)


def run(
    file: Path = typer.Argument(..., metavar="FILE", help="The pipeline (YAML)."),
    overrides: Overrides = None,
    num_gpus: int = typer.Option(..., "--num-gpus", min=0, metavar="NUM_GPUS", help="GPUs to use; 0 is the CPU."),
    until: str | None = typer.Option(None, "--until", metavar="ID", help="Last stage to run: sft, raft, raft/2/sft."),
    begin: str | None = typer.Option(
        None, "--from", metavar="ID", help="First stage to run; those before it are taken as they stand."
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show what would run, like `recipe plan`, and stop."),
    nohup: bool = typer.Option(False, "--nohup", help="Run in the background; the shell may be closed."),
    replace: bool = typer.Option(False, "--replace", help="Replace results that other settings have made."),
    allow_reward_code: bool = typer.Option(
        False, "--allow-reward-code", help="Run reward functions from Python files beside the pipeline or its recipes."
    ),
    trust_remote_code: bool = typer.Option(
        False, "--trust-remote-code", help="Run code that ships with a model, at the revision that a recipe pins."
    ),
) -> None:
    """Run a pipeline. What is complete and unchanged is skipped; a stage that was stopped is gone on with.

    Exit codes: 0 done, 1 findings, a failed stage or a gate that stops, 130 interrupted, 143 stopped.
    """
    graph = checked_graph(file, overrides or [], num_gpus)
    from recipe_engine.pipeline.record import Record

    record = Record(
        file=os.path.abspath(file),
        folder=os.getcwd(),
        overrides=overrides or [],
        gpus=num_gpus,
        until=until,
        begin=begin,
        allow_reward_code=allow_reward_code,
        allow_remote_code=trust_remote_code,
        replace=replace,
        pid=os.getpid(),
        time=time.time(),
        keys=[],
    )
    if dry_run:
        from recipe_engine.cli.plan import show_pipeline

        show_pipeline(graph, num_gpus, as_json=False)
        return
    start(graph, record, nohup=nohup)


def checked_graph(file: Path, overrides: list[str], gpus: int | None) -> Graph:
    """Check a pipeline; print what was found to standard error, and exit with 1 where that holds an error."""
    from recipe_engine.diagnostics.text import render_text
    from recipe_engine.pipeline.check import check_pipeline

    if not is_pipeline_file(file):
        fail("P206", f"{file} is no pipeline: it has no key `stages`", "a recipe is trained by `recipe train --config`")
    checked = check_pipeline(file, overrides, gpus)
    if checked.diagnostics:
        color = sys.stderr.isatty() and wants_color()
        write(render_text(checked.diagnostics, checked.texts, color=color), err=True)
    if checked.graph is None:
        raise typer.Exit(EXIT_FINDINGS)
    return checked.graph


def is_pipeline_file(file: Path) -> bool:
    """Whether a file is a pipeline. One that cannot be read is taken for one where it says `stages:`."""
    from recipe_engine.source import load

    texts: dict[str, str] = {}
    document, _ = load(file, texts=texts)
    if document is not None:
        return "stages" in document.tree
    return any(line.startswith("stages:") for line in texts.get(str(file), "").splitlines()) or not texts


def start(graph: Graph, record: Record, *, nohup: bool) -> None:
    """Run a checked pipeline, in the foreground to its end and exit code, or in the background."""
    from recipe_engine.launch.errors import LaunchError
    from recipe_engine.pipeline.errors import PipelineError
    from recipe_engine.pipeline.preflight import preflight
    from recipe_engine.pipeline.resolve import work_of

    work = work_of(
        graph,
        record.gpus,
        allow_reward_code=record.allow_reward_code,
        allow_remote_code=record.allow_remote_code,
    )
    try:
        preflight(work)
    except (LaunchError, PipelineError) as error:
        fail(error.code, error.message, error.hint)
    if nohup:
        _in_background(work, record)
        return
    sys.exit(_run(work, record))


def _run(work: Work, record: Record) -> int:
    from recipe_engine.launch.errors import LaunchError
    from recipe_engine.launch.paths import shorten
    from recipe_engine.pipeline.driver import Limits, run_pipeline
    from recipe_engine.pipeline.errors import PipelineError
    from recipe_engine.pipeline.instances import instances
    from recipe_engine.pipeline.limits import demand_order, key_of
    from recipe_engine.pipeline.lock import take
    from recipe_engine.pipeline.record import LOG, Log, Recorder

    output_dir = Path(work.output_dir)
    graph = work.graph
    try:
        first = key_of(graph, work.iterations, record.begin, "--from", last=False) if record.begin else None
        last = key_of(graph, work.iterations, record.until, "--until", last=True) if record.until else None
        demand_order(graph, work.iterations, first, last)
        output_dir.mkdir(parents=True, exist_ok=True)
        held = take(output_dir, lambda message: write(message))
    except (PipelineError, LaunchError) as error:
        fail(error.code, error.message, error.hint)
    except OSError as error:
        fail("T503", f"{error.filename or output_dir}: {error.strerror}", "choose another output_dir")
    keys = [one.key for one in instances(graph, work.iterations)]
    recorder = Recorder(output_dir, record.model_copy(update={"keys": keys}))
    log = Log(output_dir / LOG)
    code = EXIT_FINDINGS
    device = "the CPU" if work.gpus == 0 else f"{work.gpus} GPU{'s' if work.gpus > 1 else ''}"
    log.say(f"{output_dir.name}: on {device}; everything is in {shorten(output_dir)}")
    try:
        limits = Limits(first, last, record.replace)
        code = run_pipeline(work, limits, log.say, log, held.descriptor, recorder.begin)
    except PipelineError as error:
        log.say(f"error[{error.code}]: {error.message}")
        if error.hint:
            log.say(f"  = help: {error.hint}")
    finally:
        recorder.end(code, [one.key for one in instances(graph, work.iterations)])
        held.release()
    if code == 0:
        log.say(f"{output_dir.name}: done")
    return code


def _in_background(work: Work, record: Record) -> None:
    from recipe_engine.launch.lock import holder
    from recipe_engine.launch.paths import shorten

    output_dir = Path(work.output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    log = output_dir / "log.txt"
    options = [f"--{name}" for name in ("allow-reward-code", "replace") if getattr(record, name.replace("-", "_"))]
    options += ["--trust-remote-code"] if record.allow_remote_code else []
    options += ["--until", record.until] if record.until else []
    options += ["--from", record.begin] if record.begin else []
    command = [sys.executable, "-m", "recipe_engine.cli", "run", record.file, "--num-gpus", str(record.gpus)]
    with open(os.devnull, "ab") as nowhere:
        process = subprocess.Popen(
            ["nohup", *command, *options, *record.overrides],
            stdin=subprocess.DEVNULL,
            stdout=nowhere,
            stderr=nowhere,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"},
        )
    deadline = time.monotonic() + _FIRST_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        who = holder(output_dir)
        if who is not None and who.pid == process.pid:
            break
        time.sleep(0.1)
    if process.poll():
        text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        write("\n".join(text.splitlines()[-20:]), err=True)
        fail("T509", f"the pipeline ended at once, with exit code {process.poll()}", f"the whole log: {shorten(log)}")
    write(f"{output_dir.name}: running in the background as process {process.pid}")
    write(f"  log      {shorten(log)}")
    write(f"  stop     recipe stop {shorten(output_dir)}")
