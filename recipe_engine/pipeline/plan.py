"""The plan of a pipeline as plain data: its stages, what they read, rows, steps, folders, and what is complete."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from recipe_engine.algorithms import algorithm
from recipe_engine.pipeline.basis import missing_inputs
from recipe_engine.pipeline.counts import Counts, Rows
from recipe_engine.pipeline.decide import Decision, decide
from recipe_engine.pipeline.errors import PipelineError
from recipe_engine.pipeline.graph import Node
from recipe_engine.pipeline.instances import Instance, instances, waits_for
from recipe_engine.pipeline.manifest import Manifest, read_manifest
from recipe_engine.pipeline.outside import missing_models
from recipe_engine.pipeline.resolve import Work, compile_train, loads_model
from recipe_engine.pipeline.slices import trim_as_they_stand
from recipe_engine.plan.steps import steps_of
from recipe_engine.recipe.stages.evaluate import EvaluateStage
from recipe_engine.recipe.stages.gate import GateStage
from recipe_engine.recipe.stages.generate import GenerateStage
from recipe_engine.recipe.stages.loop import LoopStage
from recipe_engine.recipe.stages.prepare import PrepareStage
from recipe_engine.recipe.stages.score import ScoreStage
from recipe_engine.recipe.stages.select import SelectStage

Plan = dict[str, Any]


def plan_of(work: Work) -> Plan:
    """Everything that a pipeline will do. Local datasets are counted, which reads them."""
    counts = Counts(work.graph, files=True)
    return {
        "pipeline": work.graph.document.file,
        "output_dir": work.output_dir,
        "seed": work.graph.pipeline.seed,
        "gpus": work.gpus,
        "models": dict(work.graph.pipeline.models),
        "stages": [_stage(work, node, counts) for node in work.graph.nodes if node.loop is None],
        "runs": [_run(work, instance, decision) for instance, decision in decisions(work)],
    }


def decisions(work: Work) -> Iterator[tuple[Instance, Decision | None]]:
    """What would be done with each instance; none for those whose inputs are not made yet."""
    manifests: dict[str, Manifest] = {}
    with suppress(PipelineError):  # that they run out is said when it is run
        trim_as_they_stand(work)
    for instance in instances(work.graph, work.iterations):
        needs = waits_for(work.graph, instance, work.iterations)
        if any(one.key not in manifests for one in needs):
            yield instance, None
            continue
        decision = decide(work, instance, manifests)
        if decision.act == "skip" and decision.manifest is not None:
            manifests[instance.key] = decision.manifest
        yield instance, decision


def _run(work: Work, instance: Instance, decision: Decision | None) -> Plan:
    if decision is None and read_manifest(work.folder(instance)) is not None:
        why = "its result stands; what it reads is made first, and if that is the same it is skipped"
        return {"key": instance.key, "act": "open", "why": why, "changed": []}
    if decision is None:
        return {"key": instance.key, "act": "begin", "why": "what it reads is not made yet", "changed": []}
    return {"key": instance.key, "act": decision.act, "why": decision.why, "changed": list(decision.changed)}


def _stage(work: Work, node: Node, counts: Counts) -> Plan:
    first = Instance(node, 0 if node.loop is not None else None)
    plan: Plan = {
        "id": node.id,
        "kind": node.stage.kind,
        "what": _what(work, node),
        "reads": list(dict.fromkeys(one.text for one, _ in node.references)),
        "after": node.stage.after,
    }
    if isinstance(node.stage, LoopStage):
        inside = [_stage(work, one, counts) for one in work.graph.inside(node)]
        return plan | {"iterations": node.stage.iterations, "stages": inside}
    gpus = work.gpus_of(node)
    plan |= {"folder": work.folder(first), "gpus": gpus, "loads_model": loads_model(node.stage)}
    plan["missing"] = list(dict.fromkeys([*missing_inputs(work, first), *missing_models(work, node)]))
    if node.recipe is not None:
        return plan | _training(work, node, first, counts)
    rows = counts.of(node) if node.stage.kind != "gate" else None
    if isinstance(node.stage, EvaluateStage):
        prompts = counts.read_by(node)
        rows = None if prompts is None else Rows(prompts.number * node.stage.sampling.n, prompts.certainty)
    return plan | _rows(rows)


def _rows(rows: Rows | None) -> Plan:
    return {"rows": None if rows is None else rows.number, "certainty": None if rows is None else rows.certainty}


def _training(work: Work, node: Node, first: Instance, counts: Counts) -> Plan:
    run = compile_train(work, first).run
    rows = counts.read_by(node, "datasets")
    steps = steps_of(run, None if rows is None else rows.number)
    certainty = steps.certainty
    if (
        rows is not None
        and rows.certainty == "at most"
        and certainty == "exact"
        and run.arguments.get("max_steps", -1) < 0
    ):
        certainty = "at most"
    return {
        "algorithm": run.algorithm,
        "model": run.model.base_model_name,
        "processes": run.processes,
        "strategy": run.strategy,
        "rows": None if rows is None else rows.number,
        "certainty": None if rows is None else rows.certainty,
        "steps": steps.total,
        "steps_certainty": certainty,
        "writes": run.output_dir,
    }


def _what(work: Work, node: Node) -> str:
    """What a stage does, in a few words."""
    stage = node.stage
    if isinstance(stage, LoopStage):
        carried = [f"${name} from {one.start}, then {one.from_stage}" for name, one in stage.carry.items()]
        slices = [f"${name} {one.take} of {one.rows} ({one.at_end} at the end)" for name, one in stage.slices.items()]
        return f"{stage.iterations} times: " + "; ".join([*carried, *slices])
    if isinstance(stage, PrepareStage):
        names = [stage.rows] if stage.rows else [one.name for one in stage.datasets]
        steps = [step.do for step in stage.steps]
        splits = [f"{name} {share:g}" for name, share in stage.splits.items()]
        return ", ".join(map(str, names)) + "".join(f" -> {step}" for step in [*steps, *splits])
    if isinstance(stage, GenerateStage):
        return f"{stage.sampling.n} of each of {stage.rows or 'its datasets'} by {stage.model}, {stage.engine.type}"
    if isinstance(stage, ScoreStage):
        return f"{stage.rows} by {', '.join(reward.label for reward in stage.rewards)}"
    if isinstance(stage, SelectStage):
        of = f"{stage.rows} of all iterations" if stage.iterations == "all" else stage.rows
        return f"{stage.how} of {of}"
    if isinstance(stage, EvaluateStage):
        return (
            f"{stage.model}" + (f" against {stage.base}" if stage.base else "") + f" on {stage.rows or stage.nll_rows}"
        )
    if isinstance(stage, GateStage):
        return ", ".join(f"{one.metric}{_bounds(one.at_least, one.at_most)}" for one in stage.conditions)
    tree = node.recipe.document.tree if node.recipe is not None else {}
    training = tree.get("training") or {}
    model = (tree.get("model") or {}).get("base_model_name")
    datasets = [one.get("name") for one in (tree.get("data") or {}).get("datasets") or []]
    name = training.get("algorithm")
    summary = algorithm(name).name if isinstance(name, str) else name
    return f"{summary} of {model} on {', '.join(map(str, datasets))}"


def _bounds(least: float | None, most: float | None) -> str:
    return "".join([f" >= {least:g}" if least is not None else "", f" <= {most:g}" if most is not None else ""])
