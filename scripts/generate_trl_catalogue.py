"""Write recipe_engine/schemas/trl/<version>.json: every argument of every TRL config that an algorithm compiles to.

Run it in an environment with the ``train`` extra after changing the pinned TRL:

    python scripts/generate_trl_catalogue.py          # write
    python scripts/generate_trl_catalogue.py --check  # fail if the file differs from the installed TRL
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import json
import re
import sys
import types
import typing
from pathlib import Path
from typing import Any

import transformers
import trl
from transformers import TrainingArguments

FOLDER = Path(__file__).resolve().parents[1] / "recipe_engine" / "schemas" / "trl"
CONFIGS: list[type] = [
    trl.SFTConfig,
    trl.DPOConfig,
    trl.KTOConfig,
    trl.RewardConfig,
    trl.GRPOConfig,
    trl.DistillationConfig,
]

# What TRL checks only in training, or not at all. check_choices() holds each value against the trainer's source.
CHOICES: dict[tuple[str, str], list[Any]] = {
    ("DPOConfig", "loss_type"): [
        *("sigmoid", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "aot", "aot_unpaired"),
        *("apo_zero", "apo_down", "discopop", "sft", "sigmoid_norm"),
    ],
    ("DPOConfig", "f_divergence_type"): ["reverse_kl", "forward_kl", "js_divergence", "alpha_divergence"],
    ("GRPOConfig", "loss_type"): ["grpo", "dr_grpo", "dapo", "bnpo", "cispo", "sapo", "luspo", "vespo"],
    ("GRPOConfig", "importance_sampling_level"): ["token", "sequence"],
    ("GRPOConfig", "multi_objective_aggregation"): ["sum_then_normalize", "normalize_then_sum"],
    ("GRPOConfig", "scale_rewards"): ["group", "batch", "none", True, False],
    ("GRPOConfig", "vllm_mode"): ["server", "colocate"],
    ("GRPOConfig", "vllm_importance_sampling_mode"): [
        *("token_truncate", "token_mask", "sequence_truncate", "sequence_mask"),
    ],
}
SHARED_CHOICES: dict[str, list[Any]] = {"train_sampling_strategy": ["random", "sequential", "group_by_length"]}
SIMPLE_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", dict: "object", list: "array"}


def json_schema_of(annotation: Any) -> dict[str, Any]:
    """The JSON Schema of a dataclass annotation, as far as TRL's configs need one."""
    if annotation is type(None):
        return {"type": "null"}
    if annotation in SIMPLE_TYPES:
        return {"type": SIMPLE_TYPES[annotation]}
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return {"enum": [member.value for member in annotation]}
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is dict:
        return {"type": "object"}
    if origin is list:
        return {"type": "array", "items": json_schema_of(arguments[0])}
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin in (typing.Union, types.UnionType):
        enums = [a for a in arguments if isinstance(a, type) and issubclass(a, enum.Enum)]
        # `SomeEnum | str` means "the enum, or its value as a string".
        members = [a for a in arguments if not (enums and a is str)]
        return any_of([json_schema_of(member) for member in members])
    if isinstance(annotation, type):  # an object that no YAML file can hold
        return {"type": "object"}
    raise TypeError(f"no JSON Schema for the annotation {annotation!r}")


def any_of(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    if len(schemas) == 1:
        return schemas[0]
    if all(set(schema) == {"type"} for schema in schemas):
        return {"type": sorted({schema["type"] for schema in schemas})}
    return {"anyOf": schemas}


def choices_of(config: type, field: dataclasses.Field[Any]) -> list[Any] | None:
    listed = CHOICES.get((config.__name__, field.name)) or SHARED_CHOICES.get(field.name)
    return listed or list(field.metadata.get("choices") or []) or None


def check_choices() -> None:
    """Fail where a value of CHOICES does not stand in the sources of the trainer it is for."""
    for (config_name, name), values in CHOICES.items():
        trainer = sys.modules[getattr(trl, config_name.replace("Config", "Trainer")).__module__]
        text = inspect.getsource(trainer) + inspect.getsource(sys.modules[getattr(trl, config_name).__module__])
        unknown = [value for value in values if isinstance(value, str) and not re.search(f"[\"']{value}[\"']", text)]
        if unknown:
            raise ValueError(f"{config_name}.{name}: {unknown} do not stand in {trainer.__name__}")


def default_of(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        value = field.default
    elif field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    else:
        raise TypeError(f"{field.name} has no default")
    return value.value if isinstance(value, enum.Enum) else value


def argument_of(config: type, field: dataclasses.Field[Any], annotation: Any) -> dict[str, Any]:
    schema = json_schema_of(annotation)
    choices = choices_of(config, field)
    if choices is not None:
        default = default_of(field)
        known = default if isinstance(default, list) else [default]
        missing = [value for value in known if value not in (*choices, None)]
        if missing:
            raise ValueError(f"{field.name}: the default {missing} is not among the choices found, {choices}")
        if schema.get("type") == "array":
            schema = {"type": "array", "items": {"enum": choices}}
        else:
            schema = {"enum": choices if default is not None else [*choices, None]}
    description = " ".join(str(field.metadata.get("help", "")).replace("%%", "%").split())
    return {"schema": schema, "default": default_of(field), "description": description}


def catalogue() -> dict[str, Any]:
    """Every argument of the configs; those equal to transformers' own stand once, under TrainingArguments."""
    shared = arguments_of(TrainingArguments)
    configs = {
        config.__name__: {name: value for name, value in arguments_of(config).items() if shared.get(name) != value}
        for config in CONFIGS
    }
    return {
        "trl": trl.__version__,
        "transformers": transformers.__version__,
        "configs": {"TrainingArguments": shared, **configs},
    }


def arguments_of(config: type) -> dict[str, Any]:
    annotations = typing.get_type_hints(config)
    return {field.name: argument_of(config, field, annotations[field.name]) for field in dataclasses.fields(config)}


def main() -> int:
    check_choices()
    path = FOLDER / f"{trl.__version__}.json"
    text = json.dumps(catalogue(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    if "--check" in sys.argv[1:]:
        same = path.exists() and path.read_text(encoding="utf-8") == text
        print(f"{path.name}: {'up to date' if same else 'differs from the installed TRL: run this script'}")
        return 0 if same else 1
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
