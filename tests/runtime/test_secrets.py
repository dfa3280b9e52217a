"""A key of a service is in nothing that a run prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipe_engine.runtime.secrets import masked
from tests.runtime.support import compiled


def test_a_key_that_is_answered_back_is_masked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCORER_KEY", "zq9-mysecret")
    reward = {"type": "http", "url": "http://127.0.0.1:9/score", "api_key_env": "SCORER_KEY"}
    run = compiled(tmp_path, "grpo", {"name": "builtin/questions"}, data={"max_length": 64}, rewards=[reward])
    assert masked("returned 'Bearer zq9-mysecret'", run) == "returned 'Bearer ***'"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "zq9-another")
    monkeypatch.setenv("EOS_TOKEN_OF_MINE", "plain-word")
    monkeypatch.setenv("PWD", "/home/somebody")  # the working directory
    assert masked("/home/somebody/recipe.yaml", run) == "/home/somebody/recipe.yaml"
    said = "zq9-another plain-word https://user:zq9-third@proxy.example.com"
    assert masked(said, run) == "*** plain-word https://**************@proxy.example.com"
    monkeypatch.delenv("SCORER_KEY")
    assert masked("nothing to hide", run) == "nothing to hide"
