"""Which part of a pipeline is run: ``--from`` and ``--until``."""

from __future__ import annotations

from recipe_engine.diagnostics.spelling import nearest
from recipe_engine.pipeline.errors import PipelineError
from recipe_engine.pipeline.graph import Graph
from recipe_engine.pipeline.instances import Iterations, instances


def key_of(graph: Graph, iterations: Iterations, text: str, option: str, *, last: bool) -> str:
    """The instance that an option names: ``sft``, ``raft``, ``raft/2/sft`` or ``raft/2``.

    What names several is the first of them, or with ``last`` the last.

    Raises:
        PipelineError: there is none.
    """
    wanted = [f"{int(part):04d}" if part.isdigit() else part for part in text.strip("/").split("/")]
    keys = [one.key for one in instances(graph, iterations)]
    found = [key for key in keys if _names(wanted, key.split("/"))]
    if not found:
        loop = next((node for node in graph.nodes if node.id == wanted[0] and node.id in iterations), None)
        if loop is not None and len(wanted) > 1 and wanted[1].isdigit() and int(wanted[1]) >= iterations[loop.id]:
            number = iterations[loop.id]
            message = f"{option} {text}: the loop {loop.id} has no iteration {int(wanted[1])}"
            raise PipelineError(
                "P203", message, f"it has {number}, counted from 0: {loop.id}/0 to {loop.id}/{number - 1}"
            )
        known = list(dict.fromkeys([node.id for node in graph.nodes]))
        close = nearest(wanted[-1], known)
        hint = f"did you mean {close}?" if close else f"there are {', '.join(known)}"
        raise PipelineError("P203", f"{option} {text}: the pipeline has no such stage", hint)
    return found[-1] if last else found[0]


def demand_order(graph: Graph, iterations: Iterations, first: str | None, last: str | None) -> None:
    """Check that the first stage to run does not come after the last one.

    Raises:
        PipelineError: it does, so nothing would run.
    """
    keys = [one.key for one in instances(graph, iterations)]
    if first is not None and last is not None and keys.index(first) > keys.index(last):
        message = f"--from {first} comes after --until {last}, so nothing would run"
        raise PipelineError("P203", message, "exchange them, or leave one out")


def _names(wanted: list[str], key: list[str]) -> bool:
    return key[: len(wanted)] == wanted or (len(wanted) == 1 and key[-1] == wanted[0])
