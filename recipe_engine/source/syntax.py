"""What a YAML parser complains of, in the words of somebody who wrote the recipe.

libyaml and PyYAML's own parser say the same things in slightly different words; both are understood here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import yaml

from recipe_engine.diagnostics import Diagnostic, Edit, Fix, Related
from recipe_engine.source.repairs import line_before, missing_space, quote_rest, stripped, syntax_finding, unusual_space
from recipe_engine.source.text import Text, shown

_KEY = re.compile(r"[ \t]*(?:- +)*[^\s#'\"\[{][^:]*:[ \t]+")
_DEFAULT_INDENT = 2
_MOST_EDITS = 100


def syntax_error(error: Exception, text: Text) -> Diagnostic:
    """Return the finding for what a YAML parser raised while it read ``text``."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        # PyYAML's own parser alone ends here, on an escape beyond the last Unicode character.
        return Diagnostic("S110", "error", f"this is not YAML: {error}", text.span(0, 0))
    problem, context = error.problem or "", error.context or ""
    at = min(error.problem_mark.index, len(text.text))
    start = at if error.context_mark is None else min(error.context_mark.index, at)
    for needles, explain in _EXPLANATIONS:
        if any(needle in problem or needle in context for needle in needles):
            finding = explain(text, start, at)
            if finding is not None:
                return finding
    return syntax_finding(text, at, f"this is not YAML: {problem} {context}".rstrip(), None)


def _tab(text: Text, start: int, at: int) -> Diagnostic | None:
    if text.text[at : at + 1] != "\t":
        return None
    width = min((len(m[1]) for m in re.finditer(r"^( +)\S", text.text, re.MULTILINE)), default=_DEFAULT_INDENT)
    # Neighbouring lines were typed with the same key, so one fix mends them together.
    edits: list[Edit] = []
    start, end = text.line_at(at)
    while len(edits) < _MOST_EDITS:
        line = text.text[start:end]
        indent = line[: len(line) - len(line.lstrip(" \t-"))]
        if line.strip() and "\t" not in indent:
            break
        dash = indent.find("-") if "-" in indent else len(indent)
        for column in [column for column, char in enumerate(indent) if char == "\t"][:_MOST_EDITS]:
            tab = text.span(start + column, start + column + 1)
            edits.append(Edit(tab, " " * (1 if column > dash else width)))
        if end >= len(text.text):
            break
        start, end = text.line_at(end + 1)
    place = text.span(at, at + 1)
    if not edits:
        # Only PyYAML's own parser minds: for YAML, a tab is a space here.
        fix = Fix("write a space", (Edit(place, " "),))
        return Diagnostic("S111", "error", "a tab stands where a space belongs", place, "write a space", fix)
    fix = Fix(f"replace each tab by {width} spaces", tuple(edits))
    return Diagnostic("S111", "error", "a tab is used as indentation", place, "indent with spaces", fix)


def _reserved(text: Text, start: int, at: int) -> Diagnostic | None:
    char = text.text[at : at + 1]
    return syntax_finding(
        text, at, f"a value cannot start with {shown(char)}", "put it in quotes", quote_rest(text, at)
    )


def _escape(text: Text, start: int, at: int) -> Diagnostic | None:
    slash = text.text.rfind("\\", 0, at + 1)
    place = text.span(slash, min(slash + 2, len(text.text)))
    message = f"{shown(text.text[slash : slash + 2])} is no escape that YAML has"
    hint = "write two backslashes, or use single quotes, in which a backslash is only a backslash"
    if text.text[slash + 1 : slash + 2] in ("x", "u", "U"):
        message = f"the escape {shown(text.text[slash : slash + 2])} does not name a character here"
        hint += "; a character is \\x, \\u or \\U and then 2, 4 or 8 hexadecimal digits"
        return Diagnostic("S110", "error", message, place, hint)
    fix = Fix("double the backslash", (Edit(text.span(slash, slash), "\\"),))
    return Diagnostic("S110", "error", message, place, hint, fix)


def _tag(text: Text, start: int, at: int) -> Diagnostic | None:
    word = re.compile(r"\S*").match(text.text, start)
    end = word.end() if word else start
    hint = "remove it; if the text is meant to start with !, put it in quotes"
    message = f"the tag {shown(text.text[start:end])} is not allowed"
    return Diagnostic("S116", "error", message, text.span(start, end), hint)


def _indicator(text: Text, start: int, at: int) -> Diagnostic | None:
    char = text.text[start : start + 1]
    meaning = "alias" if char == "*" else "anchor"
    message = f"a value that starts with {shown(char)} is read as an {meaning}"
    return syntax_finding(text, start, message, "put it in quotes", quote_rest(text, start))


def _second_colon(text: Text, start: int, at: int) -> Diagnostic | None:
    line_start, _ = text.line_at(at)
    key = _KEY.match(text.text, line_start, at)
    if key is not None:
        value = quote_rest(text, key.end())
        hint = "put the value in quotes, or start a new line for a new key"
        return syntax_finding(text, at, "this value holds a colon and a space, as if it were a key", hint, value)
    if at - line_start > 1024:
        return syntax_finding(text, line_start, "a key on one line cannot be longer than 1024 characters", None)
    before = line_before(text, line_start)
    if before is None:
        hint = "write a key before it, or put the text in quotes"
        return syntax_finding(text, at, "there is no key before this colon", hint)
    spaced = unusual_space(text, *before) or missing_space(text, before[0])
    name_start, _ = stripped(text, line_start, at)
    return spaced or _indented_below_a_value(text, name_start, before)


def _indented_below_a_value(text: Text, at: int, before: tuple[int, int]) -> Diagnostic:
    hint = "indent it like the keys around it; if it belongs under the line above, that line must end in `:`"
    above = Related(text.span(*stripped(text, *before)), "the value above")
    finding = syntax_finding(text, at, "this key is indented as if it were inside the value above", hint)
    return replace(finding, related=(above,))


def _sequence(text: Text, start: int, at: int) -> Diagnostic | None:
    hint = "start the list on the next line, or write it as [a, b]; if this is text, put it in quotes"
    return syntax_finding(text, at, "a list item cannot start here", hint)


def _no_colon(text: Text, start: int, at: int) -> Diagnostic | None:
    line = text.line_at(start)
    spaced = unusual_space(text, *line) or missing_space(text, line[0])
    if spaced is not None:
        return spaced
    begin, end = stripped(text, start, line[1])
    hint = "a key needs a colon and a space after it; text over several lines needs quotes or `|`"
    return Diagnostic("S110", "error", f"{shown(text.text[begin:end])} has no value", text.span(begin, end), hint)


def _open_quote(text: Text, start: int, at: int) -> Diagnostic | None:
    char = text.text[start : start + 1]
    hint = f"close it with another {shown(char)}"
    if char == "'":
        hint += "; an apostrophe inside single quotes is written twice"
    return syntax_finding(text, start, f"the quote {shown(char)} opened here is never closed", hint)


def _open_bracket(text: Text, start: int, at: int) -> Diagnostic | None:
    char = text.text[start : start + 1]
    closing = {"[": "]", "{": "}"}.get(char, "]")
    other_line = text.line_at(start) != text.line_at(at)
    if at >= len(text.text.rstrip()) or (other_line and text.text[at] in ":-"):
        return syntax_finding(
            text, start, f"the bracket {shown(char)} opened here is never closed", f"close it with {shown(closing)}"
        )
    hint = "text that holds a bracket, a comma or a quote must be in quotes as a whole"
    return syntax_finding(text, at, f"a comma or the closing {shown(closing)} is missing before this", hint)


def _no_key(text: Text, start: int, at: int) -> Diagnostic | None:
    line_start, line_end = text.line_at(at)
    spaced = unusual_space(text, line_start, line_end)
    if spaced is not None:
        return spaced
    before = text.text[line_start:at]
    char = text.text[at : at + 1]
    if not before.strip():
        if char == "-":
            return syntax_finding(
                text, at, "a list item stands among the keys of a mapping", "indent it under its own key"
            )
        above = line_before(text, line_start)
        if above is not None and stripped(text, *above)[0] - above[0] < at - line_start:
            return _indented_below_a_value(text, at, above)
        hint = "give it exactly the indentation of the keys that it belongs with"
        return syntax_finding(text, at, "the indentation of this line fits no line above", hint)
    if char and char in "]}":
        return syntax_finding(text, at, f"this {shown(char)} closes nothing", "remove it, or put the value in quotes")
    message = "there is more text after the end of the value"
    hint = "put the value in quotes as a whole; a quote inside single quotes is written twice"
    return syntax_finding(text, at, message, hint)


def _no_dash(text: Text, start: int, at: int) -> Diagnostic | None:
    hint = "start a list item with `- `, and write the keys of an item two columns right of its dash"
    return syntax_finding(text, at, "this line stands among list items but does not start with `- `", hint)


def _no_content(text: Text, start: int, at: int) -> Diagnostic | None:
    if not text.text[at:].strip():
        # Only inside brackets does a value have to follow.
        opened = max(text.text.rfind("["), text.text.rfind("{"))
        return _open_bracket(text, max(opened, 0), at)
    char = text.text[at]
    hint = "write a value, or put the text in quotes"
    return syntax_finding(text, at, f"a value is missing before this {shown(char)}", hint)


def _block_header(text: Text, start: int, at: int) -> Diagnostic | None:
    char = text.text[start : start + 1]
    hint = f"start the text on the next line, indented; if the value itself starts with {shown(char)}, put it in quotes"
    return syntax_finding(text, at, f"nothing but a comment may follow {shown(char)} on its line", hint)


def _colon_in_brackets(text: Text, start: int, at: int) -> Diagnostic | None:
    hint = "write a space after it, or put the text in quotes"
    return syntax_finding(text, at, "inside brackets, this colon can be read as part of the text or as its end", hint)


def _directive(text: Text, start: int, at: int) -> Diagnostic | None:
    hint = "remove it; text that starts with % must be in quotes"
    return syntax_finding(text, start, "a line that starts with `%` is read as a directive", hint)


def _document(text: Text, start: int, at: int) -> Diagnostic | None:
    return syntax_finding(text, at, "there is more text after the end", "remove it, or put it in quotes")


_EXPLANATIONS: tuple[tuple[tuple[str, ...], Callable[[Text, int, int], Diagnostic | None]], ...] = (
    (("tab character", "cannot start any token"), _tab),
    (("cannot start any token",), _reserved),
    (("a directive",), _directive),
    ((" tag",), _tag),
    (("escape", "hexdecimal"), _escape),
    (("an alias", "an anchor"), _indicator),
    (("unexpected ':'",), _colon_in_brackets),
    (("mapping values are not allowed",), _second_colon),
    (("sequence entries are not allowed",), _sequence),
    (("could not find expected ':'",), _no_colon),
    (("a quoted scalar", "-quoted scalar"), _open_quote),
    (("a block scalar",), _block_header),
    (("expected ',' or",), _open_bracket),
    (("expected the node content", "expected node content"), _no_content),
    (("a block mapping",), _no_key),
    (("a block collection",), _no_dash),
    (("<document start>",), _document),
)
