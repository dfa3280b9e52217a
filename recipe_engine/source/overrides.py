r"""``a.b[0].c=value`` from the command line, laid over a recipe.

- The path is keys joined by dots; a list index is ``[0]`` or ``.0``. What is missing on the way is created: a list
  where an index comes next, else a mapping. An index equal to the list's length appends.
- ``[sample]`` is the item of a list whose ``id``, or where it has none its ``name``, is that text. It has to be there.
- The first ``=`` ends the path; blanks around it and at both ends are ignored.
- A value that starts with ``[``, ``{``, ``"`` or ``'`` is YAML in flow style. Any other value is one plain scalar,
  taken whole: ``1e-5`` is a float and nothing is null, but ``: ``, `` #``, ``*``, ``&`` and ``!`` mean nothing
  special, so that ``C:\models``, ``s3://bucket/key`` and ``Question: {question}`` are the text that they look like.
- A value replaces what was there; mappings do not merge. Of two overrides of one key the later wins.
- ``--a.b=value`` is refused: options belong to the command, and no key of a recipe starts with a dash.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import NamedTuple

from recipe_engine.diagnostics import Diagnostic, Related, Span
from recipe_engine.diagnostics.spelling import nearest
from recipe_engine.source import refused
from recipe_engine.source.document import COMMAND_LINE, Mark
from recipe_engine.source.node import MAX_DEPTH, MAX_NODES, Node
from recipe_engine.source.parse import parse
from recipe_engine.source.scalars import plain_node
from recipe_engine.source.text import Text, check_characters, shown

_STEP = re.compile(r"\.?(?P<name>[^\s.\[\]\"']+)|\[(?P<item>[^\s\[\]\"'-][^\s\[\]\"']*)\]")
_INDEX = re.compile(r"[0-9]{1,9}")
_BLANKS = " \t\r\n"
_EXAMPLE = "write it as training.learning_rate=1e-5 or data.datasets[0].name=my/data"


class _Step(NamedTuple):
    name: str
    bracketed: bool
    span: Span

    @property
    def number(self) -> int | None:
        return int(self.name) if _INDEX.fullmatch(self.name) else None


class Override(NamedTuple):
    """One assignment: where to, and what."""

    steps: tuple[_Step, ...]
    value: Node


def command_line_text(overrides: tuple[str, ...]) -> str:
    """Return the overrides as a text of one line each, every character in its own column."""
    return "\n".join("".join(char if char.isprintable() else "\ufffd" for char in override) for override in overrides)


def parse_override(override: str, line: int) -> tuple[Override | None, list[Diagnostic]]:
    """Read the override that is line ``line`` of the command line's text."""
    text = Text(COMMAND_LINE, override, line, breaks=False)
    findings = check_characters(text)
    if any(finding.severity == "error" for finding in findings):
        return None, _without_fixes(findings)
    steps, wrong_path = _path(text)
    if wrong_path is not None:
        return None, [*findings, wrong_path]
    start = override.index("=") + 1
    value, wrong_value = _value(text, start)
    findings += wrong_value
    return (Override(steps, value) if value is not None else None), _without_fixes(findings)


def apply_override(root: Node, override: Override) -> tuple[Node, list[Diagnostic]]:
    """Return ``root`` with one value set; ``root`` itself where that is not possible."""
    value_span = override.value.mark.value
    trail: list[tuple[Node, str | int]] = []
    node: Node | None = root
    for step in override.steps:
        if node is None or node.content is None:
            content: dict[str, Node] | list[Node] = [] if step.bracketed or step.number is not None else {}
            node = Node(content, _mark(trail, override.steps, value_span))
        wrong = _misfit(node, step, trail)
        if wrong is not None:
            return root, [wrong]
        if isinstance(node.content, list):
            (index,) = _places(node.content, step)
            trail.append((node, index))
            node = node.content[index] if index < len(node.content) else None
        elif isinstance(node.content, dict):
            trail.append((node, step.name))
            node = node.content.get(step.name)
    result = Node(override.value.content, _mark(trail, override.steps, value_span), override.value.readable)
    for parent, key in reversed(trail):
        result = _with(parent, key, result)
    if result.depth > MAX_DEPTH:
        return root, [refused.too_deep(value_span)]
    if result.size > MAX_NODES:
        return root, [refused.too_many(value_span)]
    return result, []


def _path(text: Text) -> tuple[tuple[_Step, ...], Diagnostic | None]:
    override = text.text
    path, equals, _ = override.partition("=")
    end = len(path.rstrip(_BLANKS))
    start = min(len(path) - len(path.lstrip(_BLANKS)), end)
    if not equals:
        message = f"{shown(override.strip())} does not say what to set: there is no `=`"
        return (), _error("S140", message, text.span(start, end), _EXAMPLE)
    if start >= end:
        return (), _error("S140", "there is no key before the `=`", text.span(0, len(path) + 1), _EXAMPLE)
    if path[start] == "-":
        bare = path[start:end].lstrip("-")
        hint = f"write it without dashes: {shown(bare + '=...')}; options of the command come before the overrides"
        return (), _error("S140", f"{shown(path[start:end])} starts with a dash", text.span(start, end), hint)
    steps: list[_Step] = []
    at = start
    while at < end:
        match = _STEP.match(override, at, end)
        # A name follows a dot, except at the start; an item follows a name.
        if match is None or (match["name"] is not None and (override[at] == ".") != bool(steps)):
            break
        if match["item"] is not None and not steps:
            break
        group = "name" if match["name"] is not None else "item"
        steps.append(_Step(match[group], group == "item", text.span(*match.span(group))))
        at = match.end()
    if at < end:
        return (), _error("S140", f"{shown(path[start:end])} is not a path", text.span(at, end), _EXAMPLE)
    if steps[0].name == "extends":
        hint = "put it into the file, or set the single values here"
        return (), _error("S140", "`extends` cannot be set on the command line", steps[0].span, hint)
    if len(steps) > MAX_DEPTH:
        return (), refused.too_deep(steps[MAX_DEPTH].span)
    return tuple(steps), None


def _value(text: Text, start: int) -> tuple[Node | None, list[Diagnostic]]:
    rest = text.text[start:]
    value = rest.strip(_BLANKS)
    start += len(rest) - len(rest.lstrip(_BLANKS)) if value else 0
    span = text.span(start, start + len(value))
    if value[:1] not in ("[", "{", '"', "'"):
        findings: list[Diagnostic] = []
        return plain_node(value, Mark(span, None, "command line"), findings), findings
    parsed = parse(Text(COMMAND_LINE, value, text.line, start + 1, breaks=False), "command line")
    path = text.text.partition("=")[0].strip(_BLANKS)
    example = f"""'{path}="..."'"""
    hint = (
        f"a value that starts with {shown(value[0])} is read as YAML; "
        f"text that starts so needs quotes inside the shell's own, such as {shown(example)}"
    )
    findings = [replace(finding, hint=hint) if finding.code == "S110" else finding for finding in parsed.findings]
    if parsed.root is not None and not parsed.flow:
        return None, [*findings, _error("S110", "there is more text after the end of the value", span, hint)]
    return parsed.root, findings


def _misfit(node: Node, step: _Step, trail: list[tuple[Node, str | int]]) -> Diagnostic | None:
    """Return the finding where ``step`` cannot be taken from ``node``."""
    where = shown(_spelled([key for _, key in trail])) if trail else "the recipe"
    here = (Related(node.mark.value, f"{where} is here"),) if node.mark.origin != "command line" else ()
    if isinstance(node.content, dict):
        if not step.bracketed:
            return None
        hint = f"write its key after a dot; it has {_listed(list(node.content))}"
        message = f"{where} is a mapping, which has no item [{step.name}]"
        return Diagnostic("S142", "error", message, step.span, hint, None, here)
    if isinstance(node.content, list):
        if step.number is None and step.bracketed:
            return _wrong_id(node.content, step, trail, here)
        count = len(node.content)
        if step.number is None:
            path = _spelled([key for _, key in trail])
            item = f"{path}[{step.name}]" if _places(node.content, step) else f"{path}[0].{step.name}"
            hint = f"write an item in brackets: {shown(item)}"
            message = f"{where} is a list, which has no key {shown(step.name)}"
            return Diagnostic("S142", "error", message, step.span, hint, None, here)
        if step.number > count:
            hint = f"{count} appends an item" + (
                f", 0 to {count - 1} replace one" if count > 1 else ", 0 replaces the one" if count else ""
            )
            message = f"{where} has {count} item{'s' * (count != 1)}, so {step.name} is out of range"
            return Diagnostic("S141", "error", message, step.span, hint, None, here)
        return None
    message = f"{where} is a single value, which has no {'item' if step.bracketed else 'key'} {shown(step.name)}"
    hint = "set the value as a whole, or correct the path"
    return Diagnostic("S142", "error", message, step.span, hint, None, here)


def _places(items: list[Node], step: _Step) -> list[int]:
    """The indices of the items that ``step`` names."""
    if step.number is not None:
        return [step.number]
    return [index for index, item in enumerate(items) if _id_of(item) == step.name]


def _id_of(item: Node) -> str | None:
    """The text by which an item of a list is known."""
    if not isinstance(item.content, dict):
        return None
    known = item.content.get("id") or item.content.get("name")
    return None if known is None or isinstance(known.content, dict | list) else str(known.content)


def _wrong_id(
    items: list[Node], step: _Step, trail: list[tuple[Node, str | int]], here: tuple[Related, ...]
) -> Diagnostic | None:
    """Return the finding where not exactly one item is known by the text in brackets."""
    places = _places(items, step)
    if len(places) == 1:
        return None
    where = _spelled([key for _, key in trail])
    if places:
        message = f"{shown(where)} has {len(places)} items called {shown(step.name)}"
        hint = f"write an index: {' or '.join(f'[{index}]' for index in places[:6])}"
        return Diagnostic("S141", "error", message, step.span, hint, None, here)
    known = list(dict.fromkeys(one for item in items if (one := _id_of(item)) is not None))
    inside = _holder_of(items, trail[-1][1], step.name)
    close = nearest(step.name, known)
    if inside is not None:
        hint = f"it is in another: {shown(f'{where}[{inside}].{trail[-1][1]}[{step.name}]')}"
    elif close is not None:
        hint = f"did you mean {shown(f'{where}[{close}]')}?"
    else:
        hint = f"there are {_listed(known)}" if known else "no item of it has an id or a name; write an index: [0]"
    return Diagnostic("S141", "error", f"{shown(where)} has no item {shown(step.name)}", step.span, hint, None, here)


def _holder_of(items: list[Node], key: str | int, name: str) -> str | None:
    """The id of an item that has a list under the same key with an item called so: a loop among stages."""
    for item in items:
        inner = item.content.get(key) if isinstance(item.content, dict) and isinstance(key, str) else None
        if inner is not None and isinstance(inner.content, list) and name in map(_id_of, inner.content):
            return _id_of(item)
    return None


def _mark(trail: list[tuple[Node, str | int]], steps: tuple[_Step, ...], value: Span) -> Mark:
    """Return the mark of what the last step taken leads to."""
    in_mapping = bool(trail) and isinstance(trail[-1][1], str)
    return Mark(value, steps[len(trail) - 1].span if in_mapping else None, "command line")


def _with(parent: Node, key: str | int, child: Node) -> Node:
    if isinstance(parent.content, list) and isinstance(key, int):
        return Node([*parent.content[:key], child, *parent.content[key + 1 :]], parent.mark)
    if isinstance(parent.content, dict) and isinstance(key, str):
        return Node({**parent.content, key: child}, parent.mark)
    return parent


def _spelled(path: list[str | int]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _listed(keys: list[str]) -> str:
    return ", ".join(shown(key, 30) for key in keys[:6]) + (", ..." if len(keys) > 6 else "") if keys else "none yet"


def _without_fixes(findings: list[Diagnostic]) -> list[Diagnostic]:
    # Nobody can edit a command line that has been run.
    return [replace(finding, fix=None) for finding in findings]


def _error(code: str, message: str, span: Span, hint: str) -> Diagnostic:
    return Diagnostic(code, "error", message, span, hint)
