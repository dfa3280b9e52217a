"""``recipe explain``: what a code means, why it matters, and what to write."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import typer

from recipe_engine.cli.output import write

if TYPE_CHECKING:
    from recipe_engine.lint.docs import Documentation

_GROUPS = {
    "S": "The file: text, YAML, extends, overrides",
    "R": "The shape of a recipe: keys, types, choices",
    "L": "Rules across the recipe",
    "P": "Pipelines",
    "D": "Data",
    "T": "This machine and this moment",
}


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(explain)


def explain(
    code: str | None = typer.Argument(None, metavar="[CODE]", help="A code such as R201, or its name; none lists all."),
) -> None:
    """Explain a finding: what it means, why it matters, and an example that fails and one that passes."""
    from recipe_engine.cli.codes import documentation

    codes = documentation()
    if code is None:
        write(_list(codes))
        return
    by_name = {doc.name: doc for doc in codes.values()}
    found = codes.get(code.upper()) or by_name.get(code.lower())
    if found is None:
        from recipe_engine.diagnostics.spelling import nearest
        from recipe_engine.diagnostics.visible import visible

        guess = nearest(code.upper(), codes) or nearest(code, by_name)
        advice = f"did you mean {guess}?" if guess else "`recipe explain` lists all codes"
        raise typer.BadParameter(f"there is no code {visible(code)}; {advice}", param_hint="CODE")
    write(_page(found))


def _list(codes: dict[str, Documentation]) -> str:
    lines: list[str] = []
    for letter, title in _GROUPS.items():
        lines += ["", title, ""]
        lines += [f"  {code}  {doc.severity:<7}  {doc.name}" for code, doc in codes.items() if code[0] == letter]
    return "\n".join(lines[1:])


def _page(doc: Documentation) -> str:
    parts = [f"{doc.code} {doc.name} ({doc.severity})", doc.prose]
    for example in doc.examples:
        parts.append("Passes:" if example.passes else "Fails:")
        parts.append(textwrap.indent(example.text.rstrip(), "    "))
    return "\n\n".join(parts)
