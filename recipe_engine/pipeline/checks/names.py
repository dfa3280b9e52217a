"""Names: that each is given once, is known, is made before it is used, and is what the place asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from recipe_engine.diagnostics.spelling import nearest
from recipe_engine.lint.report import replace_value, shown
from recipe_engine.pipeline.checks import Findings
from recipe_engine.pipeline.graph import MAKE_ROWS, Carried, Named, Node, Sliced, Target, splits_of
from recipe_engine.pipeline.references import Reference, bare_names, references
from recipe_engine.recipe.stages.loop import LoopStage
from recipe_engine.recipe.stages.select import SelectStage
from recipe_engine.source import Document, Path

Add = Callable[[str, str, str | None], None]
"""Adds a finding about a reference: its code, what is wrong, and a hint."""

_MAKE = "prepare, generate, score, select and evaluate make rows"


def check(findings: Findings) -> set[Node]:
    """Check every name. Returns the stages of which a name is wrong: of these nothing else can be told."""
    before = findings.errors
    _check_ids(findings)
    cycles = {node for cycle in _cycles(findings) for node in cycle}
    wrong = set(findings.graph.nodes) if findings.errors > before else set()
    for node in findings.graph.nodes:
        before = findings.errors
        if isinstance(node.stage, LoopStage) and node.loop is None:
            _check_loop(findings, node, node.stage)
        if isinstance(node.stage, SelectStage) and node.stage.iterations == "all" and node.loop is None:
            message = f"{node.id} stands in no loop, so there are no other iterations"
            findings.add("P123", (*node.path, "iterations"), message, hint="remove it")
        for reference, document in node.references:
            _check_reference(findings, node, reference, document, node in cycles)
        _check_replaced(findings, node)
        _check_dollars(findings, node)
        for index, name in enumerate(node.stage.after):
            _check_after(findings, node, (*node.path, "after", index), name, node in cycles)
        if findings.errors > before:
            wrong.add(node)
    for node in findings.graph.nodes:  # what a wrong loop hands on is as little known as what is in it
        loops = [node.loop, *(one for one in findings.graph.sources(node) if isinstance(one.stage, LoopStage))]
        if any(loop in wrong for loop in loops):
            wrong.add(node)
    return wrong


def _check_ids(findings: Findings) -> None:
    seen: dict[str, Node] = {}
    for node in findings.graph.nodes:
        if node.id in seen:
            message = f"there are two stages `{node.id}`; their folders and `${node.id}` would be one"
            findings.add("P102", (*node.path, "id"), message, hint="give one of them another id")
        seen.setdefault(node.id, node)
    for node in findings.graph.nodes:
        if not isinstance(node.stage, LoopStage):
            continue
        for key, names in (("carry", list(node.stage.carry)), ("slices", list(node.stage.slices))):
            for name in names:
                clash = (
                    "a stage"
                    if name in seen
                    else "also carried"
                    if key == "slices" and name in node.stage.carry
                    else ""
                )
                if clash:
                    message = f"`{name}` is {clash}, so `${name}` could mean either"
                    findings.add("P102", (*node.path, key, name), message, at_key=True, hint="choose another name")


def _check_loop(findings: Findings, node: Node, loop: LoopStage) -> None:
    inside = {one.id: one for one in findings.graph.inside(node)}
    for one in inside.values():
        if isinstance(one.stage, LoopStage):
            hint = "write its stages into the outer loop, or the loops one after the other"
            findings.add("P119", (*one.path, "kind"), f"the loop {one.id} stands in the loop {node.id}", hint=hint)
    trained = [name for name, one in inside.items() if one.stage.kind == "train"]
    for name, carried in loop.carry.items():
        path = (*node.path, "carry", name, "from_stage")
        if carried.from_stage not in inside:
            message = f"no stage of the loop {node.id} has the id `{carried.from_stage}`"
            findings.add("P107", path, message, hint=_did_you_mean(carried.from_stage, trained or inside))
        elif carried.from_stage not in trained:
            message = f"`{carried.from_stage}` trains no model: it is of kind {inside[carried.from_stage].stage.kind}"
            hint = f"name a train stage: {', '.join(trained)}" if trained else "the loop has no train stage"
            findings.add("P107", path, message, hint=hint)
    used = {reference.name for one in inside.values() for reference, _ in one.references}
    for key, names in (("carry", loop.carry), ("slices", loop.slices)):
        for name in names:
            if name not in used:
                message = f"no stage of the loop {node.id} uses `${name}`: every iteration would do the same"
                if key == "slices":
                    message = f"no stage of the loop {node.id} uses `${name}`"
                findings.add("P121", (*node.path, key, name), message, at_key=True, severity="warning")


def _check_reference(findings: Findings, node: Node, reference: Reference, document: Document, in_cycle: bool) -> None:
    def add(code: str, message: str, hint: str | None = None) -> None:
        findings.add(code, reference.path, message, hint=hint, document=document)

    graph = findings.graph
    if not reference.name:
        hint = "names have lower case letters, digits and underscores: `$name`, or `$name.split` for rows"
        add("P101", f"{shown(reference.text)} is no name", hint)
        return
    target = graph.target(reference.name, node)
    if target is None:
        add("P101", f"nothing is called `${reference.name}` here", _hint_for_unknown(findings, node, reference.name))
        return
    if isinstance(target, Node) and not _comes_before(findings, target, node):
        if not in_cycle:
            hint = "stages stand in the order in which they can run; move it up"
            add("P104", f"`${reference.name}` is made by a stage that comes only later", hint)
        return
    if isinstance(target, Node) and target is node.loop:
        add("P104", f"`${reference.name}` is the loop that this stage is a part of")
        return
    is_model = isinstance(target, Named | Carried) or (isinstance(target, Node) and target.stage.kind == "train")
    if reference.wants == "model":
        if not is_model:
            hint = "write the name of a model, of a train stage, or of `models`"
            add("P105", f"a model is asked for, and `${reference.name}` is {_what(target)}", hint)
        return
    if reference.wants == "evaluation":
        if not (isinstance(target, Node) and target.stage.kind == "evaluate"):
            add("P106", f"an evaluate stage is asked for, and `${reference.name}` is {_what(target)}")
        return
    if is_model or (isinstance(target, Node) and target.stage.kind not in MAKE_ROWS):
        add("P106", f"rows are asked for, and `${reference.name}` is {_what(target)}", _MAKE)
    elif isinstance(target, Sliced) and node.stage.kind == "train":
        hint = f"put a prepare stage between: {{id: rows, kind: prepare, rows: ${reference.name}}}"
        add("P124", f"`${reference.name}` is a slice, and a train stage reads whole datasets", hint)
    elif isinstance(target, Node):
        _check_split(reference, target, add)


def _check_replaced(findings: Findings, node: Node) -> None:
    """Names that stand for nothing are found also in what the stage replaces in its recipe."""
    if node.recipe is None:
        return
    original = node.recipe.original
    used = {(reference.path, reference.text) for reference, _ in node.references}
    for one in references(original.tree):
        if (one.path, one.text) in used or (one.name and findings.graph.target(one.name, node) is not None):
            continue
        hint = _hint_for_unknown(findings, node, one.name) if one.name else None
        message = f"nothing is called `{one.text}` here; the stage replaces it, and it stands for nothing anyway"
        findings.add("P101", one.path, message, hint=hint, document=original)


def _check_dollars(findings: Findings, node: Node) -> None:
    """Names of the pipeline without their `$`, which would be taken for those of the Hub."""
    document = node.document if node.recipe is None else node.recipe.document
    tree = {key: value for key, value in node.tree.items() if key not in {"stages", "recipe", "overrides"}}
    known = findings.graph.names_for(node)
    named = bare_names(tree, node.path) if node.recipe is None else bare_names(document.tree, ())
    for one in named:
        target = findings.graph.target(one.name, node) if one.name in known else None
        if one.wants == "evaluation" or (target is not None and _is(target, one.wants)):
            message = f"{shown(one.text)} is no `$name`: it would be taken for a name of the Hub"
            if one.wants == "evaluation":
                message = f"{shown(one.text)} is no `$name`, and an evaluate stage is asked for"
            meant = target is not None
            hint = f"write ${one.text}" + (
                f"; or ./{one.text} for a folder of that name" if one.wants != "evaluation" else ""
            )
            fix = replace_value(document, one.path, f"${one.text}") if meant else None
            findings.add("P128", one.path, message, hint=hint, document=document, fix=fix)


def _is(target: Target, wants: str) -> bool:
    """Whether a name stands for what a place asks for."""
    is_model = isinstance(target, Named | Carried) or (isinstance(target, Node) and target.stage.kind == "train")
    return is_model if wants == "model" else isinstance(target, Sliced) or _makes_rows(target)


def _makes_rows(target: Target) -> bool:
    return isinstance(target, Node) and target.stage.kind in MAKE_ROWS


def _check_split(reference: Reference, target: Node, add: Add) -> None:
    splits = splits_of(target.stage)
    if reference.split is not None and reference.split not in splits:
        add("P125", f"`{target.id}` makes no split `{reference.split}`", f"it makes {', '.join(splits)}")


def _check_after(findings: Findings, node: Node, path: Path, name: str, in_cycle: bool) -> None:
    known = {one.id: one for one in findings.graph.nodes if one.loop in {None, node.loop} and one is not node}
    if name not in known:
        findings.add("P101", path, f"there is no stage `{name}` to wait for", hint=_did_you_mean(name, known))
    elif not _comes_before(findings, known[name], node) and not in_cycle:
        hint = "stages stand in the order in which they can run; move it up"
        findings.add("P104", path, f"`{name}` comes only later", hint=hint)


def _comes_before(findings: Findings, target: Node, node: Node) -> bool:
    nodes = findings.graph.nodes
    return nodes.index(target) < nodes.index(node)


def _hint_for_unknown(findings: Findings, node: Node, name: str) -> str:
    for other in findings.graph.nodes:
        if other.id == name and other.loop is not None:
            return f"it is a stage of the loop {other.loop.id}: outside there is only what the loop carries"
        if isinstance(other.stage, LoopStage) and name in {*other.stage.carry, *other.stage.slices}:
            where = "after" if name in other.stage.carry else "in"
            return f"the loop {other.id} gives it, to stages {where} the loop"
    known = findings.graph.names_for(node)
    if not known:
        return "no stage comes before this one, and there are no `models`"
    return _did_you_mean(name, known) or f"there are {', '.join(f'${one}' for one in known)}"


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    names = list(known)
    close = nearest(name, names)
    if close:
        return f"did you mean {close}?"
    return f"there are {', '.join(names)}" if names else "there is none before it"


def _what(target: Target) -> str:
    if isinstance(target, Named):
        return "a model"
    if isinstance(target, Carried):
        return f"the model that the loop {target.loop.id} carries"
    if isinstance(target, Sliced):
        return f"a slice of rows of the loop {target.loop.id}"
    if target.stage.kind == "train":
        return "the model of a train stage"
    return f"a stage of kind {target.stage.kind}"


def _cycles(findings: Findings) -> Iterator[tuple[Node, ...]]:
    """The cycles of stages that wait for one another, each reported once and given."""
    graph = findings.graph
    waits = {node: [one for one in graph.sources(node) if one is not node.loop] for node in graph.nodes}
    done: set[Node] = set()
    for start in graph.nodes:
        trail: list[Node] = []

        def visit(node: Node, trail: list[Node] = trail) -> tuple[Node, ...] | None:
            if node in trail:
                return tuple(trail[trail.index(node) :])
            if node in done:
                return None
            trail.append(node)
            for source in waits[node]:
                if (found := visit(source, trail)) is not None:
                    return found
            trail.pop()
            done.add(node)
            return None

        cycle = visit(start)
        if cycle is not None:
            done.update(cycle)
            names = " -> ".join([*(node.id for node in cycle), cycle[0].id])
            message = f"{names}: each waits for the next, so none can begin"
            if len(cycle) == 1:
                message = f"{cycle[0].id} waits for itself"
            findings.add("P103", (*cycle[0].path, "id"), message, hint="one of them must read from another stage")
            yield cycle
