"""The published schema says what lint says, as far as a schema can. Two implementations hold it against recipes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings

from recipe_engine.algorithms import NAMES, algorithm
from recipe_engine.lint import check
from recipe_engine.recipe.base import Block
from recipe_engine.recipe.data import DatasetEntry
from recipe_engine.recipe.rewards import REWARDS, Reward
from recipe_engine.recipe.root import BLOCKS
from recipe_engine.source import load
from scripts.generate_recipe_schema import FOLDER, RECIPE, field_docs, recipe_schema
from tests.strategies import broken, plausible

ROOT = Path(__file__).parents[2]
SCHEMA: dict[str, Any] = json.loads((FOLDER / RECIPE).read_text(encoding="utf-8"))
RECIPES = sorted(
    file
    for file in [*ROOT.glob("recipes/**/*.yaml"), *ROOT.glob("tests/fixtures/**/*.yaml")]
    if "pipelines" not in file.parts
)
MODELS: list[type[Block]] = [
    *BLOCKS.values(),
    DatasetEntry,
    Reward,
    *REWARDS.values(),
    *(algorithm(name).settings for name in NAMES),
]

Validator = Callable[[Any], bool]
IMPLEMENTATIONS: list[Any] = [
    pytest.param(jsonschema.Draft7Validator(SCHEMA).is_valid, id="jsonschema"),
    pytest.param(jsonschema_rs.Draft7Validator(SCHEMA).is_valid, id="jsonschema-rs"),
]
VALID: dict[str, Any] = {
    "model": {"base_model_name": "builtin/tiny-chat"},
    "data": {"datasets": [{"name": "builtin/conversations"}]},
    "training": {"algorithm": "sft"},
}


def tree_of(file: Path) -> dict[str, Any]:
    document, _ = load(file)
    assert document is not None, file
    return document.tree


def changed(*changes: tuple[str, Any]) -> dict[str, Any]:
    """The least recipe with some values set: ``("training.seed", 1)``. A value of ... removes the key."""
    recipe: dict[str, Any] = json.loads(json.dumps(VALID))
    for path, value in changes:
        *parents, last = path.split(".")
        node = recipe
        for key in parents:
            node = node.setdefault(key, {})
        node[last] = value
        if value is ...:
            del node[last]
    return recipe


def test_the_file_is_what_the_generator_writes() -> None:
    assert recipe_schema() == SCHEMA, "run scripts/generate_recipe_schema.py"


def test_the_schema_is_itself_valid() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)


def test_enough_recipes_are_checked() -> None:
    assert len(RECIPES) >= 11


@pytest.mark.parametrize("is_valid", IMPLEMENTATIONS)
@pytest.mark.parametrize("file", RECIPES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_shipped_recipe_is_valid(file: Path, is_valid: Validator) -> None:
    assert is_valid(tree_of(file))


@pytest.mark.parametrize("is_valid", IMPLEMENTATIONS)
@pytest.mark.parametrize(
    "tree",
    [
        changed(("model.dtype", "bfloat16")),
        changed(("model.base_model_name", ...), ("model.model_name_or_path", "builtin/tiny-chat")),
        changed(("training.lr", 1e-5)),
        changed(("training.group_size", 4)),
        changed(("training.epsilon_high", "unused here")),
        changed(("training.clip_ratio_high", 0)),
        changed(("training.algorithm", "dpo"), ("training.beta", 0)),
        changed(("training.algorithm", "grpo"), ("training.scale_rewards", False)),
        changed(("training.weight_decay", 0)),
        changed(("training.report_to", "wandb")),
        changed(("rewards", None)),
        changed(("wandb", None)),
        changed(("rewards", [{"type": "length", "max": 10}, {"type": "function", "path": "r.py", "name": "f"}])),
        {"extends": "base.yaml"},
        {"extends": ["a.yaml", "b.yaml"], "training": {"learning_rate": 1e-5, "temperature": 0.7}},
        {"extends": {"from": "base.yaml", "merge_datasets_by_name": True}, "data": {"max_length": 64}},
    ],
    ids=str,
)
def test_what_lint_understands_is_valid(tree: Any, is_valid: Validator) -> None:
    assert is_valid(tree)


@pytest.mark.parametrize("is_valid", IMPLEMENTATIONS)
@pytest.mark.parametrize(
    "tree",
    [
        [],
        {},
        changed(("model", ...)),
        changed(("data", ...)),
        changed(("training", ...)),
        changed(("training", None)),
        changed(("trainig", {})),
        changed(("model.base_model_name", ...)),
        changed(("model.base_model_nam", "x")),
        changed(("model.torch_dtype", "bf16")),
        changed(("model.lora_r", 0)),
        changed(("model.use_lora", "true")),
        changed(("data.datasets", [])),
        changed(("data.datasets", [{}])),
        changed(("data.datasets", [{"name": "x", "splitt": "train"}])),
        changed(("data.max_length", "512")),
        changed(("training.algorithm", ...)),
        changed(("training.algorithm", "dpoo")),
        changed(("training.learning_rte", 1e-5)),
        changed(("training.learning_rate", "1e-5")),
        changed(("training.learning_rate", 0)),
        changed(("training.num_train_epochs", "3")),
        changed(("training.lr_scheduler_type", "cosin")),
        changed(("training.temperature", 0.7)),
        changed(("training.lr", "fast")),
        changed(("training.hub_token", "x")),
        changed(("training.use_kl_loss", "x")),
        changed(("training.kl_coef", "high")),
        changed(("training.loss_mode", None)),
        changed(("training.min_lr_ratio", 2), ("training.lr_scheduler_type", "cosine")),
        changed(("data.filter_overlong_prompts", 1)),
        changed(("training.group_by_length", True)),
        changed(("training.use_cpu", True)),
        changed(("training.algorithm", "dpo"), ("training.beta", -1)),
        changed(("training.algorithm", "dpo"), ("training.packing", True)),
        changed(("training.algorithm", "gspo"), ("training.importance_sampling_level", "token")),
        changed(("rewards", {"type": "length"})),
        changed(("rewards", [{}])),
        changed(("rewards", [{"type": "exact"}])),
        changed(("rewards", [{"type": "http"}])),
        changed(("rewards", [{"type": "format", "pattern": "x", "max": 3}])),
        changed(("wandb.api_key", "0123456789abcdef0123456789abcdef01234567")),
        changed(("launch.cpu_processes", 0)),
        changed(("extends", None)),
        changed(("extends", [])),
        changed(("extends", {"file": "base.yaml"})),
        {"extends": "base.yaml", "training": {"learning_rte": 1e-5}},
        {"extends": "base.yaml", "data": {"datasets": [{"split": "train"}]}},
    ],
    ids=str,
)
def test_what_lint_calls_an_error_is_not_valid(tree: Any, is_valid: Validator, tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(json.dumps(tree), encoding="utf-8")
    assert check(file).has_errors
    assert not is_valid(tree)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tree=plausible() | broken())
def test_whatever_lint_accepts_is_valid(tree: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.getbasetemp() / "recipe.yaml"
    file.write_text(json.dumps(tree, ensure_ascii=False), encoding="utf-8")
    if not check(file).has_errors:
        for implementation in IMPLEMENTATIONS:
            assert implementation.values[0](tree)


@pytest.mark.parametrize("name", NAMES)
def test_the_training_of_each_algorithm_lists_its_settings_before_the_arguments_of_trl(name: str) -> None:
    keys = list(SCHEMA["definitions"][f"training_{name}"]["properties"])
    settings = list(algorithm(name).settings.model_fields)
    assert keys.index(settings[-1]) < keys.index("weight_decay")
    assert SCHEMA["definitions"][f"training_{name}"]["additionalProperties"] is False


def test_every_field_of_every_block_has_a_docstring() -> None:
    missing = [
        f"{model.__name__}.{name}" for model in MODELS for name in model.model_fields if not field_docs(model).get(name)
    ]
    assert not missing


def test_every_property_in_the_schema_has_a_description() -> None:
    missing = [
        f"{name}.{key}"
        for name, definition in SCHEMA["definitions"].items()
        for key, value in definition.get("properties", {}).items()
        if name != "training_any" and not value.get("description") and "$ref" not in value
    ]
    assert not missing
