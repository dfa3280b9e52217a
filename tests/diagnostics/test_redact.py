"""Text is shown without its secrets, at its full length."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipe_engine.diagnostics.redact import is_named_secret, redact, secrets_in, token_in

# Put together here, so that no scanner of secrets takes this file for a leak.
RANDOM = "Qx7Lp2Vn9Rt4Kw8Zb3Mc6Hd1"
TOKENS = {
    "a Hugging Face token": "hf_" + RANDOM,
    "a Weights & Biases key": "wandb_v1_" + RANDOM,
    "an Anthropic key": "sk-ant-api03-" + RANDOM,
    "an API key": "sk-proj-" + RANDOM,
    "an AWS access key": "AKIA" + "QX7LP2VN9RT4KW8Z",
    "a GitHub token": "ghp_" + RANDOM,
    "a GitLab token": "glpat-" + RANDOM,
    "a Slack token": "xoxb-" + "123456789012-" + RANDOM,
    "a Google API key": "AIza" + RANDOM + "abcdefghijk",
    "a JSON web token": "eyJ" + RANDOM + ".eyJ" + RANDOM + "." + RANDOM,
    "a private key": "-----BEGIN RSA " + "PRIVATE KEY-----\n" + RANDOM * 3 + "\n-----END RSA " + "PRIVATE KEY-----",
}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(("what", "token"), TOKENS.items(), ids=list(TOKENS))
@pytest.mark.parametrize("around", ["{}", "name: {}  # mine", "see `{}`.", "my-{}", "https://host/?t={}&u=1", "['{}']"])
def test_a_token_is_masked_wherever_it_stands(what: str, token: str, around: str) -> None:
    if around == "my-{}" and token.startswith(("sk-", "eyJ")):
        return  # after a letter and a hyphen, sk- is the end of a word such as task-
    shown = redact(around.format(token))
    assert RANDOM not in shown
    assert token not in shown
    found = token_in(around.format(token))
    assert found is not None
    assert found.what == what


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("  api_key: hunter2", "  api_key: *******"),
        ('  api_key: "hunter2"  # mine', "  api_key: *********  # mine"),
        ("api-key: 'hunter2'", "api-key: *********"),
        ("wandb.api_key=hunter2", "wandb.api_key=*******"),
        ("{'password': 'hunter2', 'epochs': 3}", "{'password': *********, 'epochs': 3}"),
        ('"secret_access_key": "hunter2"', '"secret_access_key": *********'),
        ("token: hunter2", "token: *******"),
        ("hub_token: a, b # c", "hub_token: ********"),
        (f"my_key: {COMMIT}", f"my_key: {'*' * 40}"),
        ("https://me:hunter2@host/x", "https://**********@host/x"),
        ("s3://:hunter2@bucket", "s3://********@bucket"),
    ],
)
def test_what_stands_under_a_telling_name_is_masked_at_its_length(text: str, shown: str) -> None:
    assert redact(text) == shown
    assert len(shown) == len(text)


@pytest.mark.parametrize(
    "text",
    [
        "api_key: null",
        "api_key: ~  # set WANDB_API_KEY",
        "api_key:",
        "{api_key: null, project: x}",
        "eos_token: <|im_end|>",
        "max_tokens: 512",
        "token_count: 5",
        f"revision: {COMMIT}",
        "name: openai/gsm8k",
        "base_url: https://api.wandb.ai",
        "endpoint_url: http://localhost:9000",
        "run_name: task-specific-data-for-models-v2",
        "run_name: sk-learn-classification-data-v2",
        "name: hf_internal_testing",
        "metric_for_best_model: eval_loss",
        "the password is asked for at the start",
    ],
)
def test_what_is_no_secret_stays_as_it_is(text: str) -> None:
    assert redact(text) == text
    assert secrets_in(text) == []


def test_line_breaks_stay_so_that_lines_can_still_be_counted() -> None:
    text = f"before\n{TOKENS['a private key']}\nafter\n"
    shown = redact(text)
    assert [len(line) for line in shown.split("\n")] == [len(line) for line in text.split("\n")]
    assert shown.startswith("before\n*")
    assert shown.endswith("*\nafter\n")


def test_a_line_from_the_middle_of_a_private_key_is_masked_by_itself() -> None:
    line = (RANDOM * 3)[:64]
    assert redact(f"      {line}") == "      " + "*" * 64


@given(st.text())
def test_any_text_keeps_its_length_and_its_lines(text: str) -> None:
    shown = redact(text)
    assert len(shown) == len(text)
    assert [i for i, char in enumerate(shown) if char == "\n"] == [i for i, char in enumerate(text) if char == "\n"]
    assert redact(shown) == shown


@pytest.mark.parametrize(
    "piece",
    ["a", "hf_", "sk-", "api_key", "token:", "key.", "https://", "a://b:", "eyJ-", '"', "password: '", "a_", " "],
)
def test_the_search_is_linear(piece: str) -> None:
    text = piece * ((1 << 18) // len(piece))
    start = time.perf_counter()
    redact(text)
    token_in(text)
    is_named_secret(text, text)
    assert time.perf_counter() - start < 20  # quadratic would be many minutes


@pytest.mark.parametrize(
    ("key", "value", "secret"),
    [
        ("api_key", "x", True),
        ("apiKey", "x", True),
        ("WANDB_API_KEY", "x", True),
        ("aws_secret_access_key", "x", True),
        ("db.password", "x", True),
        ("token", "x", True),
        ("hub_token", "x", True),
        ("api_key", "  ", False),
        ("token", "</think>", False),
        ("token", "[SEP]", False),
        ("pad_token", "x", False),
        ("key", "x", False),
        ("key", COMMIT, True),
        ("revision", COMMIT, False),
        ("secretary", "x", False),
    ],
)
def test_a_name_tells_a_secret(key: str, value: str, secret: bool) -> None:
    assert is_named_secret(key, value) is secret
