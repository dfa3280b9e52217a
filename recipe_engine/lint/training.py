"""The ``training`` block: keys shared by all, settings of the algorithm, and arguments of the TRL config behind it."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import ValidationError

from recipe_engine.algorithms import NAMES, algorithm
from recipe_engine.algorithms.base import Algorithm
from recipe_engine.lint import values
from recipe_engine.lint.pydantic_errors import (
    report_choice,
    report_unknown_key,
    report_validation_error,
    report_wrong_type,
)
from recipe_engine.lint.report import Report, dotted, replace_value, shown
from recipe_engine.recipe.base import Block
from recipe_engine.recipe.training import TrainingBlock
from recipe_engine.schemas import Argument, trl_arguments

SomeBlock = TypeVar("SomeBlock", bound=Block)

# Recipe templates of this dialect carry these in one block for every algorithm, marked "only used with grpo, gspo".
# Under another algorithm they are therefore a warning; any other foreign key is an error.
GROUP_SETTINGS = (
    "num_generations",
    "beta",
    "epsilon",
    "epsilon_high",
    "steps_per_generation",
    "importance_sampling_level",
)
# Given by other blocks of the recipe, or decided by the engine: lint/renames.py says where to write them.
ENGINE_ARGUMENTS = frozenset(
    {
        "output_dir",
        "run_name",
        "max_length",
        "deepspeed",
        "fsdp",
        "fsdp_config",
        "accelerator_config",
        "use_cpu",
        "disable_tqdm",
        "dataset_num_proc",
        "resume_from_checkpoint",
    }
)


# Names that are close to one of ours and mean something else: a misspelling is corrected, a choice is not.
FOREIGN_ALGORITHMS = {
    "ipo": "IPO is a loss of dpo here: write algorithm: dpo and loss_type: ipo (TRL's, averaged over tokens) or "
    "ipo_sum (OpenRLHF's, summed)",
    "cdpo": "conservative DPO is dpo with label_smoothing above 0",
    "gpo": "GPO is not supported",
    "rpo": "RPO is not supported; dpo with loss_type: [sigmoid, sft] is close to it",
    "rm": "a reward model is algorithm: reward_model here",
    "prm": "a process reward model is algorithm: process_reward here",
    "kd": "knowledge distillation is distill here (on the data's completions), gkd or minillm (on the student's own)",
    "distillation": "TRL's on-policy distillation is gkd with lmbda: 1.0 here; on the data's completions it is distill",
    "pt": "pre-training on plain text is called cpt here",
}


def read_training(report: Report) -> tuple[TrainingBlock, Block, dict[str, Any]] | None:
    """The three parts of the ``training`` block; none, with findings, where it is not valid."""
    tree: dict[str, Any] = dict(report.document.tree["training"])
    name = tree.get("algorithm")
    if name is None:
        report.add("R202", "error", ("training",), "training lacks the key `algorithm`", at_key=True)
        return None
    if isinstance(name, str) and name in FOREIGN_ALGORITHMS:
        message = f"training.algorithm is {name}: {FOREIGN_ALGORITHMS[name]}"
        report.add("R204", "error", ("training", "algorithm"), message, hint=f"it must be one of {', '.join(NAMES)}")
        return None
    if name not in NAMES:
        report_choice(report, ("training", "algorithm"), name, list(NAMES))
        return None
    chosen = algorithm(name)
    _set_aside_foreign_settings(report, tree, chosen)
    catalogue = trl_arguments(chosen.config)
    shared = {key: tree.pop(key) for key in list(tree) if key in TrainingBlock.model_fields}
    own = {key: tree.pop(key) for key in list(tree) if key in chosen.settings.model_fields}
    training = _validate(report, TrainingBlock, shared)
    settings = _validate(report, chosen.settings, own)
    for key, value in tree.items():
        _check_argument(report, key, value, chosen, catalogue)
    if training is None or settings is None or report.has_errors:
        return None
    return training, settings, tree


def _validate(report: Report, model: type[SomeBlock], value: dict[str, Any]) -> SomeBlock | None:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        report_validation_error(report, ("training",), model, error)
        return None


def _set_aside_foreign_settings(report: Report, tree: dict[str, Any], chosen: Algorithm) -> None:
    """Warn of group settings under an algorithm without groups, and leave them out."""
    for key in GROUP_SETTINGS:
        if key not in tree:
            continue
        path = ("training", key)
        if key not in chosen.settings.model_fields:
            message = f"`{key}` is a setting of {owners_of(key)}; {chosen.name} does not use it"
            report.add("R208", "warning", path, message, at_key=True, hint="remove it")
            _leave_out(report, tree, key)
        elif key == "beta" and chosen.name == "dpo" and tree[key] == 0 and not isinstance(tree[key], bool):
            default = chosen.settings.model_fields["beta"].default
            report.add(
                "R209",
                "warning",
                path,
                f"training.beta is 0: under dpo that leaves no gradient; it is taken as unset, which is {default}",
                hint=f"write beta: {default}, or remove it",
                fix=replace_value(report.document, path, str(default)),
            )
            _leave_out(report, tree, key)


def _leave_out(report: Report, tree: dict[str, Any], key: str) -> None:
    """Treat a key as if the recipe did not have it."""
    del tree[key]
    report.document.marks.pop(("training", key), None)


def _check_argument(report: Report, key: str, value: Any, chosen: Algorithm, catalogue: dict[str, Argument]) -> None:
    path = ("training", key)
    argument = catalogue.get(key)
    if argument is None or key in ENGINE_ARGUMENTS or not chosen.takes(key):
        owners = owners_of(key)
        if owners:
            message = f"`{key}` is a setting of {owners}; {chosen.name} does not take it"
            report.add("R208", "error", path, message, at_key=True, hint="remove it")
            return
        arguments = {name for name in catalogue.keys() - ENGINE_ARGUMENTS if chosen.takes(name)}
        known = {*TrainingBlock.model_fields, *chosen.settings.model_fields, *arguments}
        report_unknown_key(report, path, known, f"`recipe schema --algorithm {chosen.name}` lists what it takes")
        return
    schema = argument["schema"]
    if values.matches(value, schema):
        return
    words = values.choices(schema)
    misspelt = (
        [item for item in value if isinstance(item, str) and item not in words] if isinstance(value, list) else []
    )
    if words and misspelt and all(isinstance(item, str) for item in value):
        for index, item in enumerate(value):
            if item not in words:
                report_choice(report, (*path, index), item, words)
    elif isinstance(value, str) and words:
        report_choice(report, path, value, words)
    elif "enum" in schema:
        report.add("R204", "error", path, f"{dotted(path)} is {shown(value)}; it must be {values.expected(schema)}")
    else:
        report_wrong_type(report, path, value, values.expected(schema))


def owners_of(key: str) -> str:
    """The algorithms that take a key of ``training``, at most five by name; empty where none does."""
    owners = [name for name in NAMES if _takes(name, key)]
    return ", ".join(owners[:5]) + (" and others" if len(owners) > 5 else "")


def _takes(name: str, key: str) -> bool:
    other = algorithm(name)
    return key in other.settings.model_fields or (other.takes(key) and key not in ENGINE_ARGUMENTS)
