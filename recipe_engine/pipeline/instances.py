"""What is run: each stage once, and those of a loop once an iteration; and what each waits for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from recipe_engine.pipeline.graph import Carried, Graph, Named, Node, Sliced
from recipe_engine.pipeline.references import Reference, reference
from recipe_engine.recipe.stages.loop import LoopStage
from recipe_engine.recipe.stages.select import SelectStage


@dataclass(frozen=True)
class Instance:
    """One run of a stage."""

    node: Node
    iteration: int | None = None

    @property
    def key(self) -> str:
        """Its name, and its folder under that of the pipeline: ``prompts``, ``raft/0002/sft``."""
        if self.node.loop is None:
            return self.node.id
        return f"{self.node.loop.id}/{self.iteration:04d}/{self.node.id}"


@dataclass(frozen=True)
class Made:
    """What an instance makes: rows of a split, a model, or an evaluation."""

    instance: Instance
    split: str | None = None


@dataclass(frozen=True)
class External:
    """A dataset or a model from outside of the pipeline, by its name."""

    name: str


Source: TypeAlias = Made | External

Iterations: TypeAlias = Mapping[str, int]
"""How often each loop runs, by its id. Slices that end a loop early are known only once their rows are."""


def iterations_of(graph: Graph) -> dict[str, int]:
    """How often each loop runs as the file says."""
    return {node.id: node.stage.iterations for node in graph.nodes if isinstance(node.stage, LoopStage)}


def instances(graph: Graph, iterations: Iterations) -> Iterator[Instance]:
    """Every instance in an order in which they can run one after the other."""
    for node in graph.nodes:
        if isinstance(node.stage, LoopStage):
            inside = graph.inside(node)
            for number in range(iterations[node.id]):
                yield from (Instance(one, number) for one in inside)
        elif node.loop is None:
            yield Instance(node)


def source_of(graph: Graph, one: Reference, instance: Instance, iterations: Iterations) -> Source:
    """What a reference of an instance stands for."""
    target = graph.target(one.name, instance.node)
    if isinstance(target, Named):
        return External(target.model)
    if isinstance(target, Node):
        return Made(Instance(target, instance.iteration if target.loop is not None else None), one.split)
    if isinstance(target, Sliced):
        return slice_source(graph, target, iterations)
    if isinstance(target, Carried):
        inside = instance.node.loop is target.loop
        number = instance.iteration if inside and instance.iteration is not None else iterations[target.loop.id]
        return _carried(graph, target, number, iterations)
    raise AssertionError(f"{one.text} of {instance.key} was not checked")


def slice_source(graph: Graph, sliced: Sliced, iterations: Iterations) -> Source:
    """The whole that a slice is taken of."""
    rows = sliced.loop.as_loop.slices[sliced.name].rows
    if not rows.startswith("$"):
        return External(rows)
    return source_of(graph, reference((), rows, "rows"), Instance(sliced.loop), iterations)


def _carried(graph: Graph, target: Carried, number: int, iterations: Iterations) -> Source:
    """What a loop carries into iteration ``number``."""
    carried = target.loop.as_loop.carry[target.name]
    if number > 0:
        inside = next(one for one in graph.inside(target.loop) if one.id == carried.from_stage)
        return Made(Instance(inside, number - 1))
    if not carried.start.startswith("$"):
        return External(carried.start)
    return source_of(graph, reference((), carried.start, "model"), Instance(target.loop), iterations)


def slice_of(graph: Graph, instance: Instance) -> tuple[Sliced, tuple[int, int]] | None:
    """The slice that an instance reads, if it reads one, with its first row and the row after its last."""
    for one, _ in instance.node.references:
        target = graph.target(one.name, instance.node)
        if isinstance(target, Sliced) and instance.iteration is not None:
            take = target.loop.as_loop.slices[target.name].take
            return target, (instance.iteration * take, (instance.iteration + 1) * take)
    return None


def earlier_rows(graph: Graph, instance: Instance, iterations: Iterations) -> list[Made]:
    """The rows of earlier iterations that a select stage chooses from as well."""
    stage = instance.node.stage
    if not isinstance(stage, SelectStage) or stage.iterations == "last" or instance.iteration is None:
        return []
    one = next(one for one, _ in instance.node.references if one.path[-1] == "rows")
    sources = (
        source_of(graph, one, Instance(instance.node, number), iterations) for number in range(instance.iteration)
    )
    return list(dict.fromkeys(source for source in sources if isinstance(source, Made)))


def waits_for(graph: Graph, instance: Instance, iterations: Iterations) -> list[Instance]:
    """The instances that must have ended before this one begins."""
    node, number = instance.node, instance.iteration
    found: list[Instance] = []
    for one, _ in node.references:
        source = source_of(graph, one, instance, iterations)
        if isinstance(source, Made):
            found.append(source.instance)
    found += [made.instance for made in earlier_rows(graph, instance, iterations)]
    for name in node.stage.after:
        found += _all_of(graph, next(one for one in graph.nodes if one.id == name), instance, iterations)
    if node.loop is not None:
        for name in node.loop.stage.after:
            found += _all_of(graph, next(one for one in graph.nodes if one.id == name), instance, iterations)
    found += _gates(graph, node, number, iterations)
    return list(dict.fromkeys(found))


def _all_of(graph: Graph, node: Node, instance: Instance, iterations: Iterations) -> list[Instance]:
    if isinstance(node.stage, LoopStage):
        return [Instance(one, number) for number in range(iterations[node.id]) for one in graph.inside(node)]
    return [Instance(node, instance.iteration if node.loop is not None else None)]


def _gates(graph: Graph, node: Node, number: int | None, iterations: Iterations) -> Iterator[Instance]:
    """Gates that stand before it in the file, and in a loop those of the iteration before."""
    for gate in graph.gates_before(node):
        if gate.loop is None or gate.loop is node.loop:
            yield Instance(gate, number if gate.loop is not None else None)
        else:
            yield Instance(gate, iterations[gate.loop.id] - 1)
    if node.loop is not None and number is not None and number > 0:
        yield from (Instance(one, number - 1) for one in graph.inside(node.loop) if one.stage.kind == "gate")
