"""``recipe train``: check, compile, check this machine, train."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from recipe_engine.cli.common import NodeRank, NumNodes, Overrides, Rendezvous, check_or_exit, fail, with_nodes
from recipe_engine.cli.output import write

if TYPE_CHECKING:
    from recipe_engine.compiled import CompiledRun
    from recipe_engine.launch.lock import Lock
    from recipe_engine.launch.nodes import Place
    from recipe_engine.launch.resume import Resumption


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(train)


def train(
    overrides: Overrides = None,
    config: Path = typer.Option(..., "--config", metavar="CONFIG_FILE", help="The recipe (YAML)."),
    num_gpus: int = typer.Option(..., "--num-gpus", min=0, metavar="NUM_GPUS", help="GPUs to use; 0 is the CPU."),
    num_nodes: NumNodes = None,
    node_rank: NodeRank = None,
    rendezvous: Rendezvous = None,
    nohup: bool = typer.Option(False, "--nohup", help="Run in the background; the shell may be closed."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show what would run, like `recipe plan`, and stop."),
    allow_reward_code: bool = typer.Option(
        False, "--allow-reward-code", help="Run reward functions from Python files beside the recipe."
    ),
    trust_remote_code: bool = typer.Option(
        False, "--trust-remote-code", help="Run code that ships with a model, at the revision that the recipe pins."
    ),
) -> None:
    """Train a recipe. Overrides are `key=value`, such as training.learning_rate=1e-5.

    On several machines the same command is started on each, with --num-nodes, --rendezvous and its own --node-rank.
    --num-gpus counts the GPUs of one machine.

    Exit codes: 0 trained, 1 the recipe or this machine will not do or training failed, 130 interrupted, 143 stopped.
    """
    checked = check_or_exit(config, with_nodes(overrides, num_nodes), num_gpus)

    from recipe_engine.compile import Options, compile_recipe

    options = Options(num_gpus, allow_reward_code=allow_reward_code, allow_remote_code=trust_remote_code)
    compilation = compile_recipe(checked.recipe, checked.document, options)
    overwrite = checked.recipe.training.overwrite_output_dir
    if dry_run:
        from recipe_engine.cli.plan import show_plan

        if node_rank is not None or rendezvous is not None:
            place_or_exit(compilation.run, node_rank, rendezvous)
        show_plan(compilation, as_json=False)
        refuse_taken_folder(compilation.run, overwrite)
        return
    place = place_or_exit(compilation.run, node_rank, rendezvous)
    start(compilation.run, checked.document.texts, place, overwrite=overwrite, nohup=nohup)


def refuse_taken_folder(run: CompiledRun, overwrite: bool) -> None:
    """Exit as a start would where the output folder cannot be taken: another run's, or in use. Writes nothing."""
    from recipe_engine.launch.errors import LaunchError
    from recipe_engine.launch.resume import resumption
    from recipe_engine.launch.run_folder import demand_free

    try:
        resumed = resumption(run)
        demand_free(run if resumed is None else resumed.run, overwrite)
    except LaunchError as error:
        fail(error.code, error.message, error.hint, error.lines)
    except OSError as error:
        fail("T503", f"{error.filename or run.output_dir}: {error.strerror}", "choose another training.output_dir")


def place_or_exit(run: CompiledRun, node_rank: int | None, rendezvous: str | None) -> Place | None:
    """This machine's place among several; none where there is one machine."""
    from recipe_engine.launch.errors import LaunchError
    from recipe_engine.launch.nodes import place_of

    try:
        return place_of(run, node_rank, rendezvous)
    except LaunchError as error:
        fail(error.code, error.message, error.hint)


def start(run: CompiledRun, texts: Mapping[str, str], place: Place | None, *, overwrite: bool, nohup: bool) -> None:
    """Train a compiled run, in the foreground to its end and exit code, or in the background."""
    run, compiled, log, lock = _prepare(run, texts, place, overwrite)
    if nohup:
        _train_in_background(run, compiled, log, lock, place)
        return

    from recipe_engine.diagnostics.visible import visible_lines
    from recipe_engine.launch.paths import shorten
    from recipe_engine.launch.run import run_to_end

    device = "the CPU" if run.gpus == 0 else f"{run.gpus} GPU{'s' if run.gpus > 1 else ''}"
    device += "" if place is None else f" of each of {run.nodes} machines, as machine {place.node}"
    what = f"{run.algorithm} of {shorten(run.model.base_model_name)}"
    write(visible_lines(f"{run.run_name}: {what} on {device}; log {shorten(log)}"))
    sys.exit(run_to_end(run, log, None if lock is None else lock.descriptor, place=place))


def _prepare(
    run: CompiledRun, texts: Mapping[str, str], place: Place | None, overwrite: bool
) -> tuple[CompiledRun, Path, Path, Lock | None]:
    """Check all that can be checked, and only then write: the run's folder, and an empty log.

    The run comes back with the checkpoint that it goes on from. Of several machines the first alone knows that, and
    takes and writes the folder; what another one needs of it lies beside its log.
    """
    from recipe_engine.data.errors import DataError
    from recipe_engine.diagnostics.visible import visible
    from recipe_engine.launch.errors import LaunchError
    from recipe_engine.launch.gpus import smaller_gpus
    from recipe_engine.launch.preflight import preflight
    from recipe_engine.launch.resume import resumption
    from recipe_engine.launch.run import log_path
    from recipe_engine.launch.run_folder import write_run_folder

    try:
        if place is not None and place.node > 0:
            preflight(run, overwrite, first=False)
            log = log_path(run, place.node)
            compiled = log.with_suffix(".json")
            return run, compiled, log, None
        if (resumed := resumption(run)) is not None:
            run = resumed.run
        preflight(run, overwrite)
        if run.gpus and (note := smaller_gpus(run.launch.gpu_memory_gib)) is not None:
            write(note)
        if run.arguments.get("save_only_model"):
            write(f"{run.run_name}: its checkpoints hold the model alone, so that it cannot go on (save_only_model)")
        compiled, lock = write_run_folder(run, texts, overwrite)
        if not lock.exclusive:
            write(f"{run.run_name}: the file system of {run.output_dir} has no locks: do not start the run twice")
        if resumed is not None:
            write("\n".join(map(visible, _resuming(resumed))))
        return run, compiled, log_path(run), lock
    except LaunchError as error:
        fail(error.code, error.message, error.hint, error.lines)
    except DataError as error:
        fail(error.code, error.message, error.hint)
    except OSError as error:
        fail("T503", f"{error.filename or run.output_dir}: {error.strerror}", "choose another training.output_dir")


def _resuming(resumed: Resumption) -> Iterator[str]:
    from recipe_engine.launch.paths import shorten

    run = resumed.run
    how = "" if run.resume != "auto" else " (training.resume: auto; training.resume=never begins anew)"
    yield f"{run.run_name}: going on from {shorten(str(run.checkpoint))}{how}"
    yield from (f"  changed  {change}" for change in resumed.changes)
    if resumed.note:
        yield f"  note     {resumed.note}"


def _train_in_background(run: CompiledRun, compiled: Path, log: Path, lock: Lock | None, place: Place | None) -> None:
    from recipe_engine.checkpoints import left_out
    from recipe_engine.diagnostics.visible import visible, visible_lines
    from recipe_engine.launch.background import FIRST_SECONDS, start_in_background, watch_start
    from recipe_engine.launch.detached import pid_file_of
    from recipe_engine.launch.paths import shorten

    if lock is None:
        compiled.write_text(run.model_dump_json(), encoding="utf-8")
    process = start_in_background(compiled, log, lock, place)
    write(visible(f"{run.run_name}: running in the background as process {process.pid}"))
    if run.resume == "auto" and run.checkpoint:
        for line in left_out(Path(run.output_dir), Path(run.checkpoint)):
            write(f"  {visible(line)}")
    write(f"  log      {shorten(log)}")
    write(f"  PID file {shorten(pid_file_of(log))}")
    write(f"  follow   {shlex.join(['tail', '-f', shorten(log)])}")
    write(f"  stop     kill {process.pid}")
    code = watch_start(process, Path(run.run_dir, "metrics.jsonl"))
    if code:
        last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
        write(visible_lines("\n".join(last)), err=True)
        message = f"the run ended within its first {FIRST_SECONDS:.0f} s, with exit code {code}"
        fail("T509", message, f"the whole log: {shorten(log)}")
