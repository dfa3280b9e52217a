"""Secrets are errors that never show what they found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recipe_engine.lint import Checked, check, secrets
from recipe_engine.lint.docs import Example, parse
from recipe_engine.source import load

from .support import FIXTURES, check_overlay, check_text, codes, marked, only

CANARY = "Qx7Lp2Vn9Rt4Kw8Zb3Mc6Hd1"
TOKEN = "hf_" + CANARY
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def words(checked: Checked) -> str:
    """Everything that the findings say, their edits included."""
    said: list[str] = []
    for found in checked.diagnostics:
        said += [found.message, found.hint or "", *(other.message for other in found.related)]
        if found.fix is not None:
            said += [found.fix.description, *(edit.replacement for edit in found.fix.edits)]
    return "\n".join(said)


@pytest.mark.parametrize(
    ("overlay", "at", "says", "advice"),
    [
        ("wandb: {api_key: %s}", CANARY, "wandb.api_key holds a secret", "WANDB_API_KEY"),
        ("wandb: {api_key: '%s'}", f"'{CANARY}'", "wandb.api_key holds a secret", "WANDB_API_KEY"),
        ("wandb: {key: 0123456789abcdef0123456789abcdef01234567}", COMMIT, "wandb.key holds a secret", "WANDB_API_KEY"),
        ("wandb: {password: %s}", CANARY, "wandb.password holds a secret", "WANDB_API_KEY"),
        ("training: {hub_token: %s}", CANARY, "training.hub_token holds a secret", "HF_TOKEN"),
        ("training: {run_name: hf_%s}", TOKEN, "looks like a Hugging Face token", "HF_TOKEN"),
        ("wandb: {tags: [good, sk-ant-%s]}", f"sk-ant-{CANARY}", "wandb.tags[1] holds what looks", "ANTHROPIC_API_KEY"),
        ("s3: {secret_access_key: %s}", CANARY, "s3.secret_access_key holds a secret", "AWS_SECRET_ACCESS_KEY"),
        ("s3: {prefix: AKIAQX7LP2VN9RT4KW8Z}", "AKIAQX7LP2VN9RT4KW8Z", "an AWS access key", "AWS_ACCESS_KEY_ID"),
        ("reward_api: {api_key: %s}", CANARY, "reward_api.api_key holds a secret", "environment variable"),
    ],
)
def test_a_secret_is_an_error_at_its_value_that_names_the_variable_to_set(
    overlay: str, at: str, says: str, advice: str, tmp_path: Path
) -> None:
    checked = check_overlay(tmp_path, overlay.replace("%s", CANARY))
    found = only(checked, "R211")
    assert found.severity == "error"
    assert marked(checked, found) == at
    assert says in found.message
    assert advice in (found.hint or "")
    assert checked.recipe is None
    assert CANARY not in words(checked)
    assert COMMIT not in words(checked)


@pytest.mark.parametrize(
    "overlay",
    [
        "wandb: {api_key: %s}",
        "wandb: {api_key: 12345678}",
        "wandb: {api_key: [%s]}",
        "wandb: {apikey: %s}",
        "training: {hub_token: %s}",
        "model: {base_model_name: 'https://me:%s@host/model'}",
        "training: {run_name: hf_%s}",
        "data: {datasets: [{name: 's3://me:%s@bucket/rows.jsonl'}]}",
    ],
)
def test_nothing_else_is_said_of_a_key_that_holds_a_secret(overlay: str, tmp_path: Path) -> None:
    assert codes(check_overlay(tmp_path, overlay.replace("%s", CANARY))) == ["R211"]


def test_a_secret_is_found_beside_any_other_mistake(tmp_path: Path) -> None:
    text = f"modle: {{}}\ntraining: {{algorithm: gpro}}\nwandb: {{enabled: 3, api_key: {CANARY}}}\n"
    checked = check_text(tmp_path, text)
    assert "R211" in codes(checked)
    assert len(set(codes(checked))) > 2
    assert CANARY not in words(checked)


@pytest.mark.parametrize(
    "overlay",
    [
        "wandb: {api_key: null}",
        f"model: {{revision: {COMMIT}}}",
        "model: {eos_token: <|im_end|>, pad_token: <|endoftext|>}",
        "wandb: {base_url: 'https://api.wandb.ai', name: task-for-tokens-and-keys}",
        "data: {system_prompt: 'the password: is never {text}'}",
    ],
)
def test_what_is_no_secret_is_no_error(overlay: str, tmp_path: Path) -> None:
    assert "R211" not in codes(check_overlay(tmp_path, overlay))


def test_an_empty_key_is_no_secret_but_must_still_be_null(tmp_path: Path) -> None:
    found = check_overlay(tmp_path, "wandb: {api_key: ''}").diagnostics
    assert [one.code for one in found] == ["R203"]


def test_a_mark_of_the_vocabulary_given_to_a_reward_function_is_no_secret(tmp_path: Path) -> None:
    reward = "rewards: [{type: function, path: r.py, name: f, kwargs: {token: </think>, api_key: %s}}]"
    checked = check_overlay(tmp_path, f"training: {{algorithm: grpo}}\n{reward.replace('%s', CANARY)}\n")
    assert only(checked, "R211").message == "rewards[0].kwargs.api_key holds a secret"
    assert CANARY not in words(checked)


def test_a_token_as_a_key_is_found_and_not_shown(tmp_path: Path) -> None:
    checked = check_overlay(tmp_path, f"wandb:\n  {TOKEN}: true\n")
    found = only(checked, "R211")
    assert marked(checked, found) == TOKEN
    assert codes(checked) == ["R211"]
    assert CANARY not in words(checked)


def test_a_secret_of_a_parent_is_placed_in_the_parent(tmp_path: Path) -> None:
    (tmp_path / "parent.yaml").write_text(f"wandb:\n  api_key: {CANARY}\n", encoding="utf-8")
    checked = check_overlay(tmp_path, "training: {run_name: x}")
    assert "R211" not in codes(checked)
    checked = check_text(tmp_path, "extends: [base.yaml, parent.yaml]\n")
    found = only(checked, "R211")
    assert Path(found.span.file).name == "parent.yaml"
    assert marked(checked, found) == CANARY


def test_a_secret_on_the_command_line_is_found_and_not_shown(tmp_path: Path) -> None:
    check_overlay(tmp_path, "wandb: {enabled: false}")
    checked = check(tmp_path / "recipe.yaml", [f"wandb.api_key={CANARY}"])
    assert only(checked, "R211").span.file == "<command line>"
    assert CANARY not in words(checked)


@pytest.mark.parametrize(
    "line",
    [
        "api_key: *%s",
        "api_key: &%s x",
        "api_key: !%s x",
        "api_key: @%s",
        "api_key: '%s",
        "api_key: [%s",
        "api_key: %s: x",
        "api_key: %s\n  api_key: %s",
        "api_key: {%s: [x}",
        "password: `%s`",
    ],
)
def test_a_finding_about_the_text_itself_does_not_quote_a_secret(line: str, tmp_path: Path) -> None:
    checked = check_text(tmp_path, "wandb:\n  " + line.replace("%s", CANARY) + "\n")
    assert any(code.startswith("S") for code in codes(checked))
    assert CANARY not in words(checked)


@pytest.mark.parametrize("example", parse(secrets.__doc__ or "").examples)
def test_the_documented_examples_are_true(example: Example, tmp_path: Path) -> None:
    assert codes(check_overlay(tmp_path, example.text)) == ([] if example.passes else ["R211"])


def leaves(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths of all values that hold no others."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield from leaves(value, (*path, key))
    if not isinstance(node, dict | list):
        yield path


RECIPES = sorted((FIXTURES / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: str(file.stem))
def test_no_finding_shows_a_token_whatever_value_of_a_recipe_it_stands_for(file: Path, tmp_path: Path) -> None:
    document, _ = load(file)
    assert document is not None
    for path in leaves(document.tree):
        tree = json.loads(json.dumps(document.tree))
        parent = tree
        for part in path[:-1]:
            parent = parent[part]
        parent[path[-1]] = TOKEN
        checked = check_text(tmp_path, json.dumps(tree))
        assert marked(checked, only(checked, "R211")) == f'"{TOKEN}"', path
        assert CANARY not in words(checked), path


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: str(file.stem))
def test_no_finding_shows_a_secret_whatever_key_it_stands_beside(file: Path, tmp_path: Path) -> None:
    document, _ = load(file)
    assert document is not None
    blocks = [name for name, block in document.tree.items() if isinstance(block, dict)]
    for block in blocks:
        tree = json.loads(json.dumps(document.tree))
        tree[block]["client_secret"] = CANARY
        checked = check_text(tmp_path, json.dumps(tree))
        assert only(checked, "R211").message == f"{block}.client_secret holds a secret"
        assert CANARY not in words(checked)
