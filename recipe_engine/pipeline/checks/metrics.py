"""The numbers that an evaluation will have: those that runtime/stages/summary.py writes, as far as settings tell."""

from __future__ import annotations

from recipe_engine.diagnostics.spelling import nearest
from recipe_engine.recipe.stages.evaluate import EvaluateStage

SIDES = ("candidate", "base", "difference")


def not_measured(metric: str, stage: EvaluateStage, *, thinking: bool) -> str | None:
    """Why an evaluation will not have a number of that dotted name; none where it will, or only its rows can tell.

    ``thinking`` is whether the pipeline says how thoughts are marked.
    """
    side, _, rest = metric.partition(".")
    if side not in SIDES:
        close = nearest(side, SIDES)
        return f"there is no `{side}`; " + (f"did you mean {close}?" if close else f"begin with {', '.join(SIDES)}")
    if side in {"base", "difference"} and stage.base is None:
        return "it compares with no `base`"
    head, _, last = rest.partition(".")
    if head == "nll" and stage.nll_rows is None:
        return "it has no `nll_rows`"
    if head == "tasks":
        return (
            None if stage.tasks and "." in last else "write tasks.TASK.METRIC" if stage.tasks else "it has no `tasks`"
        )
    if head in {"reward", "rewards", "groups"} and not stage.rewards:
        return "it has no `rewards`"
    if head == "well_formed" and not thinking:
        return "the pipeline has no `thinking` block"
    if head == "sources":
        _, _, of_source = last.partition(".")
        return _nearest_of(of_source, ["prompts", *_rewards(stage)], f"{side}.sources.SOURCE.")
    return _nearest_of(rest, _numbers(side, stage, thinking), f"{side}.")


def _nearest_of(name: str, known: list[str], before: str) -> str | None:
    parts = name.split(".")
    of_part = parts[0] == "rewards" and len(parts) == 3 and "/" in parts[1]
    if name in known or (of_part and f"rewards.{parts[1].partition('/')[0]}.{parts[2]}" in known):
        return None  # LABEL/malformed and the like are written by the rewards as they find them
    close = nearest(name, known)
    return f"did you mean {before}{close}?" if close else f"it has {', '.join(known)}"


def _numbers(side: str, stage: EvaluateStage, thinking: bool) -> list[str]:
    """Every number of one side that is known before the rows are."""
    found: list[str] = []
    if stage.rows is not None or stage.data is not None:
        found += ["prompts"] if side == "difference" else ["prompts", "completions"]
        found += ["eos", "clipped", "repetition", "length.mean", "length.p50", "length.p95"]
        found += ["well_formed"] if thinking else []
        found += _rewards(stage)
        found += [f"groups.{name}" for name in ("differ", "all_zero", "all_maximal")] if stage.rewards else []
    if stage.nll_rows is not None:
        found += ["nll.mean"] if side == "difference" else ["nll.mean", "nll.tokens", "nll.rows"]
    return found


def _rewards(stage: EvaluateStage) -> list[str]:
    names = ["reward", *(f"rewards.{reward.label}" for reward in stage.rewards)] if stage.rewards else []
    return [f"{name}.{of}" for name in names for of in ("mean", "best")]
