"""``recipe schema``: what a recipe or a pipeline may hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import typer

from recipe_engine.cli.output import write

_WORDS = {"string": "text", "array": "list", "object": "mapping"}
_LONGEST = 110
"""Characters of a description."""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(schema)


def schema(
    name: str | None = typer.Option(
        None, "--algorithm", metavar="NAME", help="List what `training` takes under this algorithm, for reading."
    ),
    pipeline: bool = typer.Option(
        False, "--pipeline", help="The schema of pipelines, which refers to that of recipes."
    ),
) -> None:
    """Print the JSON Schema of recipes or of pipelines, for editors; or the training keys of one algorithm.

    In an editor with the YAML language server, a file's first line names the schema:

        # yaml-language-server: $schema=PATH/recipe.schema.json
    """
    if pipeline:
        write(files("recipe_engine.schemas").joinpath("pipeline.schema.json").read_text(encoding="utf-8").rstrip("\n"))
        return
    text = files("recipe_engine.schemas").joinpath("recipe.schema.json").read_text(encoding="utf-8")
    if name is None:
        write(text.rstrip("\n"))
        return
    from recipe_engine.algorithms import NAMES

    if name not in NAMES:
        from recipe_engine.diagnostics.spelling import nearest

        guess = nearest(name, NAMES)
        advice = f"did you mean {guess}?" if guess else f"there are {', '.join(NAMES)}"
        raise typer.BadParameter(f"there is no algorithm of that name; {advice}", param_hint="--algorithm")
    write("\n".join(_listing(json.loads(text), name)))


def _listing(document: dict[str, Any], name: str) -> Iterator[str]:
    from recipe_engine.algorithms import algorithm
    from recipe_engine.recipe.training import TrainingBlock

    chosen = algorithm(name)
    properties = document["definitions"][f"training_{name}"]["properties"]
    own, shared = list(chosen.settings.model_fields), list(TrainingBlock.model_fields)
    keys = [key for key, value in properties.items() if "deprecationMessage" not in _resolved(document, value)]
    further = [key for key in keys if key not in own and key not in shared]
    inherited = [key for key in further if "TrainingArguments" in properties[key]["$ref"]]
    groups = {
        f"{name}: {chosen.summary}": own,
        "Every algorithm": shared,
        f"Arguments of TRL's {chosen.config}": [key for key in further if key not in inherited],
        "Arguments of transformers' TrainingArguments": inherited,
    }
    for index, (title, members) in enumerate(groups.items()):
        if index:
            yield ""
        yield f"# {title}"
        for key in members:
            described = _resolved(document, properties[key])
            default = f" = {json.dumps(described['default'], ensure_ascii=False)}" if "default" in described else ""
            yield f"{key}: {_type(described)}{default}"
            yield f"    {_short(described['description'])}"


def _resolved(document: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document if "$ref" in value else value
    for part in value.get("$ref", "#").split("/")[1:]:
        found = found[part]
    return found


def _type(value: dict[str, Any]) -> str:
    """The type of a value in words: ``integer``, ``text or null``, ``a | b``."""
    kinds = list(dict.fromkeys(_kinds(value)))
    return " or ".join([kind for kind in kinds if kind != "null"] + ["null"] * ("null" in kinds))


def _kinds(value: dict[str, Any]) -> Iterator[str]:
    if "const" in value or "enum" in value:
        choices = value.get("enum", [value.get("const")])
        yield " | ".join(choice if isinstance(choice, str) else json.dumps(choice) for choice in choices)
    elif "anyOf" in value:
        for member in value["anyOf"]:
            yield from _kinds(member)
    else:
        kinds = value["type"]
        for kind in [kinds] if isinstance(kinds, str) else kinds:
            items = f" of {_type(value['items'])}" if kind == "array" and "items" in value else ""
            yield _WORDS.get(kind, kind) + items


def _short(description: str) -> str:
    """The description, or its first sentence, or as many of its words as fit a line."""
    first = description if len(description) <= _LONGEST else f"{description.split('. ')[0].rstrip('.')}."
    return first if len(first) <= _LONGEST else f"{first[:_LONGEST].rpartition(' ')[0]} ..."
