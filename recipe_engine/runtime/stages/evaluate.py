"""The evaluate stage: two models on the same prompts, with the same draws."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Any

from recipe_engine.compiled_stage import RESULT, ROWS, CompiledStage, StageResult
from recipe_engine.data.shards import read_shards, write_whole
from recipe_engine.recipe.stages.evaluate import EvaluateStage
from recipe_engine.recipe.stages.generate import GenerateStage
from recipe_engine.recipe.stages.score import ScoreStage
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.generation.requests import Say
from recipe_engine.runtime.stages.summary import Measured, summary_of
from recipe_engine.runtime.stages.work import Counts, Work, clear

SUMMARY, PICTURE = "summary.json", "evaluation.png"


def evaluate(compiled: CompiledStage, stage: EvaluateStage, folder: Path, say: Say, processes: int | None) -> None:
    """Carry an evaluate stage out.

    Raises:
        RunError: it cannot start or go on.
        DataError: its rows cannot be used.
    """
    from recipe_engine.runtime.stages.harness import demand_harness, task_results
    from recipe_engine.runtime.stages.run import carry_out

    demand_something(stage)
    if stage.tasks:
        demand_harness()
    measured: dict[str, Measured] = {}
    counts, splits = Counts(), {}
    for role, model in models_of(stage):
        made = {name: work for name, work in evaluate_works(compiled, stage, folder, say).items() if role in name}
        for name, work in made.items():
            # On a GPU each in a process of its own: two models, or one and what scores it, may not fit together.
            one = carry_out(compiled, work, folder, say, processes, name=name, apart=compiled.gpus > 0)
            gc.collect()
            counts.dropped.update({f"{name}/{reason}": count for reason, count in (+one.dropped).items()})
            if name == next(iter(made)):  # the prompts; of likelihoods alone, the held-out rows
                counts.rows_in = max(counts.rows_in, one.rows_in)
            if not name.endswith("-nll"):
                splits[role] = one.rows_out
        tasks = task_results(compiled, stage, model, folder / "work" / f"{role}-tasks.json", say) if stage.tasks else {}
        rows = list(read_shards(made[_last(stage, role)].rows_folder)) if asks(stage) else []
        likelihoods = made.get(f"{role}-nll")
        nll = list(read_shards(likelihoods.rows_folder)) if likelihoods is not None else []
        measured[role] = Measured(rows, nll, tasks)
    if asks(stage) and not all(one.rows for one in measured.values()):
        raise RunError("no prompt is left to evaluate: see the counts of what was dropped", str(dict(counts.dropped)))
    summary = summary_of(stage, compiled.thinking, measured["candidate"], measured.get("base"), compiled.seed)
    summary["dropped"] = dict(+counts.dropped)
    write_whole(folder / SUMMARY, json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    from recipe_engine.runtime.stages.evaluation_picture import draw_evaluation

    draw_evaluation(summary, {role: one.rows for role, one in measured.items()}, folder / PICTURE)
    result = StageResult(
        rows_in=counts.rows_in,
        rows_out=sum(splits.values()),
        splits=splits,
        dropped=dict(+counts.dropped),
        summary=headline(summary),
    )
    write_whole(folder / RESULT, result.model_dump_json(indent=1))
    for work in evaluate_works(compiled, stage, folder, say).values():
        clear(work)
    say(f"{stage.id}: {json.dumps(headline(summary))}")


def demand_something(stage: EvaluateStage) -> None:
    """Check that there is something to measure.

    Raises:
        RunError: there is not.
    """
    if not asks(stage) and stage.nll_rows is None and not stage.tasks:
        raise RunError("nothing is measured: name rows (prompts), nll_rows or tasks")
    if stage.rewards and not asks(stage):
        raise RunError("rewards score answers, and there are no prompts: name rows or data")


def asks(stage: EvaluateStage) -> bool:
    """Whether the models answer prompts."""
    return stage.rows is not None or stage.data is not None


def models_of(stage: EvaluateStage) -> list[tuple[str, str]]:
    """The models, by their part in the evaluation."""
    return [*([("base", stage.base)] if stage.base is not None else []), ("candidate", stage.model)]


def evaluate_works(compiled: CompiledStage, stage: EvaluateStage, folder: Path, say: Say) -> dict[str, Work]:
    """What an evaluate stage has to make, in order: answers, scores and likelihoods of each model."""
    from recipe_engine.runtime.stages.generate import generate_work
    from recipe_engine.runtime.stages.nll import nll_work
    from recipe_engine.runtime.stages.score import score_work

    made: dict[str, Work] = {}
    for role, model in models_of(stage):
        own = folder / "work" / role
        final = folder / ROWS / role
        if asks(stage):
            answers = own / "answers" / "rows" if stage.rewards else final
            generate = GenerateStage(
                id=f"{role}_answers",
                kind="generate",
                model=model,
                rows=stage.rows,
                data=stage.data,
                engine=stage.engine,
                sampling=stage.sampling,
                chat_template=stage.chat_template,
                shard_rows=stage.shard_rows,
            )
            made[f"{role}-answers"] = generate_work(compiled, generate, own / "answers", answers, say)
            if stage.rewards:
                score = ScoreStage(
                    id=f"{role}_scores",
                    kind="score",
                    rows=str(answers),
                    rewards=stage.rewards,
                    shard_rows=stage.shard_rows,
                )
                unsliced = compiled.model_copy(update={"slice": None})
                made[f"{role}-scores"] = score_work(unsliced, score, own / "scores", final, say)
        if stage.nll_rows is not None:
            made[f"{role}-nll"] = nll_work(compiled, stage, model, f"{role}_nll", own / "nll", say)
    return made


def _last(stage: EvaluateStage, role: str) -> str:
    return f"{role}-scores" if stage.rewards else f"{role}-answers"


def headline(summary: dict[str, Any]) -> dict[str, Any]:
    """The numbers of a summary that are said at its end."""
    names = ("reward.mean", "reward.best", "nll.mean", "eos", "clipped")
    found: dict[str, Any] = {}
    for part in ("base", "candidate", "difference"):
        for name in names:
            value: Any = summary.get(part)
            for step in name.split("."):
                value = value.get(step) if isinstance(value, dict) else None
            if value is not None:
                found[f"{part}.{name}"] = value
    return found
