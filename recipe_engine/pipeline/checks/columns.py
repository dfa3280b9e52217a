"""Columns that a stage needs and the one before it does not give, and algorithms that cannot take the rows."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from recipe_engine.algorithms import algorithm
from recipe_engine.data.check import local_rows
from recipe_engine.data.errors import DataError
from recipe_engine.data.location import locate
from recipe_engine.data.rows import converter_for
from recipe_engine.data.steps import step_tokens
from recipe_engine.diagnostics.spelling import nearest
from recipe_engine.lint.reward_columns import named_columns
from recipe_engine.pipeline.checks import Findings
from recipe_engine.pipeline.checks.steps import Missing, after_step
from recipe_engine.pipeline.graph import Node
from recipe_engine.pipeline.instances import External, Instance, iterations_of, source_of
from recipe_engine.pipeline.references import reference
from recipe_engine.recipe.data import DataBlock, DatasetEntry, RowShape
from recipe_engine.recipe.rewards import Reward
from recipe_engine.recipe.root import Recipe
from recipe_engine.recipe.stages.evaluate import EvaluateStage
from recipe_engine.recipe.stages.generate import GenerateStage
from recipe_engine.recipe.stages.prepare import PrepareStage
from recipe_engine.recipe.stages.score import ScoreStage
from recipe_engine.recipe.stages.select import OF_A_COMPLETION, SelectStage
from recipe_engine.source import Path

Columns = tuple[str, ...]

_MOST_BYTES = 8 << 20
"""Larger local files are not opened for their columns where that reads them whole."""
_PROMPTS: tuple[RowShape, ...] = ("prompt",)
_WITH_COMPLETIONS: tuple[RowShape, ...] = ("messages", "prompt_completion")
_SAMPLED = ("prompt_id", "prompt", "sample_idx", "completion", "completion_tokens", "finish_reason", "model")
_MADE_BY = {
    "prompt_id": "put a generate stage before this one: it gives each prompt its prompt_id",
    "reward": "put a score stage before this one: it gives each completion its reward",
}
"""Columns that stages make, and which."""
_WAYS = {
    "preference": "best_worst",
    "prompt_completion": "best_of_n, threshold, top_k or conditional",
    "prompt": "difficulty",
    "unpaired": "threshold or top_k, with label_column: reward and a label_threshold in the dataset's entry",
}
"""By the shape of rows that an algorithm takes, how they are selected."""


@dataclass
class _Columns:
    findings: Findings
    known: dict[Node, Columns | None] = field(default_factory=dict)

    def made_by(self, node: Node) -> Columns | None:
        """The columns of the rows that a stage makes; none where that is not known."""
        return self.known.get(node)

    def named(self, name: str, node: Node, split: str = "train") -> Columns | None:
        """The columns of rows by the name that a stage gives them: ``$stage``, or a dataset's."""
        if not name.startswith("$"):
            return _of_dataset(name, split)
        graph = self.findings.graph
        instance = Instance(node, 0 if node.loop is not None else None)
        source = source_of(graph, reference((), name, "rows"), instance, iterations_of(graph))
        return _of_dataset(source.name, split) if isinstance(source, External) else self.made_by(source.instance.node)


def check(findings: Findings, recipes: dict[Node, Recipe], wrong: Collection[Node] = ()) -> None:
    """Check the columns of every stage, in the order of the file; not of those that are ``wrong`` already."""
    columns = _Columns(findings)
    for node in findings.graph.nodes:
        if node in wrong:
            continue
        stage = node.stage
        if isinstance(stage, PrepareStage):
            columns.known[node] = _prepare(columns, node, stage)
        elif isinstance(stage, GenerateStage):
            columns.known[node] = _generate(columns, node, stage)
        elif isinstance(stage, ScoreStage):
            columns.known[node] = _score(columns, node, stage)
        elif isinstance(stage, SelectStage):
            columns.known[node] = _select(columns, node, stage)
        elif isinstance(stage, EvaluateStage):
            columns.known[node] = _evaluate(columns, node, stage)
        elif node in recipes:
            _train(columns, node, recipes[node])


def _prepare(columns: _Columns, node: Node, stage: PrepareStage) -> Columns | None:
    names = [(stage.rows, "train")] if stage.rows is not None else [(one.name, one.split) for one in stage.datasets]
    found = [columns.named(name, node, split) for name, split in names if name is not None]
    if len(set(found)) != 1:
        return None  # rows of several kinds: steps look at each by itself
    now = found[0]
    for index, step in enumerate(stage.steps):
        if now is None:
            return None
        try:
            now = after_step(step, now)
        except Missing as error:
            path = (*node.path, "steps", index, error.setting) if error.setting else (*node.path, "steps", index, "do")
            place = path if path in node.document.marks else path[:-1]
            _add(columns, place, error.column, now or (), f"the step {step.do}")
            return None
    return now


def _generate(columns: _Columns, node: Node, stage: GenerateStage) -> Columns | None:
    read = _prompts(columns, node, stage.rows, stage.data)
    if read is None:
        return None
    thoughts = ("thought", "response") if stage.answers == "thought_and_response" else ()
    iteration = ("iteration",) if node.loop is not None else ()
    return tuple(dict.fromkeys([*read, *_SAMPLED, *iteration, *thoughts]))


def _prompts(columns: _Columns, node: Node, rows: str | None, data: DataBlock | None) -> Columns | None:
    """Check that prompts can be read, and return the columns of their rows."""
    block = data if data is not None else DataBlock(datasets=[DatasetEntry(name=rows or "rows")])
    found: list[Columns | None] = []
    for index, entry in enumerate(block.datasets):
        made = columns.named(entry.name, node, entry.split)
        path = (*node.path, "rows") if data is None else (*node.path, "data", "datasets", index, "name")
        if made is not None:
            kept = [name for name in made if name not in OF_A_COMPLETION]
            _demand_prompts(columns, path, entry, block, kept)
        found.append(made)
    return found[0] if len(set(found)) == 1 else None


def _demand_prompts(columns: _Columns, path: Path, entry: DatasetEntry, data: DataBlock, names: Iterable[str]) -> None:
    try:
        converter_for(entry, data, _PROMPTS, list(names))
    except DataError as error:
        columns.findings.add("P108", path, f"its rows cannot be read as prompts: {error.message}", hint=error.hint)


def _score(columns: _Columns, node: Node, stage: ScoreStage) -> Columns | None:
    read = columns.named(stage.rows, node)
    if read is None:
        return None
    for key in ("prompt_column", "completion_column"):
        name: str = getattr(stage, key)
        if name not in read:
            path = (*node.path, key) if key in node.tree else (*node.path, "rows")
            _add(columns, path, name, read, "scoring")
    _rewards(columns, node, stage.rewards, read)
    return tuple(dict.fromkeys([*read, "reward", "rewards"]))


def _rewards(columns: _Columns, node: Node, rewards: Iterable[Reward], read: Columns) -> None:
    for index, reward in enumerate(rewards):
        for key, name in named_columns(reward):
            if name in read or name.partition(".")[0] in read:
                continue
            path: Path = (*node.path, "rewards", index, *key)
            known = node.document.marks
            path = path if path in known else (*node.path, "rewards", index, "type")
            _add(columns, path, name, read, f"the reward {reward.label}")


def _select(columns: _Columns, node: Node, stage: SelectStage) -> Columns | None:
    read = columns.named(stage.rows, node)
    if read is None:
        return None
    grouped = ("prompt_id",) if stage.how in {"best_of_n", "best_worst", "difficulty"} else ()
    for name in (*grouped, stage.reward_column):
        if name.partition(".")[0] not in read:
            path = (*node.path, "reward_column") if "reward_column" in node.tree and name != "prompt_id" else None
            _add(columns, path or (*node.path, "rows"), name, read, "choosing")
    prompts = [name for name in read if name not in OF_A_COMPLETION]
    if stage.how == "best_worst":
        return (*prompts, "chosen", "rejected", "chosen_reward", "rejected_reward")
    if stage.how == "difficulty":
        return (*prompts, "pass_rate")
    return (*read, "conditioned_on") if stage.how == "conditional" else read


def _evaluate(columns: _Columns, node: Node, stage: EvaluateStage) -> Columns | None:
    read = None
    if stage.rows is not None or stage.data is not None:
        read = _prompts(columns, node, stage.rows, stage.data)
    if read is not None:
        _rewards(columns, node, stage.rewards, read)
    if stage.nll_rows is not None:
        held_out = columns.named(stage.nll_rows, node)
        entry = DatasetEntry(name="rows")
        if held_out is not None:
            try:
                converter_for(entry, DataBlock(datasets=[entry]), _WITH_COMPLETIONS, held_out)
            except DataError as error:
                message = f"rows with completions are asked for: {error.message}"
                columns.findings.add("P108", (*node.path, "nll_rows"), message, hint=error.hint)
    return None if read is None else tuple(dict.fromkeys([*read, *_SAMPLED, "reward", "rewards"]))


def _train(columns: _Columns, node: Node, recipe: Recipe) -> None:
    """Check that the algorithm can take the rows of other stages, and its rewards find their columns there."""
    if node.recipe is None:
        raise AssertionError(f"{node.id} trains nothing")
    chosen = algorithm(recipe.training.algorithm)
    document = node.recipe.document
    read: list[Columns | None] = []
    for key in ("datasets", "eval_datasets"):
        for index, entry in enumerate(getattr(recipe.data, key)):
            path: Path = ("data", key, index, "name")
            name = document.tree["data"][key][index]["name"]
            made = columns.named(name, node, entry.split)
            if key == "datasets":
                read.append(made)
            if made is None or not name.startswith("$"):
                continue
            try:
                tokens = step_tokens(recipe.settings.model_dump())
                converter_for(entry, recipe.data, chosen.shapes, made, recipe.thinking, tokens)
            except DataError as error:
                code, hint = "P108", error.hint
                target = columns.findings.graph.target(name[1:].partition(".")[0], node)
                message = f"{chosen.name} cannot take these rows: {error.message}"
                if isinstance(target, Node) and isinstance(target.stage, SelectStage):
                    ways = " or ".join(dict.fromkeys(_WAYS[one] for one in chosen.shapes if one in _WAYS))
                    code, hint = "P109", f"{chosen.name} takes rows selected by how: {ways}" if ways else hint
                    message = f"{chosen.name} cannot take the rows of how: {target.stage.how}: {error.message}"
                columns.findings.add(code, path, message, hint=hint, document=document)
    if recipe.rewards and chosen.reward_driven and all(one is not None for one in read):
        known = tuple(dict.fromkeys(name for one in read for name in one or ()))
        for index, reward in enumerate(recipe.rewards):
            for keys, name in named_columns(reward):
                if name not in known and name.partition(".")[0] not in known:
                    place: Path = ("rewards", index, *keys)
                    place = place if place in document.marks else ("rewards", index)
                    message = f"the reward {reward.label} needs the column `{name}`, and the rows have no such column"
                    hint = _hint(name, known)
                    columns.findings.add("P108", place, message, hint=hint, document=document)


def _add(columns: _Columns, path: Path, name: str, known: Iterable[str], what: str) -> None:
    message = f"{what} needs the column `{name}`, and the rows have no such column"
    columns.findings.add("P108", path, message, hint=_hint(name, known))


def _hint(name: str, known: Iterable[str]) -> str:
    names = list(known)
    if name in _MADE_BY:
        return _MADE_BY[name]
    close = nearest(name, names)
    if close is None and name == "completion":
        return "put a generate stage before this one: it makes completions"
    return f"did you mean {close}?" if close else f"the columns are {', '.join(names)}"


def _of_dataset(name: str, split: str) -> Columns | None:
    """The columns of the first row of a dataset on this machine, where looking costs little."""
    location = locate(name)
    if location.kind == "local" and name.endswith(".json"):
        if not os.path.isfile(location.value) or os.path.getsize(location.value) > _MOST_BYTES:
            return None
    elif location.kind == "hub":
        return None
    try:
        rows = local_rows(DatasetEntry(name=name, split=split))
        first = None if rows is None else next(iter(rows), None)
    except DataError:
        return None
    return None if first is None else tuple(first)
