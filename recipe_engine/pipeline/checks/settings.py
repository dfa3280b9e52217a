"""Settings of stages that do not go with one another, or lack what they need."""

from __future__ import annotations

import os
from collections.abc import Collection

from recipe_engine.data.location import locate
from recipe_engine.pipeline.checks import Findings
from recipe_engine.pipeline.checks.metrics import not_measured
from recipe_engine.pipeline.counts import Counts
from recipe_engine.pipeline.folders import output_dir_of
from recipe_engine.pipeline.graph import Node
from recipe_engine.pipeline.references import wanted_at
from recipe_engine.recipe.stages.evaluate import EvaluateStage
from recipe_engine.recipe.stages.gate import GateStage
from recipe_engine.recipe.stages.generate import GenerateStage, HttpEngine
from recipe_engine.recipe.stages.loop import LoopStage
from recipe_engine.recipe.stages.prepare import PrepareStage
from recipe_engine.recipe.stages.select import SelectStage
from recipe_engine.recipe.stages.steps import SampleStep, ThoughtResponseStep
from recipe_engine.source import Path

_OF_HOW = {
    "at_least": ("threshold", "difficulty"),
    "k": ("top_k",),
    "min_pass_rate": ("difficulty",),
    "max_pass_rate": ("difficulty",),
    "template": ("conditional",),
    "normalize": ("conditional",),
}
"""Settings of a select stage, and which of its ways read them."""
_OF_TRAINING = {
    "eval_datasets": "remove it",
    "eval_holdout": "a prepare stage makes splits",
    "mixing": "datasets are read one after the other: remove it",
    "shuffle": "a prepare stage shuffles",
    "max_length": "write sampling.max_prompt_tokens and sampling.max_tokens",
    "max_prompt_length": "write sampling.max_prompt_tokens",
    "overlong_rows": "prompts that are too long are dropped and counted: remove it",
    "dataset_num_proc": "remove it",
    "remove_unused_columns": "remove it",
}
"""Keys of a data block that say nothing about prompts, and what to do instead."""
_TAKEN_IDS = frozenset({"lock"})
"""Names of files in the pipeline's folder."""


def check(findings: Findings, wrong: Collection[Node] = ()) -> set[Node]:
    """Check the settings of every stage, but what hangs on names where some are ``wrong``. Returns the stages of which
    a setting is wrong."""
    found: set[Node] = set()
    counts = Counts(findings.graph, files=False)
    output_dir = output_dir_of(findings.graph)
    for node in findings.graph.nodes:
        stage, before = node.stage, findings.errors
        _check_folders(findings, node, output_dir)
        if isinstance(stage, SelectStage):
            _check_select(findings, node, stage)
        elif isinstance(stage, PrepareStage):
            _check_prepare(findings, node, stage)
        elif isinstance(stage, GenerateStage):
            _check_prompts(findings, node)
            _check_data(findings, node)
            _check_thoughts(findings, node, stage)
        elif isinstance(stage, EvaluateStage):
            _check_evaluate(findings, node, stage)
            _check_data(findings, node)
        elif isinstance(stage, GateStage):
            _check_gate(findings, node, stage)
        elif isinstance(stage, LoopStage) and not wrong:
            _check_slices(findings, node, stage, counts)
        _check_prices(findings, node)
        if findings.errors > before:
            found.add(node)
    return found


def _check_folders(findings: Findings, node: Node, output_dir: str) -> None:
    if node.id in _TAKEN_IDS and node.loop is None:
        message = f"the pipeline's folder has a file `{node.id}`, so a stage cannot have that name"
        findings.add("P115", (*node.path, "id"), message, hint="choose another id")
    own = {key: value for key, value in node.tree.items() if key not in {"stages", "recipe"}}
    for path, name in _names(own, node.path):
        location = locate(name)
        inside = location.kind == "local" and os.path.join(location.value, "").startswith(os.path.join(output_dir, ""))
        if inside:
            message = f"{name} lies in the folder that the pipeline itself writes"
            hint = "write `$stage` for what a stage makes; or another output_dir"
            findings.add("P115", path, message, hint=hint)


def _names(tree: object, path: Path) -> list[tuple[Path, str]]:
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    found: list[tuple[Path, str]] = []
    for key, value in entries:
        here = (*path, key)
        if not isinstance(value, str):
            found += _names(value, here)
        elif wanted_at(here) is not None and not value.startswith("$"):
            found.append((here, value))
    return found


def _check_select(findings: Findings, node: Node, stage: SelectStage) -> None:
    for key, ways in _OF_HOW.items():
        if key in node.tree and stage.how not in ways:
            message = f"`{key}` is a setting of how: {' and '.join(ways)}; {stage.how} does not read it"
            findings.add("P111", (*node.path, key), message, hint="remove it", at_key=True)
    for key, way in (("k", "top_k"), ("at_least", "threshold")):
        if stage.how == way and getattr(stage, key) is None:
            findings.add("P126", (*node.path, "how"), f"{way} needs `{key}`", hint=f"write {key}: ...")
    if stage.min_pass_rate > stage.max_pass_rate:
        key = "max_pass_rate" if "max_pass_rate" in node.tree else "min_pass_rate"
        message = (
            f"min_pass_rate {stage.min_pass_rate:g} is above max_pass_rate {stage.max_pass_rate:g}: none is between"
        )
        findings.add("P126", (*node.path, key), message)
    if stage.how == "conditional":
        _check_template(findings, (*node.path, "template"), stage.template)


def _check_template(findings: Findings, path: Path, template: str) -> None:
    try:
        template.format(prompt="", reward=0.5)
    except (LookupError, ValueError, AttributeError) as error:
        message = f"the template cannot be filled in: {type(error).__name__}: {error}"
        findings.add("P126", path, message, hint="it may name {prompt} and {reward:.2f}; other braces are doubled")
        return
    missing = [name for name in ("{prompt}", "{reward") if name not in template]
    if missing:
        what = "the prompt" if missing[0] == "{prompt}" else "the reward"
        findings.add("P126", path, f"the template leaves {what} out: {missing[0].strip('{}')} is not in it")


def _check_prepare(findings: Findings, node: Node, stage: PrepareStage) -> None:
    if (stage.rows is None) == (not stage.datasets):
        what = (
            "neither `rows` nor `datasets` is given" if stage.rows is None else "both `rows` and `datasets` are given"
        )
        findings.add("P120", (*node.path, "kind"), f"{node.id}: {what}", hint="write one of them")
    if sum(stage.splits.values()) >= 1:
        message = f"the shares of the splits add up to {sum(stage.splits.values()):g}, which leaves nothing for train"
        findings.add("P126", (*node.path, "splits"), message, at_key=True)
    for index, step in enumerate(stage.steps):
        path = (*node.path, "steps", index)
        if isinstance(step, SampleStep) and (step.first is None) == (step.share is None):
            findings.add("P126", path, "sample takes either `first` or `share`", hint="write one of them")
        if isinstance(step, ThoughtResponseStep) and step.thoughts and findings.graph.pipeline.thinking is None:
            hint = "write thinking: {open: <think>, close: </think>} at the top; or thoughts: false"
            findings.add(
                "P113", path, "thoughts are rendered as the `thinking` block says, and there is none", hint=hint
            )


def _check_prompts(findings: Findings, node: Node) -> None:
    rows, data = node.tree.get("rows"), node.tree.get("data")
    if (rows is None) == (data is None):
        what = "neither `rows` nor `data` is given" if rows is None else "both `rows` and `data` are given"
        findings.add("P120", (*node.path, "kind"), f"{node.id}: {what}", hint="write one of them")


def _check_data(findings: Findings, node: Node) -> None:
    """Check that ``data`` has only what prompts are read by: the rest is about training."""
    data = node.tree.get("data")
    if not isinstance(data, dict):
        return
    for key, instead in _OF_TRAINING.items():
        if key in data:
            message = f"`data.{key}` is about training, and prompts are not read by it"
            findings.add("P111", (*node.path, "data", key), message, hint=instead, at_key=True)
    for index, entry in enumerate(data.get("datasets") or ()):
        if isinstance(entry, dict) and "weight" in entry:
            message = "`weight` is about training, and every prompt is read once"
            hint = "remove it; max_samples takes the first rows"
            findings.add("P111", (*node.path, "data", "datasets", index, "weight"), message, hint=hint, at_key=True)


def _check_thoughts(findings: Findings, node: Node, stage: GenerateStage) -> None:
    if stage.answers == "thought_and_response" and findings.graph.pipeline.thinking is None:
        message = "answers are split as the pipeline's `thinking` block says, and there is none"
        hint = "write thinking: {open: <think>, close: </think>} at the top"
        findings.add("P113", (*node.path, "answers"), message, hint=hint)


def _check_evaluate(findings: Findings, node: Node, stage: EvaluateStage) -> None:
    asks = stage.rows is not None or stage.data is not None
    if stage.rows is not None and stage.data is not None:
        findings.add(
            "P120", (*node.path, "data"), f"{node.id}: both `rows` and `data` are given", hint="write one of them"
        )
    if not asks and stage.nll_rows is None and not stage.tasks:
        message = f"{node.id} measures nothing: there are no `rows`, `data`, `nll_rows` and `tasks`"
        findings.add("P120", (*node.path, "kind"), message)
    if asks and not stage.rewards:
        message = f"{node.id} has no `rewards`: of the answers only lengths, ends and repetitions are measured"
        findings.add("P120", (*node.path, "kind"), message, severity="note")


def _check_gate(findings: Findings, node: Node, stage: GateStage) -> None:
    target = findings.graph.target(stage.evaluation[1:], node)
    evaluate = target.stage if isinstance(target, Node) else None
    for index, condition in enumerate(stage.conditions):
        path = (*node.path, "conditions", index)
        if condition.at_least is None and condition.at_most is None:
            findings.add("P126", path, "a condition needs `at_least` or `at_most`")
        if isinstance(evaluate, EvaluateStage):
            thinking = findings.graph.pipeline.thinking is not None
            why = not_measured(condition.metric, evaluate, thinking=thinking)
            if why is not None:
                hint = "docs/stages.md lists the numbers of an evaluation"
                findings.add("P114", (*path, "metric"), f"the evaluation has no `{condition.metric}`: {why}", hint=hint)


def _check_slices(findings: Findings, node: Node, stage: LoopStage, counts: Counts) -> None:
    for name, one in stage.slices.items():
        rows = counts.whole_of(node, name)
        if rows is None or one.at_end == "wrap":
            continue
        enough = rows.number // one.take
        few = f"{one.rows} has {'at most ' if rows.certainty == 'at most' else ''}{rows.number} rows"
        path = (*node.path, "slices", name, "take")
        if enough == 0:
            message = f"{few}, and one iteration takes {one.take}"
            findings.add("P110", path, message, hint=f"lower take to {rows.number} or less")
        elif one.at_end == "error" and enough < stage.iterations:
            message = f"{few}, and {stage.iterations} iterations take {one.take} each"
            hint = f"write iterations: {enough}, or at_end: wrap or stop"
            findings.add("P110", path, message, hint=hint)


def _check_prices(findings: Findings, node: Node) -> None:
    engine = getattr(node.stage, "engine", None)
    if not isinstance(engine, HttpEngine) or engine.max_dollars is None:
        return
    prices = ("dollars_per_million_input", "dollars_per_million_output")
    missing = [name for name in prices if getattr(engine, name) is None]
    if missing:
        message = f"costs cannot be counted without {' and '.join(missing)}"
        findings.add("P112", (*node.path, "engine", "max_dollars"), message, hint="write what a million tokens cost")
