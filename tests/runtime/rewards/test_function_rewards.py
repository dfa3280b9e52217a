from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recipe_engine.compile import Options
from recipe_engine.data.errors import RowError
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.rewards import demand_columns, reward_functions
from recipe_engine.runtime.rewards.function import load_function
from tests.runtime.support import compiled

from .support import Rewards

Score = Callable[..., list[float]]


def made(folder: Path, source: str, *, allowed: bool = True, **reward: Any) -> Score:
    (folder / "rewards.py").write_text(source, encoding="utf-8")
    entry = {"type": "function", "path": "rewards.py", "name": "f", **reward}
    options = Options(allow_reward_code=allowed)
    run = compiled(folder, "grpo", {"name": "rows.jsonl"}, rewards=[entry], options=options)
    (function,) = reward_functions(run)
    return function


def returning(folder: Path, value: Any) -> list[float]:
    """What becomes of the value that a function returns for two completions."""
    function = made(folder, "value = None\ndef f(**columns):\n    return columns['returned']\n")
    return function(prompts=["p1", "p2"], completions=["a", "b"], returned=value)


def test_it_is_called_with_prompts_completions_columns_and_its_own_arguments(tmp_path: Path) -> None:
    source = """
def f(prompts, completions, bonus, answer, **_):
    return [bonus + (completion == right) for completion, right in zip(completions, answer)]
"""
    function = made(tmp_path, source, kwargs={"bonus": 0.5})
    assert function(prompts=["p", "p"], completions=["4", "5"], answer=["4", "4"], trainer_state=None) == [1.5, 0.5]
    assert function.__name__ == "f"


def test_it_is_not_loaded_unless_the_command_line_allows_it(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"rewards.py is Python code") as caught:
        made(tmp_path, "def f(**_):\n    return []\nraise SystemExit('ran')\n", allowed=False)
    assert "--allow-reward-code" in str(caught.value.hint)


class TestNumbers:
    @pytest.mark.parametrize(
        "value",
        [
            [1, 0.5],
            (1, 0.5),
            [np.float32(1), np.float64(0.5)],
            [np.int64(1), np.float16(0.5)],
            np.array([1, 0.5]),
            [np.bool_(True), 0.5],
            [True, 0.5],
            torch.tensor([1, 0.5]),
            [torch.tensor(1), torch.tensor(0.5)],
        ],
        ids=str,
    )
    def test_every_kind_of_real_number_is_taken(self, tmp_path: Path, value: Any) -> None:
        out = returning(tmp_path, value)
        assert out == [1.0, 0.5]
        assert [type(number) for number in out] == [float, float]

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ([1.0, None], "returned None for the prompt 'p2'"),
            ([float("nan"), 1], "returned nan for the prompt 'p1'"),
            ([1, float("inf")], "returned inf for the prompt 'p2'"),
            ([1, np.float32("nan")], "returned .*nan.* for the prompt 'p2'"),
            ([1, "2"], "returned '2' for the prompt 'p2'"),
            ([1, 2j], "returned 2j for the prompt 'p2'"),
            ([1], "returned 1 scores for 2 completions"),
            ([1, 2, 3], "returned 3 scores for 2 completions"),
            (np.zeros((2, 2)), r"returned \[0.0, 0.0\] for the prompt"),
            (0.5, "returned float, not a list of numbers"),
            (np.float32(0.5), "returned float, not a list of numbers"),
            ("ab", "returned str, not a list of numbers"),
            (None, "returned NoneType, not a list of numbers"),
            ({1: 2, 3: 4}, "returned dict, not a list of numbers"),
        ],
        ids=str,
    )
    def test_everything_else_ends_the_run_with_its_name_and_row(self, tmp_path: Path, value: Any, message: str) -> None:
        with pytest.raises(RunError, match=f"reward f: {message}"):
            returning(tmp_path, value)


class TestFailures:
    def test_an_exception_is_told_with_its_line(self, tmp_path: Path) -> None:
        function = made(tmp_path, "def g(x):\n    return 1 / x\n\ndef f(**_):\n    return [g(0)]\n")
        with pytest.raises(RunError, match=r"reward f: raised ZeroDivisionError: .* \(rewards.py, line 2\)"):
            function(prompts=[""], completions=[""])

    def test_it_is_given_the_arguments_that_it_names(self, tmp_path: Path) -> None:
        function = made(tmp_path, "def f(completions, bonus=1):\n    return [float(bonus)]\n", kwargs={"bonus": 2})
        assert function(prompts=[""], completions=[""], answer=["4"]) == [2]

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            ("import nothing_of_this_name", "importing rewards.py raised ModuleNotFoundError: .*line 1"),
            ("def f(:", "importing rewards.py raised SyntaxError"),
            ("", "rewards.py has no function `f`"),
            ("f = 3", "rewards.py has no function `f`"),
        ],
    )
    def test_a_file_that_does_not_give_the_function_is_told(self, tmp_path: Path, source: str, message: str) -> None:
        (tmp_path / "rewards.py").write_text(source, encoding="utf-8")
        with pytest.raises(RunError, match=message):
            load_function(tmp_path, "rewards.py", "f")


class TestPlaces:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "outside.py").write_text("def f(**_): return []\n", encoding="utf-8")
        (tmp_path / "recipe").mkdir()
        (tmp_path / "recipe" / "inside.py").write_text("def f(**_): return []\n", encoding="utf-8")
        (tmp_path / "recipe" / "link.py").symlink_to(tmp_path / "outside.py")
        (tmp_path / "recipe" / "folder_link").symlink_to(tmp_path)
        (tmp_path / "recipe" / "inside_link.py").symlink_to("inside.py")
        (tmp_path / "recipe2").mkdir()
        (tmp_path / "recipe2" / "f.py").write_text("def f(**_): return []\n", encoding="utf-8")
        return tmp_path / "recipe"

    @pytest.mark.parametrize("path", ["../outside.py", "link.py", "folder_link/outside.py", "../recipe2/f.py"])
    def test_a_file_outside_the_recipes_folder_is_refused(self, folder: Path, path: str) -> None:
        with pytest.raises(RunError, match="is outside the recipe's folder"):
            load_function(folder, path, "f")

    def test_an_absolute_path_outside_is_refused(self, folder: Path) -> None:
        with pytest.raises(RunError, match="is outside the recipe's folder"):
            load_function(folder, str(folder.parent / "outside.py"), "f")

    @pytest.mark.parametrize("path", ["inside.py", "./inside.py", "inside_link.py"])
    def test_a_file_inside_is_loaded(self, folder: Path, path: str) -> None:
        assert load_function(folder, path, "f")() == []

    def test_a_recipe_reached_through_a_link_has_its_files_inside(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "shortcut").symlink_to(folder)
        assert load_function(tmp_path / "shortcut", "inside.py", "f")() == []

    @pytest.mark.parametrize("path", ["missing.py", "."])
    def test_a_file_that_is_not_there_is_told(self, folder: Path, path: str) -> None:
        with pytest.raises(RunError, match="there is no file"):
            load_function(folder, path, "f")

    def test_a_file_that_is_not_python_is_told(self, folder: Path) -> None:
        (folder / "f.txt").write_text("f = 3", encoding="utf-8")
        with pytest.raises(RunError, match="is not a Python file"):
            load_function(folder, "f.txt", "f")


def test_the_file_may_define_dataclasses_with_postponed_annotations(tmp_path: Path) -> None:
    source = """
from __future__ import annotations
from dataclasses import dataclass
from typing import ClassVar

@dataclass
class Score:
    best: ClassVar[float] = 1.0
    value: float = 0.5

def f(**_):
    return [Score().value]
"""
    assert made(tmp_path, source)(prompts=[""], completions=[""]) == [0.5]


def test_two_files_of_one_name_are_two_modules(tmp_path: Path) -> None:
    for name, value in (("a", 1), ("b", 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "reward.py").write_text(
            f"import sys\nvalue = {value}\ndef f(): return sys.modules[__name__].value\n"
        )
    first, second = (load_function(tmp_path, f"{name}/reward.py", "f") for name in "ab")
    assert (first(), second()) == (1, 2)


class TestCalls:
    ROWS: dict[str, Any] = {  # noqa: RUF012
        "data_source": ["gsm8k", "math"],
        "reward_model": [{"ground_truth": "4"}, {"ground_truth": "5"}],
        "extra_info": [{"index": 0}, None],
    }

    def scores(self, folder: Path, source: str, **reward: Any) -> list[float]:
        return made(folder, source, **reward)(
            prompts=["p", "q"], completions=["4", "4"], completion_ids=[[1], [1, 2]], **self.ROWS
        )

    def test_one_completion_at_a_time_where_it_names_one(self, tmp_path: Path) -> None:
        source = "def f(prompt, data_source, completion, **_):\n    return [prompt, data_source] == ['q', 'math']\n"
        assert self.scores(tmp_path, source) == [0, 1]

    def test_as_verl_does_where_it_names_solution_str(self, tmp_path: Path) -> None:
        source = """
def f(data_source, solution_str, ground_truth, extra_info=None):
    assert extra_info in ({"index": 0}, None)
    return float(solution_str == ground_truth) + (data_source == "math") / 2
"""
        assert self.scores(tmp_path, source) == [1, 0.5]

    def test_as_told(self, tmp_path: Path) -> None:
        source = "def f(completion, completions=None, **_):\n    return len(completion)\n"
        assert self.scores(tmp_path, source, call="sample") == [1, 1]

    def test_how_is_said_in_the_log(self, tmp_path: Path) -> None:
        (tmp_path / "rewards.py").write_text("def f(completion):\n    return 1\n", encoding="utf-8")
        rewards = Rewards(tmp_path, {"type": "function", "path": "rewards.py", "name": "f"})
        assert rewards.said == ["reward f: called once for each completion: f(prompt, completion, **columns)"]

    def test_coroutines_are_waited_for(self, tmp_path: Path) -> None:
        assert self.scores(tmp_path, "async def f(completions, **_):\n    return [1.0, 2.0]\n") == [1, 2]
        assert self.scores(tmp_path, "async def f(completion, **_):\n    return 3\n") == [3, 3]

    def test_of_a_mapping_the_score_counts_and_the_other_numbers_are_logged(self, tmp_path: Path) -> None:
        source = "def f(completion, **_):\n    return {'score': 2.0, 'right': True, 'mean': 3, 'why': 'so'}\n"
        (tmp_path / "rewards.py").write_text(source, encoding="utf-8")
        rewards = Rewards(tmp_path, {"type": "function", "path": "rewards.py", "name": "f"})
        assert rewards.scores(["a", "b"]) == [2, 2]
        assert rewards.logged == {"rewards/f/right": [1, 1], "rewards/f/own_mean": [3, 3]}

    def test_a_mapping_without_a_score_is_a_failure(self, tmp_path: Path) -> None:
        with pytest.raises(RunError, match=r"returned a mapping without `score`: \['right'\]"):
            self.scores(tmp_path, "def f(completion, **_):\n    return {'right': 1}\n")

    def test_columns_that_it_asks_for_are_looked_for_before_training(self, tmp_path: Path) -> None:
        (tmp_path / "rewards.py").write_text(
            "def f(completion, level, unit='m', **_):\n    return 1\n", encoding="utf-8"
        )
        rewards = Rewards(tmp_path, {"type": "function", "path": "rewards.py", "name": "f"})
        demand_columns(rewards.run, ["prompt", "level"])
        with pytest.raises(RunError, match=r"f in rewards.py asks for the column `level`, which no row has"):
            demand_columns(rewards.run, ["prompt", "unit"])

    @pytest.mark.parametrize(
        "row", [{"ground_truth": "4"}, {"data_source": "a"}, {"data_source": "a", "reward_model": {}}]
    )
    def test_verls_columns_are_too(self, tmp_path: Path, row: dict[str, Any]) -> None:
        source = "def f(data_source, solution_str, ground_truth, extra_info=None):\n    return 1\n"
        (tmp_path / "rewards.py").write_text(source, encoding="utf-8")
        rewards = Rewards(tmp_path, {"type": "function", "path": "rewards.py", "name": "f"})
        rewards.check({"data_source": "a", "reward_model": {"ground_truth": "4"}})
        with pytest.raises(RowError):
            rewards.check(row)
