"""Rewards: functions that score completions, one file a type. A new one is a file here and a line in ``MAKERS``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from recipe_engine.data.cells import cell
from recipe_engine.data.errors import RowError
from recipe_engine.recipe.rewards import FunctionReward, Reward
from recipe_engine.runtime.rewards import (
    code,
    exact_match,
    format_match,
    function,
    http,
    json_form,
    judge,
    length,
    math_equal,
    multiple_choice,
    overlong,
    prm_score,
    ranking,
    reward_model,
    tool_call,
)
from recipe_engine.runtime.rewards.apply import Apply, TrlReward, applied, applies, for_trl
from recipe_engine.runtime.rewards.context import RewardContext
from recipe_engine.runtime.rewards.scores import RowCheck, Say, Scorer

MAKERS: dict[str, Callable[[Any, RewardContext, Say], Scorer]] = {
    "exact_match": exact_match.make,
    "math": math_equal.make,
    "multiple_choice": multiple_choice.make,
    "ranking_accuracy": ranking.make,
    "format": format_match.make,
    "length": length.make,
    "overlong_penalty": overlong.make,
    "json": json_form.make,
    "tool_call": tool_call.make,
    "code": code.make,
    "function": function.make,
    "reward_model": reward_model.make,
    "prm_score": prm_score.make,
    "judge": judge.make,
    "http": http.make,
}
ROW_CHECKS: dict[str, Callable[[Any, RewardContext], RowCheck]] = {
    "exact_match": exact_match.row_check,
    "math": math_equal.row_check,
    "multiple_choice": multiple_choice.row_check,
    "ranking_accuracy": ranking.row_check,
    "tool_call": tool_call.row_check,
    "code": code.row_check,
    "function": function.row_check,
    "judge": judge.row_check,
    "http": http.row_check,
}
"""What rewards ask of rows, so that a row without an answer is named before training, not during it."""


def row_checks(run: RewardContext) -> list[RowCheck]:
    """What the rewards of a run ask of each row: of those rows that each applies to, and that one does."""
    checks = [
        _where_it_applies(reward, ROW_CHECKS[reward.type](reward, run))
        for reward in run.rewards
        if reward.type in ROW_CHECKS
    ]
    if run.rewards and all(reward.only is not None for reward in run.rewards):
        checks.insert(0, _demand_a_reward(run.rewards))
    return checks


def reward_functions(
    run: RewardContext, tokenizer: PreTrainedTokenizerBase | None = None, say: Say = lambda message: None
) -> list[TrlReward]:
    """The rewards of a run, as TRL calls them.

    Args:
        tokenizer: the policy's, for tags of the ``thinking`` block that are special tokens.

    Raises:
        RunError: a reward cannot be made, such as a function whose file is not there.
    """
    return [for_trl(reward, MAKERS[reward.type](reward, run, say), run, tokenizer) for reward in run.rewards]


def applied_rewards(run: RewardContext, say: Say = lambda message: None) -> list[tuple[Reward, Apply]]:
    """The rewards, each with what scores completions by it.

    Raises:
        RunError: one cannot be made, such as a function whose file is not there.
    """
    return [(reward, applied(reward, MAKERS[reward.type](reward, run, say), run)) for reward in run.rewards]


def demand_columns(run: RewardContext, columns: Collection[str]) -> None:
    """Check that some row of the data has each column that a function asks for by name.

    Raises:
        RunError: none has one of them.
    """
    for reward in run.rewards:
        if isinstance(reward, FunctionReward):
            function.demand_columns(reward, run, columns)


def _where_it_applies(reward: Reward, check: RowCheck) -> RowCheck:
    if reward.only is None:
        return check

    def checked(row: Mapping[str, Any]) -> None:
        if applies_to_row(reward, row):
            check(row)

    return checked


def applies_to_row(reward: Reward, row: Mapping[str, Any]) -> bool:
    """Whether a reward scores the completions of a row."""
    return reward.only is None or applies(reward, cell(row, reward.only.column))


def _demand_a_reward(rewards: Sequence[Reward]) -> RowCheck:
    """The check that a row is scored by at least one reward: TRL would train on it with no advantage at all."""
    names = list(dict.fromkeys(reward.only.column for reward in rewards if reward.only is not None))

    def check(row: Mapping[str, Any]) -> None:
        if any(applies_to_row(reward, row) for reward in rewards):
            return
        found = ", ".join(f"{name}: {str(cell(row, name))[:60]!r}" for name in names)
        raise RowError(names[0], f"holds nothing that a reward applies to ({found})")

    return check
