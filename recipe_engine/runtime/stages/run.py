"""One stage, from its compiled settings to its result."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from recipe_engine.compiled_stage import COMPILED_STAGE, RESULT, ROWS, CompiledStage, StageResult
from recipe_engine.data.shards import write_whole
from recipe_engine.recipe.stages.evaluate import EvaluateStage
from recipe_engine.recipe.stages.generate import GenerateStage, HttpEngine, VllmEngine
from recipe_engine.recipe.stages.score import ScoreStage
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.generation.requests import Say
from recipe_engine.runtime.stages.processes import devices_of, run_workers
from recipe_engine.runtime.stages.work import Counts, Work, clear, counted, make_rows, take_in, unfinished

SPLIT = "train"


def read_stage(folder: Path) -> CompiledStage:
    """The compiled stage of a folder."""
    return CompiledStage.model_validate_json((folder / COMPILED_STAGE).read_text(encoding="utf-8"))


def run_stage(folder: Path, say: Say, processes: int | None = None) -> None:
    """Carry a stage out, and write its result last.

    Args:
        processes: processes that make its shards. Default: one for each GPU (for each copy of the model).

    Raises:
        RunError: it cannot start or go on.
        DataError: its rows cannot be used.
    """
    compiled = read_stage(folder)
    (folder / RESULT).unlink(missing_ok=True)
    if isinstance(compiled.stage, EvaluateStage):
        from recipe_engine.runtime.stages.evaluate import evaluate

        evaluate(compiled, compiled.stage, folder, say, processes)
        return
    work = works(compiled, folder, say)["rows"]
    counts = carry_out(compiled, work, folder, say, processes)
    if counts.rows_out == 0:
        raise RunError(f"no row is left: {described(counts)}", "nothing would be passed on")
    result = StageResult(
        rows_in=counts.rows_in,
        rows_out=counts.rows_out,
        splits={SPLIT: counts.rows_out},
        dropped=dict(+counts.dropped),
        summary=summary_of(compiled, counts),
    )
    write_whole(folder / RESULT, result.model_dump_json(indent=1))
    clear(work)
    say(f"{work.name}: {described(counts)}")


def works(compiled: CompiledStage, folder: Path, say: Say) -> dict[str, Work]:
    """What a stage has to make, by the names that its workers are told."""
    stage, rows = compiled.stage, folder / ROWS / SPLIT
    if isinstance(stage, GenerateStage):
        from recipe_engine.runtime.stages.generate import generate_work

        return {"rows": generate_work(compiled, stage, folder, rows, say)}
    if isinstance(stage, ScoreStage):
        from recipe_engine.runtime.stages.score import score_work

        return {"rows": score_work(compiled, stage, folder, rows, say)}
    if isinstance(stage, EvaluateStage):
        from recipe_engine.runtime.stages.evaluate import evaluate_works

        return evaluate_works(compiled, stage, folder, say)
    raise RunError(f"a stage of kind {stage.kind} is not carried out here")


def carry_out(
    compiled: CompiledStage,
    work: Work,
    folder: Path,
    say: Say,
    processes: int | None = None,
    *,
    name: str = "rows",
    apart: bool = False,
) -> Counts:
    """Make the rows of a work: in this process, or where there are several, or ``apart`` asks for it, in others.

    A process apart gives back the memory of its GPU when it ends.
    """
    refused = take_in(work, say)
    left = unfinished(work)
    devices = devices_of(compiled.gpus, _together(compiled)) if processes is None else [None] * processes
    if left and (len(devices) > 1 or apart):
        run_workers(str(folder), name, devices[: len(left)])
    elif left:
        make_rows(work, say)
    if unfinished(work):
        raise RunError(f"{work.name}: shards were left unmade by the processes of the stage")
    counts = counted(work)
    counts.rows_in += sum(refused.dropped.values())
    counts.dropped.update(refused.dropped)
    return counts


def run_worker(folder: Path, name: str, say: Say) -> None:
    """What one of several processes does: it makes shards until none is left."""
    make_rows(works(read_stage(folder), folder, say)[name], say)


def _together(compiled: CompiledStage) -> int:
    """GPUs that hold one copy of the model."""
    engine = getattr(compiled.stage, "engine", None)
    if isinstance(engine, HttpEngine):
        return max(compiled.gpus, 1)  # one process asks, however many GPUs there are
    return engine.tensor_parallel_size if isinstance(engine, VllmEngine) else 1


def summary_of(compiled: CompiledStage, counts: Counts) -> dict[str, float]:
    """Numbers worth showing."""
    totals = {name: number for name, number in counts.totals.items() if name not in {"reward_sum", "rewarded"}}
    if counts.totals.get("rewarded"):
        totals["mean_reward"] = counts.totals["reward_sum"] / counts.totals["rewarded"]
    return totals


def described(counts: Counts) -> str:
    """What became of rows, in words."""
    dropped: Counter[str] = +counts.dropped
    parts = [f"{counts.rows_in} rows in, {counts.rows_out} out"]
    parts += [f"{count} dropped ({reason.replace('_', ' ')})" for reason, count in sorted(dropped.items())]
    return ", ".join(parts)
