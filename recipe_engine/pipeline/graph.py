"""The graph of a pipeline: what each name refers to, and what comes before what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

from recipe_engine.pipeline.references import Reference, references
from recipe_engine.pipeline.training import TrainRecipe
from recipe_engine.recipe.pipeline import Pipeline
from recipe_engine.recipe.stages import Stage
from recipe_engine.recipe.stages.loop import LoopStage
from recipe_engine.recipe.stages.prepare import PrepareStage
from recipe_engine.recipe.stages.select import SelectStage
from recipe_engine.source import Document, Path

MAKE_ROWS = frozenset({"prepare", "generate", "score", "select", "evaluate"})
"""Kinds of stages whose result is rows."""


@dataclass(eq=False)
class Node:
    """A stage of the file; also one that stands in a loop, and a loop itself."""

    stage: Stage
    """As read: ``$names`` stand in it."""
    tree: dict[str, Any]
    path: Path
    document: Document
    loop: Node | None
    recipe: TrainRecipe | None = None
    """Of a train stage."""

    @property
    def id(self) -> str:
        return self.stage.id

    @property
    def place(self) -> str:
        """Its id, after that of the loop it stands in."""
        return self.id if self.loop is None else f"{self.loop.id}/{self.id}"

    @property
    def as_loop(self) -> LoopStage:
        """Its settings, where it is a loop."""
        if not isinstance(self.stage, LoopStage):
            raise AssertionError(f"{self.id} is no loop")
        return self.stage

    @cached_property
    def references(self) -> tuple[tuple[Reference, Document], ...]:
        """What it refers to, each with the document that says so. Of a train stage the recipe's, in which the stage's
        own stand too."""
        own = {key: value for key, value in self.tree.items() if key not in {"stages", "recipe", "overrides"}}
        if self.recipe is not None:
            own = {}
        found = [(one, self.document) for one in references(own, self.path)]
        if self.recipe is not None:
            found += [(one, self.recipe.document) for one in references(self.recipe.document.tree)]
        return tuple(found)


@dataclass(frozen=True)
class Named:
    """A model of the pipeline's ``models``."""

    name: str
    model: str


@dataclass(frozen=True, eq=False)
class Carried:
    """A model that a loop carries over: in the loop the one so far, afterwards the last."""

    loop: Node
    name: str


@dataclass(frozen=True, eq=False)
class Sliced:
    """Rows that each iteration of a loop takes further on."""

    loop: Node
    name: str


Target: TypeAlias = Named | Carried | Sliced | Node
"""What a name refers to."""


@dataclass
class Graph:
    """The stages of a pipeline in the order of the file, a loop before those in it."""

    pipeline: Pipeline
    document: Document
    nodes: list[Node] = field(default_factory=list)

    def target(self, name: str, node: Node) -> Target | None:
        """What a name means in a stage: the loop's own names first. Also what is made only later, or is the stage."""
        if node.loop is not None:
            loop = node.loop.as_loop
            if name in loop.carry:
                return Carried(node.loop, name)
            if name in loop.slices:
                return Sliced(node.loop, name)
            inside = next((one for one in self.nodes if one.loop is node.loop and one.id == name), None)
            if inside is not None:
                return inside
            node = node.loop
        return self._outside(name, node)

    def _outside(self, name: str, node: Node) -> Target | None:
        before = self.nodes[: self.nodes.index(node)]
        for loop in reversed([one for one in before if isinstance(one.stage, LoopStage)]):
            if name in loop.as_loop.carry:
                return Carried(loop, name)
        found = next((one for one in self.nodes if one.loop is None and one.id == name), None)
        if found is not None:
            return found
        return Named(name, self.pipeline.models[name]) if name in self.pipeline.models else None

    def names_for(self, node: Node) -> list[str]:
        """Every name that a stage may use."""
        own = [] if node.loop is None else [*node.loop.as_loop.carry, *node.loop.as_loop.slices]
        before = self.nodes[: self.nodes.index(node)]
        inside = [one.id for one in before if one.loop is node.loop and node.loop is not None]
        outer = [one for one in before if one.loop is None and one is not node.loop]
        carried = [name for one in outer if isinstance(one.stage, LoopStage) for name in one.stage.carry]
        made = [one.id for one in outer if not isinstance(one.stage, LoopStage)]
        return list(dict.fromkeys([*own, *inside, *carried, *made, *self.pipeline.models]))

    def sources(self, node: Node) -> Iterator[Node]:
        """The stages that a stage waits for: those it reads from, those of its ``after``, and the gates before it."""
        yield from self.gates_before(node)
        for name in node.stage.after:
            found = next((one for one in self.nodes if one.id == name), None)
            if found is not None:
                yield found
        for reference, _ in node.references:
            target = self.target(reference.name, node)
            if isinstance(target, Node):
                yield target
            elif isinstance(target, Carried | Sliced):
                yield target.loop

    def gates_before(self, node: Node) -> Iterator[Node]:
        """A gate may stop the pipeline, so everything below it in the file waits for it."""
        for one in self.nodes[: self.nodes.index(node)]:
            if one.stage.kind == "gate":
                yield one

    def inside(self, loop: Node) -> list[Node]:
        """The stages of a loop."""
        return [one for one in self.nodes if one.loop is loop]


def splits_of(stage: Stage) -> tuple[str, ...]:
    """The splits of the rows that a stage makes."""
    if isinstance(stage, PrepareStage):
        return ("train", *stage.splits)
    if isinstance(stage, SelectStage) and stage.eval_share > 0:
        return ("train", "eval")
    return ("train",)


def nodes_of(pipeline: Pipeline, document: Document) -> Graph:
    """The graph of a pipeline that was read without errors; recipes of train stages are still to be read."""
    graph = Graph(pipeline, document)
    for index, stage in enumerate(pipeline.stages):
        tree = document.tree["stages"][index]
        node = Node(stage, tree, ("stages", index), document, None)
        graph.nodes.append(node)
        if isinstance(stage, LoopStage):
            for inner, one in enumerate(stage.stages):
                path = (*node.path, "stages", inner)
                graph.nodes.append(Node(one, tree["stages"][inner], path, document, node))
    return graph
