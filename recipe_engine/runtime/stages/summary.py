"""The summary of an evaluation: ``base.*``, ``candidate.*`` and ``difference.*``, in one stable shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recipe_engine.recipe.stages.evaluate import EvaluateStage
from recipe_engine.recipe.thinking import ThinkingBlock
from recipe_engine.runtime.stages.bootstrap import interval, ratio
from recipe_engine.runtime.stages.measures import Group, Part, groups_of, highest_reward, measures, percentile

VERSION = 1
"""Of the summary's shape: raised when a name in it changes its meaning."""
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of one model."""

    rows: Sequence[Row]
    """Its completions, with rewards where there are some."""
    nll: Sequence[Row]
    """``number``, ``nll`` and ``tokens`` of each held-out row."""
    tasks: Mapping[str, float]
    """Results of lm-evaluation-harness by ``task.metric``."""


def summary_of(
    stage: EvaluateStage,
    thinking: ThinkingBlock | None,
    candidate: Measured,
    base: Measured | None,
    seed: int,
) -> dict[str, Any]:
    """The summary as plain data."""
    models = {"candidate": candidate} if base is None else {"base": base, "candidate": candidate}
    highest = highest_reward(row for one in models.values() for row in one.rows)
    groups = {name: groups_of(one.rows, stage.source_column) for name, one in models.items()}
    parts = {
        name: {key: measures(group, thinking, highest) for key, group in found.items()}
        for name, found in groups.items()
    }
    summary: dict[str, Any] = {
        "version": VERSION,
        "model": stage.model,
        "base_model": stage.base,
        "k": stage.sampling.n,
        "confidence": stage.confidence,
        "resamples": stage.resamples,
        "seed": seed,
    }
    for name, one in models.items():
        summary[name] = _of_model(one, groups[name], parts[name])
    if base is not None:
        draw = _Drawer(stage, seed)
        summary["difference"] = _difference(draw, base, candidate, groups, parts, summary)
    return summary


def _of_model(one: Measured, groups: Mapping[str, Group], parts: Mapping[str, dict[str, Part]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if one.rows:
        made |= {"prompts": len(groups), "completions": len(one.rows)}
    _put_all(made, _values(parts.values()))
    counted = [row["completion_tokens"] for row in one.rows if row.get("completion_tokens") is not None]
    if counted:
        made["length"] |= {"p50": percentile(counted, 0.5), "p95": percentile(counted, 0.95)}
    sources = _by_source(groups)
    if sources:
        made["sources"] = {}
        for source, keys in sources.items():
            rewarded = _values([_rewards_in(parts[key]) for key in keys])
            made["sources"][source] = {"prompts": len(keys)}
            _put_all(made["sources"][source], rewarded)
    if one.nll:
        nll = [(row["nll"], float(row["tokens"])) for row in one.nll]
        made["nll"] = {"mean": ratio(nll), "tokens": int(sum(count for _, count in nll)), "rows": len(nll)}
    if one.tasks:
        made["tasks"] = _nested(one.tasks)
    return made


def _difference(
    draw: _Drawer,
    base: Measured,
    candidate: Measured,
    groups: Mapping[str, Mapping[str, Group]],
    parts: Mapping[str, Mapping[str, dict[str, Part]]],
    summary: Mapping[str, Any],
) -> dict[str, Any]:
    """The candidate less the base: over prompts that both answered, with an interval where one is drawn."""
    shared = [key for key in parts["candidate"] if key in parts["base"]]
    made: dict[str, Any] = {"prompts": len(shared)} if shared else {}
    pairs = {key: (parts["base"][key], parts["candidate"][key]) for key in shared}
    _put_all(made, draw.all(list(pairs.values())))
    for name in ("p50", "p95"):
        values = [summary[model].get("length", {}).get(name) for model in ("base", "candidate")]
        if None not in values:
            made.setdefault("length", {})[name] = values[1] - values[0]
    sources = _by_source({key: groups["candidate"][key] for key in shared})
    if sources:
        made["sources"] = {}
        for source, keys in sources.items():
            rewarded = [(_rewards_in(pairs[key][0]), _rewards_in(pairs[key][1])) for key in keys]
            made["sources"][source] = {"prompts": len(keys)}
            _put_all(made["sources"][source], draw.all(rewarded))
    known = {row["number"]: row for row in base.nll}
    nll = [(known[row["number"]], row) for row in candidate.nll if row["number"] in known]
    if nll:
        of_rows = [({"mean": _nll(one)}, {"mean": _nll(other)}) for one, other in nll]
        made["nll"] = draw.all(of_rows)
    both = [name for name in candidate.tasks if name in base.tasks]
    if both:
        made["tasks"] = _nested({name: candidate.tasks[name] - base.tasks[name] for name in both})
    return made


class _Drawer:
    """Differences with their intervals."""

    def __init__(self, stage: EvaluateStage, seed: int) -> None:
        self.stage = stage
        self.seed = seed

    def all(self, pairs: Sequence[tuple[dict[str, Part], dict[str, Part]]]) -> dict[str, dict[str, float]]:
        """The difference of each measure, over the prompts where both have it."""
        names = dict.fromkeys(name for _, candidate in pairs for name in candidate)
        made: dict[str, dict[str, float]] = {}
        for name in names:
            known = [(one[name], other[name]) for one, other in pairs if name in one and name in other]
            if not known:
                continue
            base, candidate = [one for one, _ in known], [other for _, other in known]
            if not sum(part[1] for part in base) or not sum(part[1] for part in candidate):
                continue
            low, high = interval(base, candidate, self.stage.resamples, self.stage.confidence, self.seed)
            made[name] = {"value": ratio(candidate) - ratio(base), "low": low, "high": high}
        return made


def _nll(row: Row) -> Part:
    return (row["nll"], float(row["tokens"]))


def _rewards_in(parts: Mapping[str, Part]) -> dict[str, Part]:
    return {name: part for name, part in parts.items() if name.startswith("reward")}


def _values(parts: Iterable[Mapping[str, Part]]) -> dict[str, float]:
    """The ratio of the sums, for each measure over the prompts that have it."""
    collected: dict[str, list[Part]] = {}
    for one in parts:
        for name, part in one.items():
            collected.setdefault(name, []).append(part)
    return {name: ratio(found) for name, found in collected.items() if sum(other for _, other in found)}


def _by_source(groups: Mapping[str, Group]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, group in groups.items():
        if group.source is not None:
            found.setdefault(group.source, []).append(key)
    return dict(sorted(found.items()))


def _put_all(target: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Values under their dotted names. ``rewards.NAME.mean`` is one level for a name that holds dots itself."""
    for name, value in values.items():
        head, _, rest = name.partition(".")
        if not rest:
            target[name] = value
        elif head == "rewards":
            reward, _, last = rest.rpartition(".")
            target.setdefault(head, {}).setdefault(reward, {})[last] = value
        else:
            target.setdefault(head, {})[rest] = value


def _nested(values: Mapping[str, float]) -> dict[str, dict[str, float]]:
    made: dict[str, dict[str, float]] = {}
    for name, value in values.items():
        task, _, metric = name.rpartition(".")
        made.setdefault(task, {})[metric] = value
    return made
