"""How many rows each stage makes, as far as that can be told before it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from recipe_engine.pipeline.errors import PipelineError
from recipe_engine.pipeline.graph import Graph, Node, Sliced
from recipe_engine.pipeline.instances import External, Instance, Made, iterations_of, slice_source, source_of
from recipe_engine.pipeline.slices import count
from recipe_engine.recipe.stages.generate import GenerateStage
from recipe_engine.recipe.stages.prepare import PrepareStage
from recipe_engine.recipe.stages.select import SelectStage
from recipe_engine.recipe.stages.steps import RankingRlStep, SampleStep

Certainty = Literal["exact", "at most"]

_DROP = frozenset(
    {
        "thought_response",
        "prompts",
        "prompt_completion",
        "ranking_sft",
        "dedup",
        "no_leakage",
        "length",
        "language",
        "messages",
    }
)
"""Steps that may leave rows out."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A number of rows. ``at most`` where only running the stage tells how many are dropped."""

    number: int
    certainty: Certainty = "exact"
    prompts: int | None = None
    """Different prompts among them, at most; none where each row has its own."""

    def most(self) -> Rows:
        """The same, some of which may be dropped."""
        return Rows(self.number, "at most", self.prompts)


@dataclass
class Counts:
    """Rows of the stages of a pipeline."""

    graph: Graph
    files: bool
    """Whether local files are counted too, which reads them."""
    iterations: Mapping[str, int] = field(default_factory=dict)
    _known: dict[tuple[Node, str], Rows | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.iterations = self.iterations or iterations_of(self.graph)

    def of(self, node: Node, split: str = "train") -> Rows | None:
        """Rows of a split that a stage makes, in a loop those of the first iteration; none where that is not known."""
        key = (node, split)
        if key not in self._known:
            self._known[key] = None  # a cycle, which has a finding of its own
            self._known[key] = self._count(node, split)
        return self._known[key]

    def read_by(self, node: Node, key: str = "rows") -> Rows | None:
        """Rows that a stage reads under a key of its own; of all datasets together under ``datasets``."""
        instance = Instance(node, 0 if node.loop is not None else None)
        found = [
            self._source(source_of(self.graph, one, instance, self.iterations), node, one.name)
            for one, _ in node.references
            if one.wants == "rows" and one.path[-1] in {key, "name"} and "eval_datasets" not in one.path
        ]
        found += [self._external(*entry) for entry in _named(node, key)]
        if not found or any(one is None for one in found):
            return None
        known = [one for one in found if one is not None]
        exact = all(one.certainty == "exact" for one in known)
        prompts = known[0].prompts if len(known) == 1 else None
        return Rows(sum(one.number for one in known), "exact" if exact else "at most", prompts)

    def whole_of(self, loop: Node, name: str) -> Rows | None:
        """Rows that the slices of a loop are taken of."""
        return self._source(slice_source(self.graph, Sliced(loop, name), self.iterations), loop, "")

    def _source(self, source: Made | External, node: Node, name: str) -> Rows | None:
        if isinstance(source, External):
            rows = self._external(source.name)
        else:
            rows = self.of(source.instance.node, source.split or "train")
        if rows is not None and node.loop is not None and name in node.loop.as_loop.slices:
            return Rows(min(node.loop.as_loop.slices[name].take, rows.number), rows.certainty)
        return rows

    def _external(self, name: str, split: str = "train", most: int | None = None) -> Rows | None:
        if not self.files and not name.startswith("builtin/"):
            return None
        try:
            number = count(name, split)
        except PipelineError:
            return None  # what is wrong with it is said elsewhere
        return None if number is None else Rows(number if most is None else min(number, most))

    def _count(self, node: Node, split: str) -> Rows | None:
        stage = node.stage
        read = self.read_by(node)
        if read is None:
            return None
        if isinstance(stage, PrepareStage):
            return _prepared(stage, read, split)
        if isinstance(stage, GenerateStage):
            rows = Rows(read.number * stage.sampling.n, read.certainty, read.number)
            return rows.most()  # prompts that are too long are dropped
        if isinstance(stage, SelectStage):
            return _selected(node, stage, read, split)
        return read


def _prepared(stage: PrepareStage, read: Rows, split: str) -> Rows | None:
    rows = read
    for step in stage.steps:
        if isinstance(step, SampleStep):
            number = rows.number if step.first is None else min(rows.number, step.first)
            rows = Rows(number, "at most" if step.share is not None else rows.certainty)
        elif isinstance(step, RankingRlStep):
            if step.subgroup_augment or step.shuffle_augment:
                return None  # how many orders there are hangs on each row
        elif step.do in _DROP:
            rows = rows.most()
    if stage.invalid_rows == "drop":
        rows = rows.most()
    return rows.most() if stage.splits or split != "train" else rows


def _selected(node: Node, stage: SelectStage, read: Rows, split: str) -> Rows:
    loop = node.loop
    times = loop.as_loop.iterations if loop is not None and stage.iterations == "all" else 1
    prompts = (read.prompts or read.number) * times
    number = read.number * times
    if stage.how in {"best_of_n", "best_worst", "difficulty"}:
        return Rows(prompts, "at most", prompts)
    if stage.how == "top_k" and stage.k is not None:
        return Rows(min(number, stage.k), "at most")
    return Rows(number, "at most", prompts)


def _named(node: Node, key: str) -> list[tuple[str, str, int | None]]:
    """Datasets from outside that a stage or its recipe names, each with its split and its ``max_samples``."""
    if node.recipe is not None:
        data = node.recipe.document.tree.get("data") or {}
        entries = data.get("datasets") or [] if isinstance(data, dict) else []
    else:
        own = node.tree.get(key)
        if isinstance(own, str):
            return [] if own.startswith("$") else [(own, "train", None)]
        data = node.tree.get("data") or {}
        entries = node.tree.get("datasets") or (data.get("datasets") if isinstance(data, dict) else None) or []
    found = [one for one in entries if isinstance(one, dict) and isinstance(one.get("name"), str)]
    return [
        (one["name"], one.get("split", "train"), one.get("max_samples"))
        for one in found
        if not one["name"].startswith("$")
    ]
