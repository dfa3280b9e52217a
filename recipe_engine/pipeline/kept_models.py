"""Models of earlier iterations: removed as ``keep_models`` says, and never while a stage still needs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from recipe_engine.launch.paths import shorten
from recipe_engine.pipeline.complete import remove_model
from recipe_engine.pipeline.errors import PipelineError
from recipe_engine.pipeline.instances import Instance, Made, instances, source_of, waits_for
from recipe_engine.pipeline.manifest import Manifest
from recipe_engine.pipeline.resolve import Work
from recipe_engine.recipe.stages.train import TrainStage


def keep_models(work: Work, manifests: dict[str, Manifest], say: Callable[[str], None]) -> None:
    """Remove models of earlier iterations that no stage still needs, as far as the file says."""
    everything = list(instances(work.graph, work.iterations))
    for node in work.graph.nodes:
        stage = node.stage
        if not isinstance(stage, TrainStage) or stage.keep_models == "all" or node.loop is None:
            continue
        trained = [one for one in everything if one.node is node and one.key in manifests]
        for instance in trained[: max(len(trained) - int(stage.keep_models), 0)]:
            if manifests[instance.key].model_removed or _is_needed(work, instance, manifests, everything):
                continue
            freed = remove_model(work, instance)
            manifests[instance.key] = manifests[instance.key].model_copy(update={"model_removed": True})
            say(f"{instance.key}: its model is removed ({freed / (1 << 20):.0f} MiB), as keep_models says")


def _is_needed(
    work: Work, instance: Instance, manifests: Mapping[str, Manifest], everything: Sequence[Instance]
) -> bool:
    return any(
        one.key not in manifests
        and instance in waits_for(work.graph, one, work.iterations)
        and _reads_model(work, one, instance)
        for one in everything
    )


def demand_models(work: Work, instance: Instance, manifests: Mapping[str, Manifest]) -> None:
    """Check that the models a stage reads are still there.

    Raises:
        PipelineError: one was removed.
    """
    for one in waits_for(work.graph, instance, work.iterations):
        manifest = manifests[one.key]
        if manifest.model_removed and instance.node.stage.kind != "gate" and _reads_model(work, instance, one):
            message = f"{instance.key} needs the model of {one.key}, which was removed as its keep_models says"
            hint = f"remove the folder {shorten(work.folder(one))} to train it again, and write keep_models: all"
            raise PipelineError("P204", message, hint)


def _reads_model(work: Work, instance: Instance, other: Instance) -> bool:
    graph, iterations = work.graph, work.iterations
    return any(
        one.wants == "model"
        and isinstance(source := source_of(graph, one, instance, iterations), Made)
        and source.instance == other
        for one, _ in instance.node.references
    )
