"""The names that a DeepSpeed file may hold are held against DeepSpeed's own source, where that is installed."""

from __future__ import annotations

import ast
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from recipe_engine.parallel.deepspeed import deepspeed_config
from recipe_engine.parallel.deepspeed_file import unknown_keys, wrong_shapes
from recipe_engine.parallel.deepspeed_keys import KEYS, REMOVED, ZERO_KEYS
from recipe_engine.recipe.launch import LaunchBlock, Strategy


@pytest.fixture(scope="module")
def source() -> Path:
    spec = find_spec("deepspeed")
    if spec is None or spec.origin is None:
        pytest.skip("DeepSpeed is not installed")
    return Path(spec.origin).parent


def test_the_names_under_zero_optimization_are_deepspeeds(source: Path) -> None:
    tree = ast.parse((source / "runtime/zero/config.py").read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "DeepSpeedZeroConfig")
    fields = [node for node in block.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)]
    names = {field.target.id for field in fields if isinstance(field.target, ast.Name)}
    aliases = {
        str(ast.literal_eval(keyword.value))
        for field in fields
        if isinstance(field.value, ast.Call)
        for keyword in field.value.keywords
        if keyword.arg == "alias"
    }
    assert names | aliases == ZERO_KEYS


def test_every_name_at_the_top_stands_in_deepspeeds_source(source: Path) -> None:
    parts = ("__init__.py", "runtime", "monitor", "comm", "utils", "profiling", "autotuning", "datastates")
    files = [file for part in parts for file in [source / part, *(source / part).rglob("*.py")] if file.is_file()]
    literals = set(re.findall(r"""["']([a-z_0-9]+)["']""", "\n".join(file.read_text() for file in files)))
    assert literals >= KEYS


def test_what_deepspeed_refuses_by_name_is_what_is_called_removed(source: Path) -> None:
    tree = ast.parse((source / "runtime/config.py").read_text())
    refused = {
        str(key.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
        for key in node.value.keys
        if isinstance(key, ast.Constant) and str(ast.unparse(node.targets[0])).startswith("_REMOVED_")
    }
    assert refused == REMOVED


@pytest.mark.parametrize("strategy", ["zero1", "zero2", "zero3"])
def test_what_the_engine_writes_itself_passes(strategy: Strategy) -> None:
    config = deepspeed_config(strategy, LaunchBlock(offload_optimizer=True, offload_parameters=strategy == "zero3"))
    assert not [*unknown_keys(config), *wrong_shapes(config)]
