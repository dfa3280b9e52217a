"""Write recipe_engine/schemas/recipe.schema.json and pipeline.schema.json: what they may hold, for editors and others.

They are draft-07, which is what the YAML language server reads. Run it after changing a block, an algorithm's settings,
a stage, the TRL catalogue or the table of renames:

    python scripts/generate_recipe_schema.py          # write
    python scripts/generate_recipe_schema.py --check  # fail if a file differs from the code

Whatever `recipe lint` accepts is valid under them. They cannot say all that it does: nothing about two blocks at once.
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
from recipe_engine.recipe.pipeline import Pipeline
from recipe_engine.recipe.rewards import REWARDS
from recipe_engine.recipe.root import BLOCKS, REQUIRED_BLOCKS
from recipe_engine.recipe.stages import STAGES
from recipe_engine.recipe.stages.generate import ENGINES
from recipe_engine.recipe.stages.steps import STEPS
from recipe_engine.recipe.thinking import ThinkingBlock
from recipe_engine.recipe.training import TrainingBlock
from recipe_engine.schemas import trl_arguments
from recipe_engine.source.extends import MAX_CHAIN

FOLDER = Path(__file__).resolve().parents[1] / "recipe_engine" / "schemas"
RECIPE, PIPELINE = "recipe.schema.json", "pipeline.schema.json"

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


def pipeline_schema() -> Schema:
    """The schema of a whole pipeline. What is a recipe's is referred to in the schema of recipes beside it."""
    definitions: dict[str, Schema] = {"parents": PARENTS}
    top = _block(Pipeline, definitions)
    thinking = _block(ThinkingBlock, definitions)
    for name, model in STAGES.items():
        definitions[f"stage_{name}"] = _stage(model, definitions)
    definitions |= {f"step_{name}": _block(model, definitions) for name, model in STEPS.items()}
    definitions |= {f"engine_{name}": _block(model, definitions) for name, model in ENGINES.items()}
    for unused in ("Stage", "Step", "Reward", "OnlyRows", "ThinkingBlock"):
        definitions.pop(unused, None)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "recipe-engine pipeline",
        "description": top["description"],
        "type": "object",
        "properties": {
            "extends": EXTENDS,
            **top["properties"],
            "thinking": {
                "description": top["properties"]["thinking"]["description"],
                "anyOf": [thinking, {"type": "null"}],
            },
            "stages": {"description": top["properties"]["stages"]["description"], **_stages()},
        },
        "additionalProperties": False,
        "if": {"required": ["extends"]},
        "else": {"required": ["stages"]},
        "definitions": definitions,
    }


def _stages() -> Schema:
    one = _choice("kind", "stage", STAGES, "One stage.") | {"required": ["id", "kind"]}
    return {"type": "array", "minItems": 1, "items": one}


def _stage(model: type[BaseModel], definitions: dict[str, Schema]) -> Schema:
    """The schema of one kind of stage, in which what is of several classes hangs on the key that says which."""
    schema = _block(model, definitions)
    properties = schema["properties"]
    parts: dict[str, Schema] = {
        "rewards": {"type": "array", "items": {"$ref": f"{RECIPE}#/properties/rewards/items"}},
        "steps": {"type": "array", "items": _choice("do", "step", STEPS, "One step.") | {"required": ["do"]}},
        "engine": _choice("type", "engine", ENGINES, "What generates."),
        "recipe": {"anyOf": [{"type": "string", "minLength": 1}, _recipe_of_a_stage()]},
        "stages": _stages(),
    }
    for key, part in parts.items():
        if key in properties:
            properties[key] = {"description": properties[key]["description"], **part}
    return schema


def _recipe_of_a_stage() -> Schema:
    """A recipe without what the stage gives: nothing in it is required."""
    blocks = [*BLOCKS, "rewards"]
    return {
        "type": "object",
        "properties": {name: {"$ref": f"{RECIPE}#/properties/{name}"} for name in blocks},
        "additionalProperties": False,
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
            if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
                continue
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
    """The models that stand in the fields of a model, and in theirs."""
    found: list[type[BaseModel]] = []
    open_ones: list[Any] = [field.annotation for field in model.model_fields.values()]
    while open_ones:
        one = open_ones.pop()
        open_ones += getattr(one, "__args__", ())
        if isinstance(one, type) and issubclass(one, BaseModel) and one not in found:
            found.append(one)
            open_ones += [field.annotation for field in one.model_fields.values()]
    return found


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
    """Write the files, or compare them."""
    same = True
    for name, schema in ((RECIPE, recipe_schema()), (PIPELINE, pipeline_schema())):
        text = json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
        file = FOLDER / name
        if "--check" in sys.argv[1:]:
            unchanged = file.exists() and file.read_text(encoding="utf-8") == text
            print(f"{name}: {'up to date' if unchanged else 'differs from the code: run this script'}")
            same = same and unchanged
        else:
            file.write_text(text, encoding="utf-8")
            print(f"wrote {file}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
