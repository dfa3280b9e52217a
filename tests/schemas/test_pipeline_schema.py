"""The published schema of pipelines says what lint says, as far as a schema can."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource

from recipe_engine.lint.docs import parse
from recipe_engine.pipeline.codes import CHECKED
from recipe_engine.recipe.stages import STAGES
from recipe_engine.recipe.stages.steps import STEPS
from recipe_engine.source import load
from scripts.generate_recipe_schema import FOLDER, PIPELINE, RECIPE, field_docs, pipeline_schema

ROOT = Path(__file__).parents[2]
SCHEMA: dict[str, Any] = json.loads((FOLDER / PIPELINE).read_text(encoding="utf-8"))
BESIDE: Registry[Any] = Registry().with_resource(
    RECIPE, Resource.from_contents(json.loads((FOLDER / RECIPE).read_text(encoding="utf-8")))
)
VALIDATOR = jsonschema.Draft7Validator(SCHEMA, registry=BESIDE)
PIPELINES = sorted(file for file in ROOT.glob("recipes/pipelines/**/*.yaml") if not file.name.startswith("_"))
EXAMPLES = [example.text for text in CHECKED.values() for example in parse(text).examples if example.passes]


def tree_of(file: Path) -> dict[str, Any]:
    document, _ = load(file)
    assert document is not None, file
    return document.tree


def test_the_file_is_what_the_generator_writes() -> None:
    assert pipeline_schema() == SCHEMA, "run scripts/generate_recipe_schema.py"


@pytest.mark.parametrize("file", PIPELINES, ids=lambda file: str(file.relative_to(ROOT / "recipes/pipelines")))
def test_every_pipeline_is_valid(file: Path) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(tree_of(file))] == []


@pytest.mark.parametrize("text", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_example_that_passes_is_valid(text: str, tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text(text, encoding="utf-8")
    assert VALIDATOR.is_valid(tree_of(tmp_path / "pipeline.yaml"))


@pytest.mark.parametrize(
    "broken",
    [
        {"stages": []},
        {"stages": [{"kind": "prepare", "rows": "builtin/text"}]},
        {"stages": [{"id": "a", "kind": "prepair", "rows": "builtin/text"}]},
        {"stages": [{"id": "a", "kind": "prepare", "row": "builtin/text"}]},
        {"stages": [{"id": "a", "kind": "prepare", "rows": "builtin/text", "steps": [{"do": "nothing"}]}]},
        {
            "stages": [
                {"id": "a", "kind": "generate", "model": "m", "rows": "r", "engine": {"type": "vllm", "batch_size": 1}}
            ]
        },
        {"stages": [{"id": "a", "kind": "score", "rows": "r", "rewards": [{"type": "exact_match", "patern": "x"}]}]},
        {"stages": [{"id": "a", "kind": "train", "rows": "r", "recipe": {"training": {"algorithm": "stf"}}}]},
        {"stages": [{"id": "a", "kind": "prepare", "rows": "r"}], "outputdir": "x"},
    ],
    ids=range(9),
)
def test_what_lint_refuses_by_its_shape_is_not_valid(broken: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(broken)


@pytest.mark.parametrize("model", [*STAGES.values(), *STEPS.values()], ids=lambda model: model.__name__)
def test_every_setting_is_documented(model: Any) -> None:
    assert set(model.model_fields) <= set(field_docs(model))
