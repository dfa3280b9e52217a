"""What stages need of a machine."""

from __future__ import annotations

from recipe_engine.pipeline.checks import Findings
from recipe_engine.pipeline.graph import Node
from recipe_engine.recipe.stages.generate import VllmEngine


def check(findings: Findings) -> None:
    """Check GPUs, where it is known how many there will be."""
    for node in findings.graph.nodes:
        _check_gpus(findings, node)


def _check_gpus(findings: Findings, node: Node) -> None:
    stage, gpus = node.stage, findings.gpus
    if gpus is not None and stage.gpus is not None and stage.gpus > gpus:
        message = f"{node.id} uses {_gpus(stage.gpus)}, and the pipeline is given {_gpus(gpus)}"
        findings.add("P122", (*node.path, "gpus"), message, hint=f"lower it, or start with --num-gpus {stage.gpus}")
        return
    engine = getattr(stage, "engine", None)
    own = stage.gpus if stage.gpus is not None else gpus
    if not isinstance(engine, VllmEngine) or own is None:
        return
    if own == 0:
        hint = "write engine: {type: hf}, which a CPU runs; or start with --num-gpus 1 or more"
        findings.add("P122", (*node.path, "engine", "type"), f"{node.id}: vLLM needs a GPU", hint=hint)
    elif engine.tensor_parallel_size > own:
        message = f"{node.id} splits a model over {_gpus(engine.tensor_parallel_size)}, and has {_gpus(own)}"
        findings.add("P122", (*node.path, "engine", "tensor_parallel_size"), message)


def _gpus(number: int) -> str:
    return "no GPU" if number == 0 else f"{number} GPU{'s' if number > 1 else ''}"
