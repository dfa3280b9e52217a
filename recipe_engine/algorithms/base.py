"""What an algorithm is to the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from recipe_engine.recipe.base import Block
from recipe_engine.recipe.data import RowShape
from recipe_engine.recipe.root import Recipe
from recipe_engine.schemas import trl_arguments

Sampling = Literal["none", "rows", "groups"]
"""Whether completions are sampled in training: not, one for each row of a batch, or in groups of ``num_generations``
as GRPO does, several rounds of sampling and several optimizer steps apart."""
Task = Literal["causal_lm", "sequence_classification"]


UNREAD: Mapping[str, frozenset[str]] = {
    "DPOConfig": frozenset({"label_smoothing_factor"}),
    "RewardConfig": frozenset({"label_smoothing_factor"}),
    # Rows keep the order in which they were paired for the KL estimate.
    "KTOConfig": frozenset({"label_smoothing_factor", "train_sampling_strategy", "length_column_name"}),
    # Prompts come from a sampler that repeats them.
    "GRPOConfig": frozenset({"label_smoothing_factor", "train_sampling_strategy", "length_column_name"}),
}
"""By TRL config, arguments that it has from transformers and that its trainer does not read: of all losses only
``SFTTrainer``'s smooths labels by ``label_smoothing_factor``."""


class Derived(NamedTuple):
    """An argument that follows from elsewhere in the recipe, and why."""

    value: Any
    why: str


@dataclass(frozen=True)
class Algorithm:
    """A training algorithm: its settings, the rows it takes, and how it becomes arguments of a trainer."""

    name: str
    summary: str
    settings: type[Block]
    """Its settings. One that bears the name of an argument of ``config`` is that argument, here with a documented type
    and range; the others are given to the trainer as ``settings``."""
    config: str
    """TRL config class, such as ``DPOConfig``: its other arguments may stand in ``training`` too."""
    trainer: str
    """Class that trains, as ``module:Class``."""
    shapes: tuple[RowShape, ...]
    """Row shapes it can be trained on."""
    derived: Callable[[Recipe], Mapping[str, Derived]] = lambda recipe: {}
    """Arguments that follow from other blocks of the recipe, or from settings that are no argument themselves."""
    sizes: Callable[[Recipe, int], Mapping[str, Derived]] = lambda recipe, processes: {}
    """Arguments that follow from settings and from the number of processes."""
    config_class: str = ""
    """Class that the worker makes of the arguments, as ``module:Class``. Default: ``config``, from TRL."""
    unused: frozenset[str] = frozenset()
    """Arguments of ``config`` that this algorithm does not read, beside those of ``UNREAD``."""
    models: tuple[str, ...] = ()
    """Settings of its own that may name a further model, as ``model.base_model_name`` does: the trainer is given a Hub
    id or a local folder in their place. Their defaults name none."""
    before_loading: str = ""
    """Function of the runtime, as ``module:function``, that is called once rows are prepared and before the model is
    loaded: with the run, its tokenizer, its rows and a function that prints. It stops a run that cannot work, and what
    it returns are further keyword arguments of the trainer."""
    task: Task = "causal_lm"
    """What kind of model is trained."""
    sampling: Sampling = "none"
    reward_driven: bool = False
    """Whether completions are scored by the ``rewards``."""
    learning_rates: tuple[float, float] = (1e-7, 1e-3)
    """The usual range for training all weights; outside it a warning is given."""

    @cached_property
    def own_settings(self) -> frozenset[str]:
        """Settings that are no argument of the TRL config: the trainer is given them."""
        return frozenset(self.settings.model_fields) - trl_arguments(self.config).keys()

    @property
    def unread(self) -> frozenset[str]:
        """Arguments of the TRL config that nothing reads here: naming one in a recipe is an error."""
        return self.unused | UNREAD.get(self.config, frozenset())

    def models_named(self, settings: Mapping[str, Any]) -> dict[str, str]:
        """The further models that a run's settings name, by setting."""
        fields = self.settings.model_fields
        return {name: settings[name] for name in self.models if settings[name] != fields[name].default}

    def takes(self, argument: str) -> bool:
        """Whether an argument of the TRL config means anything here."""
        return argument in trl_arguments(self.config) and argument not in self.unread
