"""Reward functions, read without being run."""

from __future__ import annotations

from pathlib import Path

import pytest

from .support import check_overlay, only

RECIPE = "training: {algorithm: grpo}\nrewards:\n  - {type: function, path: rewards.py, name: f%s}\n"


def found(folder: Path, source: str, settings: str = "") -> str | None:
    (folder / "rewards.py").write_text(source, encoding="utf-8")
    checked = check_overlay(folder, RECIPE % settings)
    return only(checked, "L397").message if checked.has_errors else None


@pytest.mark.parametrize(
    "source",
    [
        "def f(prompts, completions, **kwargs):\n    return []\n",
        "async def f(completion): return 1\n",
        "def f(data_source, solution_str, ground_truth, extra_info=None): return 1\n",
        "def f(**columns): return []\n",
        "f = lambda completions, **_: []\n",
        "from elsewhere import f\n",
        "from elsewhere import *\n",
        "from elsewhere import g as f\n",
        "class f:\n    def __call__(self, completions): ...\n",
        "try:\n    from a import f\nexcept ImportError:\n    f = None\n",
        "if True:\n    def f(completions): ...\n",
        "import functools\n@functools.cache\ndef f(x): ...\n",
        "raise SystemExit('the linter ran it')\ndef f(completion): ...\n",
    ],
)
def test_a_file_that_may_define_it_is_left_to_training(tmp_path: Path, source: str) -> None:
    assert found(tmp_path, source) is None


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "'rewards.py' has no function 'f'"),
        ("def g(completions): ...\n", "'rewards.py' has no function 'f'"),
        ("class A:\n    def f(self): ...\n", "'rewards.py' has no function 'f'"),
        ("x = 1\ndef f(:\n", "'rewards.py', line 2: invalid syntax"),
        ("\ndef f(texts): ...\n", "'rewards.py', line 2: the arguments of f (texts) do not say how to call it"),
        ("x = '\0'\n", "'rewards.py', line 1: source code string cannot contain null bytes"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, source: str, message: str) -> None:
    assert found(tmp_path, source) == message


def test_how_to_call_it_may_be_said(tmp_path: Path) -> None:
    assert found(tmp_path, "def f(texts): ...\n", ", call: batch") is None


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "rewards.py").write_bytes(b"\xff\xfe")
    assert only(check_overlay(tmp_path, RECIPE % ""), "L397").message == "'rewards.py' is not UTF-8 text"
