"""How far the rows of a loop's slices go."""

from __future__ import annotations

from collections.abc import Mapping

from recipe_engine.data.check import local_rows
from recipe_engine.data.errors import DataError
from recipe_engine.pipeline.errors import PipelineError
from recipe_engine.pipeline.graph import Node, Sliced
from recipe_engine.pipeline.instances import Made, slice_source
from recipe_engine.pipeline.manifest import Manifest, read_manifest
from recipe_engine.pipeline.resolve import Work
from recipe_engine.recipe.data import DatasetEntry
from recipe_engine.recipe.stages.loop import LoopStage


def trimmed(work: Work, loop: Node, manifests: Mapping[str, Manifest]) -> int:
    """How often a loop runs, now that the rows of its slices are there.

    Raises:
        PipelineError: they run out and may not.
    """
    iterations = loop.as_loop.iterations
    for name, one in loop.as_loop.slices.items():
        if one.at_end == "wrap":
            continue
        source = slice_source(work.graph, Sliced(loop, name), work.iterations)
        if isinstance(source, Made):
            rows: int | None = manifests[source.instance.key].result.splits.get(source.split or "train", 0)
        else:
            rows = count(source.name)
        if rows is None:
            hint = "put a prepare stage before the loop, or write at_end: wrap"
            raise PipelineError("P205", f"{loop.id}: the rows of {one.rows} cannot be counted here", hint)
        enough = rows // one.take
        if enough >= iterations:
            continue
        if one.at_end == "error" or enough == 0:
            message = f"{loop.id}: {one.rows} has {rows} rows, and {iterations} iterations take {one.take} each"
            hint = f"lower iterations to {enough}, or take, or write at_end: wrap or stop"
            raise PipelineError("P205", message, hint if enough else "lower take, or write at_end: wrap")
        iterations = enough
    return iterations


def trim_as_they_stand(work: Work) -> None:
    """End loops where their slices run out, as far as the rows of these are complete."""
    for loop in work.graph.nodes:
        stage = loop.stage
        if not isinstance(stage, LoopStage) or all(one.at_end != "stop" for one in stage.slices.values()):
            continue
        sources = (slice_source(work.graph, Sliced(loop, name), work.iterations) for name in stage.slices)
        keys = {one.instance.key: one.instance for one in sources if isinstance(one, Made)}
        found = {key: read_manifest(work.folder(instance)) for key, instance in keys.items()}
        manifests = {key: manifest for key, manifest in found.items() if manifest is not None}
        if len(manifests) == len(keys):
            work.iterations[loop.id] = trimmed(work, loop, manifests)


def count(name: str, split: str = "train") -> int | None:
    """Rows of a dataset on this machine; none for what is elsewhere."""
    try:
        rows = local_rows(DatasetEntry(name=name, split=split))
        return None if rows is None else sum(1 for _ in rows)
    except DataError as error:
        if error.code == "D408":
            return None
        raise PipelineError("P205", f"{name}: {error.message}", error.hint) from error
