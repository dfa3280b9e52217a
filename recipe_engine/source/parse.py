"""YAML text to nodes, from the parser's events: without recursion, and with every finding rather than the first."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias, cast

import yaml

from recipe_engine.diagnostics import Diagnostic, Span
from recipe_engine.source import refused
from recipe_engine.source.document import Mark, Origin
from recipe_engine.source.node import MAX_DEPTH, MAX_NODES, Node
from recipe_engine.source.scalars import plain_node, resolve
from recipe_engine.source.syntax import syntax_error
from recipe_engine.source.text import Text

# PyYAML built without libyaml has no CParser; its own parser yields the same events, some thirty times slower.
PARSER = yaml.CBaseLoader if yaml.__with_libyaml__ else yaml.BaseLoader

_Start: TypeAlias = yaml.MappingStartEvent | yaml.SequenceStartEvent


class Parsed(NamedTuple):
    """``root`` is None where no tree could be built, or none that is worth a look.

    ``flow`` tells whether the root is a scalar or stands in brackets.
    """

    root: Node | None
    findings: list[Diagnostic]
    flow: bool


def parse(text: Text, origin: Origin) -> Parsed:
    """Build the tree of the one YAML document in ``text``, which must have passed ``check_characters``."""
    source, findings = refused.directives(text)
    builder = _Builder(text, origin, findings)
    try:
        for event in yaml.parse(source, Loader=PARSER):
            if not builder.take(event):
                break
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        findings.append(syntax_error(error, text))
        return Parsed(None, findings, builder.flow)
    return Parsed(builder.root, findings, builder.flow)


class _Open:
    """A mapping or list whose end has not been read yet."""

    __slots__ = (
        "content",
        "flow",
        "is_key",
        "key",
        "key_span",
        "merging",
        "own_key",
        "places",
        "start",
        "value_merging",
        "value_next",
        "value_wanted",
    )

    def __init__(
        self, start: int, is_mapping: bool, own_key: Span | None, flow: bool, is_key: bool, merging: bool
    ) -> None:
        self.start = start
        self.content: dict[str, Node] | list[Node] = {} if is_mapping else []
        self.own_key = own_key
        self.flow = flow
        self.is_key = is_key
        self.merging = merging  # it stands under a merge key, which is one finding for all that is below
        # The rest concerns mappings: where each key stands first, and the key whose value comes next.
        self.places: dict[str, Span] = {}
        self.key = ""
        self.key_span: Span | None = None
        self.value_next = False
        self.value_wanted = True  # False: the value is checked like any other, but left out of the tree
        self.value_merging = False

    @property
    def key_next(self) -> bool:
        return isinstance(self.content, dict) and not self.value_next

    def expect_value(self, key: str, span: Span | None) -> None:
        self.key, self.key_span = key, span
        self.value_next, self.value_wanted, self.value_merging = True, span is not None, self.merging


class _Builder:
    """Takes events one by one. ``root`` is set once the root's end has been read."""

    def __init__(self, text: Text, origin: Origin, findings: list[Diagnostic]) -> None:
        self.root: Node | None = None
        self.flow = True
        self._text = text
        self._origin = origin
        self._findings = findings
        self._stack: list[_Open] = []
        self._anchored: dict[str, str] = {}
        self._documents = 0
        self._nodes = 0
        self._end = 0

    def take(self, event: yaml.Event) -> bool:
        """Add one event to the tree. Return False to stop reading."""
        start, end = _offsets(event)
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event, start, end)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            if len(self._stack) == MAX_DEPTH:
                self._findings.append(refused.too_deep(self._text.span(start, end)))
                return False
            self._open(event, start, end)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self._close(end)
            return True
        elif isinstance(event, yaml.AliasEvent):
            self._alias(str(event.anchor), start, end)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self._findings.append(refused.second_document(self._text, start))
            return self._documents == 1
        else:
            return True
        self._nodes += 1
        if self._nodes <= MAX_NODES:
            return True
        self._findings.append(refused.too_many(self._text.span(start, end)))
        self.root = None
        return False

    def _scalar(self, event: yaml.ScalarEvent, start: int, end: int) -> None:
        if event.style in ("|", ">"):
            # The parser lets a block scalar end where the next token starts.
            end = start + len(self._text.text[start:end].rstrip(" \n"))
        self._end = end
        self._properties(event, start, end)
        parent = self._parent
        span = self._text.span(start, end)
        plain = not event.style and event.tag is None
        edge = refused.edge_space(self._text, event.value, start, end) if plain and event.value else None
        if edge is not None:
            self._findings.append(edge)
        half = refused.lone_surrogate(event.value, span) if event.style == '"' else None
        if half is not None:
            self._findings.append(half)
        if parent is not None and parent.key_next:
            self._key(parent, event.value, span, plain)
            # The key is not the one that was meant; with such an indentation, nor is its place in the tree.
            parent.value_wanted = parent.value_wanted and edge is None and half is None
        elif plain:
            self._place(plain_node(event.value, self._mark(span), self._findings))
        else:
            readable = event.tag is None and half is None
            self._place(Node(event.value if readable else None, self._mark(span), readable))

    def _key(self, parent: _Open, key: str, span: Span, plain: bool) -> None:
        if plain and key == "<<":
            self._findings.append(refused.merge_key(span))
            parent.expect_value(key, None)
            parent.value_merging = True
            return
        parent.expect_value(key, span)
        if plain and not isinstance(resolve(key), str):
            self._findings.append(refused.key_not_text(key, span))
        first = parent.places.setdefault(key, span)
        if first is not span:
            parent.value_wanted = False
            self._findings.append(refused.duplicate_key(key, span, first))

    def _open(self, event: _Start, start: int, end: int) -> None:
        self._properties(event, start, end)
        parent = self._parent
        is_key = parent is not None and parent.key_next
        if is_key:
            self._findings.append(refused.collection_as_key(self._text.span(start, end)))
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        own_key = parent.key_span if parent else None
        self._stack.append(_Open(start, is_mapping, own_key, bool(event.flow_style), is_key, self._merging))

    def _close(self, end: int) -> None:
        closed = self._stack.pop()
        # A block ends, for the parser, where the next token starts; for a reader, with its last value.
        self._end = end if closed.flow else max(self._end, closed.start)
        parent = self._parent
        if parent is None:
            self.flow = closed.flow
        if parent is not None and closed.is_key:
            parent.expect_value("", None)
        else:
            span = self._text.span(closed.start, self._end)
            self._place(Node(closed.content, Mark(span, closed.own_key, self._origin)))

    def _alias(self, name: str, start: int, end: int) -> None:
        self._end = end
        span = self._text.span(start, end)
        if not self._merging:
            self._findings.append(refused.alias(name, span, self._anchored.get(name, "")))
        parent = self._parent
        if parent is not None and parent.key_next:
            parent.expect_value("", None)
        else:
            self._place(Node(None, self._mark(span), readable=False))

    def _properties(self, event: yaml.ScalarEvent | _Start, start: int, end: int) -> None:
        if event.anchor is not None:
            finding, source = refused.anchor(self._text, event.anchor, start, end)
            self._anchored[event.anchor] = source if isinstance(event, yaml.ScalarEvent) else ""
            self._findings.append(finding)
        if event.tag is not None:
            self._findings.append(refused.tag(self._text, start, end))

    def _place(self, node: Node) -> None:
        parent = self._parent
        if parent is None:
            self.root = node
        elif isinstance(parent.content, list):
            parent.content.append(node)
        else:
            if parent.value_wanted:
                parent.content[parent.key] = node
            parent.value_next, parent.key_span = False, None

    def _mark(self, span: Span) -> Mark:
        return Mark(span, self._parent.key_span if self._parent else None, self._origin)

    @property
    def _parent(self) -> _Open | None:
        return self._stack[-1] if self._stack else None

    @property
    def _merging(self) -> bool:
        parent = self._parent
        return parent is not None and (parent.value_merging if isinstance(parent.content, dict) else parent.merging)


def _offsets(event: yaml.Event) -> tuple[int, int]:
    # Only events made by hand have no marks.
    return cast(yaml.Mark, event.start_mark).index, cast(yaml.Mark, event.end_mark).index
