"""Write recipe_engine/schemas/recipe.schema.json: what a recipe may hold, for editors and other validators.

It is draft-07, which is what the YAML language server reads. Run it after changing a block, an algorithm's settings,
the TRL catalogue or the table of renames:

    python scripts/generate_recipe_schema.py          # write
    python scripts/generate_recipe_schema.py --check  # fail if the file differs from the code

Whatever `recipe lint` accepts is valid under it. It cannot say all that lint does: nothing about two blocks at once.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import BaseModel

from recipe_engine.algorithms import NAMES, algorithm
from recipe_engine.lint.dialects import verl_groups
from recipe_engine.lint.dialects.spelling import EACH, Rename
from recipe_engine.lint.renames import REMOVED, RENAMES
from recipe_engine.lint.training import ENGINE_ARGUMENTS, GROUP_SETTINGS, owners_of
from recipe_engine.recipe.rewards import REWARDS
from recipe_engine.recipe.root import BLOCKS, REQUIRED_BLOCKS
from recipe_engine.recipe.training import TrainingBlock
from recipe_engine.schemas import trl_arguments
from recipe_engine.source.extends import MAX_CHAIN

FILE = Path(__file__).resolve().parents[1] / "recipe_engine" / "schemas" / "recipe.schema.json"

Schema: TypeAlias = dict[str, Any]

EXTENDS: Schema = {
    "description": "Another recipe, or several, laid under this one: mappings merge, everything else is replaced. "
    "Paths count from this file's folder.",
    "anyOf": [
        {"$ref": "#/definitions/parents"},
        {
            "type": "object",
            "properties": {
                "from": {"$ref": "#/definitions/parents"},
                "merge_datasets_by_name": {
                    "type": "boolean",
                    "description": "Merge the entries of data.datasets and data.eval_datasets that have one name.",
                    "default": False,
                },
            },
            "required": ["from"],
            "additionalProperties": False,
        },
    ],
}
PARENTS: Schema = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1, "maxItems": MAX_CHAIN},
    ]
}


def recipe_schema() -> Schema:
    """The schema of a whole recipe."""
    definitions: dict[str, Schema] = {"parents": PARENTS, **_arguments()}
    blocks = {name: _block(model, definitions) for name, model in BLOCKS.items() if name != "training"}
    for name, block in blocks.items():
        block["properties"] |= _renamed((name,), {target: other["properties"] for target, other in blocks.items()})
    entry = definitions["DatasetEntry"]
    entry["properties"] |= _renamed(("data", "datasets", EACH), {"data": entry["properties"]})
    trainings = {name: _training(name, blocks) for name in NAMES}
    any_training = _any_of_them(list(trainings.values()))
    definitions |= {name: block for name, block in blocks.items() if name in REQUIRED_BLOCKS}
    definitions |= {f"training_{name}": training for name, training in trainings.items()}
    definitions |= {"training_any": any_training}
    definitions["training_shared"] = _shared([*trainings.values(), any_training])
    definitions |= {f"reward_{name}": _block(model, definitions) for name, model in REWARDS.items()}
    for model_name in REQUIRED_BLOCKS[:2]:
        definitions[model_name].pop("required")
    optional = {
        name: {"description": block["description"], "anyOf": [block, {"type": "null"}]}
        for name, block in blocks.items()
        if name not in REQUIRED_BLOCKS
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "recipe-engine recipe",
        "description": "What to train: the model, the data, the algorithm with its settings, the rewards, and where to "
        "report.",
        "type": "object",
        "properties": {
            "extends": EXTENDS,
            "model": {"$ref": "#/definitions/model"},
            "data": {"$ref": "#/definitions/data"},
            "training": _choice(
                "algorithm", "training", NAMES, _clean(TrainingBlock.__doc__), otherwise="training_any"
            ),
            "rewards": {
                "description": "What scores a completion in reinforcement learning: weighted and added up.",
                "type": ["array", "null"],
                "items": _choice("type", "reward", REWARDS, "One reward.") | {"required": ["type"]},
            },
            **optional,
        },
        "additionalProperties": False,
        # A recipe that extends another need not be complete by itself.
        "if": {"required": ["extends"]},
        "else": {
            "required": list(REQUIRED_BLOCKS),
            "properties": {
                "model": {"anyOf": [{"required": [key]} for key in _names_of("model", "base_model_name")]},
                "data": {"required": ["datasets"]},
                "training": {"required": ["algorithm"]},
            },
        },
        "definitions": definitions,
    }


def field_docs(model: type[BaseModel]) -> dict[str, str]:
    """The documentation of each field: the string under it, in the class or in the one that it is inherited from."""
    docs: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if base in (object, BaseModel):
            continue
        (definition,) = ast.parse(inspect.getsource(base)).body
        assert isinstance(definition, ast.ClassDef)
        for statement, below in pairwise(definition.body):
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                docs.pop(statement.target.id, None)
                if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                    docs[statement.target.id] = _clean(str(below.value.value))
    return docs


def _clean(text: str | None) -> str:
    return " ".join((text or "").replace("``", "`").split())


def _block(model: type[BaseModel], definitions: dict[str, Schema]) -> Schema:
    """The schema of one block; the models inside it go to ``definitions``."""
    schema = model.model_json_schema(ref_template="#/definitions/{model}")
    for name in schema.pop("$defs", {}):
        inner = next(other for other in _inner_models(model) if other.__name__ == name)
        definitions[name] = _block(inner, definitions)
    docs = field_docs(model)
    properties = {name: _described(value, docs[name]) for name, value in schema["properties"].items()}
    return {**_untitled(schema), "description": _clean(model.__doc__), "properties": properties}


def _inner_models(model: type[BaseModel]) -> list[type[BaseModel]]:
    annotations = [field.annotation for field in model.model_fields.values()]
    members = [member for one in annotations for member in (one, *getattr(one, "__args__", ()))]
    return [member for member in members if isinstance(member, type) and issubclass(member, BaseModel)]


def _described(schema: Schema, text: str) -> Schema:
    return {"description": text, **_untitled(schema)}


def _untitled(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key != "title"}


def _arguments() -> dict[str, Schema]:
    """The TRL catalogue: one definition a config, which the algorithms refer to."""
    configs = {"TrainingArguments": trl_arguments("TrainingArguments")}
    for config in dict.fromkeys(algorithm(name).config for name in NAMES):
        shared = configs["TrainingArguments"]
        configs[config] = {key: value for key, value in trl_arguments(config).items() if shared.get(key) != value}
    return {
        config: {
            "properties": {
                name: {"description": _clean(one["description"]), **one["schema"], "default": one["default"]}
                for name, one in arguments.items()
                if _is_open(name)
            }
        }
        for config, arguments in configs.items()
    }


def _is_open(argument: str) -> bool:
    """Whether a recipe may give this argument of TRL's by its name."""
    return (
        argument not in ENGINE_ARGUMENTS
        and ("training", argument) not in {one.key for one in REMOVED}
        and all(rename.old != ("training", argument) or rename.new == rename.old for rename in RENAMES)
    )


def _training(name: str, blocks: Mapping[str, Schema]) -> Schema:
    """The ``training`` block of one algorithm: what all share, its settings, then the arguments of its TRL config."""
    chosen = algorithm(name)
    shared = _block(TrainingBlock, {})["properties"]
    settings = _block(chosen.settings, {})["properties"]
    if name == "dpo":
        # lint takes 0 for "not given", with a warning
        settings["beta"]["minimum"] = settings["beta"].pop("exclusiveMinimum")
    foreign = {
        key: _deprecated({}, f"`{key}` is a setting of {owners_of(key)}: {name} does not use it")
        for key in GROUP_SETTINGS
        if key not in settings
    }
    arguments = {
        key: {"$ref": f"#/definitions/{config}/properties/{key}"}
        for key in trl_arguments(chosen.config)
        if _is_open(key) and chosen.takes(key)
        for config in [_owner(chosen.config, key)]
    }
    properties = {**shared, **arguments, **settings, **foreign}
    ordered = {key: properties[key] for key in dict.fromkeys([*shared, *settings, *arguments, *foreign])}
    targets = {**{block: schema["properties"] for block, schema in blocks.items()}, "training": ordered}
    return {
        "description": f"Settings of {name}: {chosen.summary}.",
        "properties": {**ordered, **_renamed(("training",), targets)},
        "additionalProperties": False,
    }


def _owner(config: str, argument: str) -> str:
    shared = trl_arguments("TrainingArguments")
    return "TrainingArguments" if trl_arguments(config)[argument] == shared.get(argument) else config


def _renamed(path: tuple[str, ...], targets: Mapping[str, Mapping[str, Schema]]) -> dict[str, Schema]:
    """The old keys of the mapping at ``path``, with the values that the new ones take; where nothing takes the new
    one, any value. ``targets`` has the keys of each block, or of this very mapping under the name of its first part."""
    return {
        rename.old[-1]: _deprecated(
            _with_old_values(rename, targets.get(rename.new[0], {}).get(rename.new[-1], {})),
            f"`{'.'.join(rename.old)}` is called `{'.'.join(rename.new)}` here",
        )
        for rename in RENAMES
        if rename.old[:-1] == path and rename.old != rename.new
    } | {
        place[-1]: _deprecated(schema, f"`{'.'.join(place)}` is verl's: lint says what it is called here")
        for place, schema in verl_groups.SCHEMAS.items()
        if place[:-1] == path
    }


def _with_old_values(rename: Rename, schema: Schema) -> Schema:
    return {"anyOf": [{"enum": list(rename.values)}, schema]} if rename.values and schema else schema


def _deprecated(schema: Schema, message: str) -> Schema:
    """Valid, but marked by editors and not proposed. Beside a $ref draft-07 reads nothing, hence allOf."""
    return {"description": message, "allOf": [schema], "deprecationMessage": message, "doNotSuggest": True}


def _any_of_them(trainings: list[Schema]) -> Schema:
    """What ``training`` may hold where the algorithm is not known: a parent may name it."""
    properties: dict[str, Schema] = {}
    for key in dict.fromkeys(key for training in trainings for key in training["properties"]):
        variants = [training["properties"][key] for training in trainings if key in training["properties"]]
        distinct = [one for index, one in enumerate(variants) if one not in variants[:index]]
        properties[key] = distinct[0] if len(distinct) == 1 else {"anyOf": distinct}
    return {"properties": properties, "additionalProperties": False}


def _shared(trainings: list[Schema]) -> Schema:
    """Take what several blocks say alike of a key out of them, and leave a reference: the file has one copy."""
    properties: dict[str, Schema] = {}
    for key in dict.fromkeys(key for training in trainings for key in training["properties"]):
        holders = [training["properties"] for training in trainings if key in training["properties"]]
        variants = [holder[key] for holder in holders if "$ref" not in holder[key]]
        repeated = [one for index, one in enumerate(variants) if one in variants[:index]]
        distinct = [one for index, one in enumerate(repeated) if one not in repeated[:index]]
        for number, variant in enumerate(distinct, start=1):
            name = key if number == 1 else f"{key}_{number}"
            properties[name] = variant
            for holder in holders:
                if holder[key] == variant:
                    holder[key] = {"$ref": f"#/definitions/training_shared/properties/{name}"}
    return {"properties": properties}


def _choice(key: str, prefix: str, names: Any, description: str, otherwise: str | None = None) -> Schema:
    """A mapping whose other keys hang on the value of one. With if and then, editors know which keys to propose."""
    conditions: list[Schema] = [
        {
            "if": {"properties": {key: {"const": name}}, "required": [key]},
            "then": {"$ref": f"#/definitions/{prefix}_{name}"},
        }
        for name in names
    ]
    if otherwise is not None:
        conditions.append({"if": {"required": [key]}, "else": {"$ref": f"#/definitions/{otherwise}"}})
    return {
        "description": description,
        "type": "object",
        "properties": {key: {"enum": list(names)}},
        "allOf": conditions,
    }


def _names_of(block: str, key: str) -> list[str]:
    """A key and its old names in the same block."""
    return [key, *(rename.old[-1] for rename in RENAMES if rename.new == (block, key) and rename.old[0] == block)]


def main() -> int:
    """Write the file, or compare it."""
    text = json.dumps(recipe_schema(), indent=1, ensure_ascii=False) + "\n"
    if "--check" in sys.argv[1:]:
        same = FILE.exists() and FILE.read_text(encoding="utf-8") == text
        print(f"{FILE.name}: {'up to date' if same else 'differs from the code: run this script'}")
        return 0 if same else 1
    FILE.write_text(text, encoding="utf-8")
    print(f"wrote {FILE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
