"""The ``rewards`` list: what scores a completion in reinforcement learning. Scores are weighted and added up.

A new type is a class in the file of its kind here, a line in ``REWARDS``, and a file in runtime/rewards/.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny

from recipe_engine.recipe.rewards.base import Reward
from recipe_engine.recipe.rewards.models import PrmReward, RewardModelReward
from recipe_engine.recipe.rewards.programs import CodeReward, FunctionReward
from recipe_engine.recipe.rewards.services import HttpReward, JudgeReward
from recipe_engine.recipe.rewards.structure import (
    FormatReward,
    JsonReward,
    LengthReward,
    OverlongReward,
    ToolCallReward,
)
from recipe_engine.recipe.rewards.verified import (
    ExactMatchReward,
    MathReward,
    MultipleChoiceReward,
    RankingReward,
)

REWARDS: dict[str, type[Reward]] = {
    "exact_match": ExactMatchReward,
    "math": MathReward,
    "multiple_choice": MultipleChoiceReward,
    "ranking_accuracy": RankingReward,
    "format": FormatReward,
    "length": LengthReward,
    "overlong_penalty": OverlongReward,
    "json": JsonReward,
    "tool_call": ToolCallReward,
    "code": CodeReward,
    "function": FunctionReward,
    "reward_model": RewardModelReward,
    "prm_score": PrmReward,
    "judge": JudgeReward,
    "http": HttpReward,
}


def typed(value: Any) -> Any:
    """Rewards as mappings, each made of the class that its ``type`` says. An unknown type is left to its reader."""
    if not isinstance(value, list):
        return value
    return [
        REWARDS[one["type"]].model_validate(one) if isinstance(one, dict) and one.get("type") in REWARDS else one
        for one in value
    ]


Rewards = Annotated[list[SerializeAsAny[Reward]], BeforeValidator(typed)]
"""A list of rewards, each of its own class, also when it is read back from JSON."""

__all__ = [
    "REWARDS",
    "CodeReward",
    "ExactMatchReward",
    "FormatReward",
    "FunctionReward",
    "HttpReward",
    "JsonReward",
    "JudgeReward",
    "LengthReward",
    "MathReward",
    "MultipleChoiceReward",
    "OverlongReward",
    "PrmReward",
    "RankingReward",
    "Reward",
    "RewardModelReward",
    "Rewards",
    "ToolCallReward",
    "typed",
]
