"""``recipe prepare``, ``generate``, ``score`` and ``evaluate``: a stage of a pipeline by itself."""

from __future__ import annotations

import sys
from dataclasses import replace as replace_in
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recipe_engine.cli.common import EXIT_FINDINGS, fail
from recipe_engine.cli.output import wants_color, write

if TYPE_CHECKING:
    from recipe_engine.pipeline.graph import Graph
    from recipe_engine.pipeline.resolve import Work

Given = Annotated[
    list[str] | None,
    typer.Argument(metavar="[FILE] [KEY=VALUE]...", help="A YAML file of the stage's settings, and single settings."),
]
Out = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder of what it makes.")]
Rows = Annotated[str | None, typer.Option("--rows", metavar="ROWS", help="The rows: a dataset's name, file or folder.")]
Model = Annotated[str | None, typer.Option("--model", metavar="MODEL", help="The model.")]
Base = Annotated[str | None, typer.Option("--base", metavar="MODEL", help="The model that it is compared with.")]
Gpus = Annotated[int, typer.Option("--num-gpus", min=0, metavar="NUM_GPUS", help="GPUs to use; 0 is the CPU.")]
Replace = Annotated[bool, typer.Option("--replace", help="Replace a result that other settings have made.")]
Code = Annotated[
    bool, typer.Option("--allow-reward-code", help="Run reward functions from Python files beside the stage's file.")
]
RemoteCode = Annotated[bool, typer.Option("--trust-remote-code", help="Run code that ships with a local model.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    for verb in (prepare, generate, score, evaluate):
        app.command()(verb)


def prepare(out: Out, given: Given = None, rows: Rows = None, replace: Replace = False) -> None:
    """Make rows of rows: convert, filter, split. The same as a stage of kind prepare.

    Example: recipe prepare --rows chats.jsonl --out made 'steps=[{do: dedup}]'
    """
    _carry_out("prepare", given, {"rows": rows}, out, 0, replace=replace)


def generate(
    out: Out,
    given: Given = None,
    model: Model = None,
    rows: Rows = None,
    num_gpus: Gpus = 0,
    replace: Replace = False,
    trust_remote_code: RemoteCode = False,
) -> None:
    """Sample completions of prompts. The same as a stage of kind generate.

    Example: recipe generate --model models/sft --rows builtin/questions --out made sampling.n=4
    """
    flags = {"model": model, "rows": rows}
    _carry_out("generate", given, flags, out, num_gpus, replace=replace, remote_code=trust_remote_code)


def score(
    out: Out,
    given: Given = None,
    rows: Rows = None,
    num_gpus: Gpus = 0,
    replace: Replace = False,
    allow_reward_code: Code = False,
) -> None:
    """Score completions by rewards. The same as a stage of kind score.

    Example: recipe score --rows made/generate/rows/train --out scored 'rewards=[{type: exact_match}]'
    """
    _carry_out("score", given, {"rows": rows}, out, num_gpus, replace=replace, reward_code=allow_reward_code)


def evaluate(
    out: Out,
    given: Given = None,
    model: Model = None,
    base: Base = None,
    rows: Rows = None,
    num_gpus: Gpus = 0,
    replace: Replace = False,
    allow_reward_code: Code = False,
    trust_remote_code: RemoteCode = False,
) -> None:
    """Measure a model, and the one it is held against, on the same prompts. The same as a stage of kind evaluate.

    Example: recipe evaluate --model models/sft --base builtin/tiny-chat --rows builtin/questions --out measured
    """
    _carry_out(
        "evaluate",
        given,
        {"model": model, "base": base, "rows": rows},
        out,
        num_gpus,
        replace=replace,
        reward_code=allow_reward_code,
        remote_code=trust_remote_code,
    )


def _carry_out(
    kind: str,
    given: list[str] | None,
    flags: dict[str, str | None],
    out: Path,
    gpus: int,
    *,
    replace: bool,
    reward_code: bool = False,
    remote_code: bool = False,
) -> None:
    """Check a stage, run it in a folder under ``out``, and exit with its code."""
    file, overrides = _parted(given or [])
    overrides = [f"{name}={value}" for name, value in flags.items() if value is not None] + overrides
    graph = _checked(kind, file, [*overrides, f"output_dir={out}"], gpus)

    from recipe_engine.launch.errors import LaunchError
    from recipe_engine.pipeline.errors import PipelineError
    from recipe_engine.pipeline.preflight import preflight
    from recipe_engine.pipeline.resolve import work_of

    work = work_of(graph, gpus, allow_reward_code=reward_code, allow_remote_code=remote_code)
    work = replace_in(work, output_option="--out")
    try:
        preflight(work)
    except (LaunchError, PipelineError) as error:
        fail(error.code, error.message, error.hint)
    sys.exit(_run(work, replace=replace))


def _parted(given: list[str]) -> tuple[str | None, list[str]]:
    """The file, where the first argument is one, and the settings."""
    if given and "=" not in given[0]:
        return given[0], given[1:]
    return None, given


def _checked(kind: str, file: str | None, overrides: list[str], gpus: int) -> Graph:
    from recipe_engine.diagnostics.text import render_text
    from recipe_engine.pipeline.single import check_single

    checked = check_single(kind, file, overrides, gpus)
    if checked.diagnostics:
        color = sys.stderr.isatty() and wants_color()
        write(render_text(checked.diagnostics, checked.texts, color=color), err=True)
    if checked.graph is None:
        raise typer.Exit(EXIT_FINDINGS)
    return checked.graph


def _run(work: Work, *, replace: bool) -> int:
    from recipe_engine.launch.errors import LaunchError
    from recipe_engine.pipeline.driver import Limits, run_pipeline
    from recipe_engine.pipeline.errors import PipelineError
    from recipe_engine.pipeline.lock import take
    from recipe_engine.pipeline.record import LOG, Log

    output_dir = Path(work.output_dir)
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        held = take(output_dir, lambda message: write(message), work.output_option)
    except LaunchError as error:
        fail(error.code, error.message, error.hint)
    except OSError as error:
        fail("T503", f"{error.filename or output_dir}: {error.strerror}", "choose another --out")
    log = Log(output_dir / LOG)
    try:
        return run_pipeline(work, Limits(None, None, replace), log.say, log, held.descriptor)
    except PipelineError as error:
        log.say(f"error[{error.code}]: {error.message}")
        if error.hint:
            log.say(f"  = help: {error.hint}")
        return EXIT_FINDINGS
    finally:
        log.close()
        held.release()
