from __future__ import annotations

import json

import pytest

from recipe_engine.algorithms import NAMES, algorithm
from recipe_engine.lint.training import ENGINE_ARGUMENTS
from recipe_engine.schemas import trl_arguments

from .support import ROOT, recipe


def test_the_published_schema_is_printed() -> None:
    published = ROOT / "recipe_engine" / "schemas" / "recipe.schema.json"
    assert json.loads(recipe("schema").stdout) == json.loads(published.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_the_keys_of_an_algorithm_are_listed_settings_first(name: str) -> None:
    lines = recipe("schema", "--algorithm", name).stdout.splitlines()
    keys = [line.partition(":")[0] for line in lines if line and not line.startswith(("#", " "))]
    settings = list(algorithm(name).settings.model_fields)
    assert keys[: len(settings)] == settings
    assert len(keys) == len(set(keys))
    assert {"algorithm", "output_dir", "weight_decay", "num_train_epochs"} <= set(keys)
    unread = algorithm(name).unread
    assert set(keys) >= trl_arguments(algorithm(name).config).keys() - ENGINE_ARGUMENTS - REFUSED - unread
    assert not unread & set(keys)
    assert not REFUSED & set(keys)


REFUSED = {"hub_token", "logging_dir", "do_train", "do_eval", "do_predict", "local_rank", "parallelism_config"} | {
    # Written in other blocks of the recipe.
    *("max_length", "chat_template_path", "eos_token", "pad_token", "trust_remote_code", "remove_unused_columns"),
    *("dataset_kwargs", "dataset_text_field", "model_init_kwargs", "reward_weights", "truncation_mode", "use_cpu"),
}


def test_a_key_has_type_default_and_description() -> None:
    text = recipe("schema", "--algorithm", "gspo").stdout
    assert "\nepsilon_high: number or null = 0.0004\n    Clip range of the sequence ratio above 1.\n" in text
    assert "\nreport_to: text or list of text or null = " in text
    assert text.startswith("# gspo: group sequence policy optimization on rewards\n")


def test_an_unknown_algorithm_names_the_nearest_and_exits_with_2() -> None:
    result = recipe("schema", "--algorithm", "gpro")
    assert result.exit_code == 2
    assert "did you mean grpo?" in result.stderr
