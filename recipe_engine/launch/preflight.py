"""What only this machine and this moment can tell, checked before anything is written or loaded."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from recipe_engine.algorithms import algorithm
from recipe_engine.algorithms.completions import trains_on_completions
from recipe_engine.compiled import CompiledRun
from recipe_engine.data.errors import DataError
from recipe_engine.data.location import locate
from recipe_engine.data.mixture import count_rows, demand_enough_rows
from recipe_engine.data.steps import step_tokens
from recipe_engine.launch.disk import demand_space
from recipe_engine.launch.errors import LaunchError, install_hint
from recipe_engine.launch.gpus import demand_gpus
from recipe_engine.launch.paths import shorten
from recipe_engine.launch.run import log_folder
from recipe_engine.launch.run_folder import demand_free, demand_writable
from recipe_engine.parallel.deepspeed_file import absence_of
from recipe_engine.parallel.optimizers import is_bitsandbytes
from recipe_engine.plan.steps import argument_of
from recipe_engine.recipe.data import RowShape
from recipe_engine.recipe.rewards import CodeReward, FunctionReward, PrmReward, RewardModelReward

_FIRST_ROWS = 20
_QUICKSTART = "quickstart-"
_BUILTIN_TEMPLATES = {"chatml"}
_BUILTIN_MODELS = ("builtin/tiny-chat", "builtin/tiny-ranker", "builtin/tiny-reward")


def preflight(run: CompiledRun, overwrite: bool, *, here: bool = True, first: bool = True) -> None:
    """Check packages, GPUs, the model, files, permissions, data and folders that the run needs, in this order.

    A run that will train elsewhere (not ``here``) shares its files with this machine, and not its packages and GPUs.
    Of several machines the ``first`` one alone takes the output folder.

    Raises:
        LaunchError: something is missing or not allowed.
        DataError: a dataset is missing, its first rows do not fit, or there are too few for one step.
    """
    if here:
        _demand_packages(run)
        demand_gpus(run.gpus)
    _demand_model(run)
    _demand_files(run)
    _demand_permissions(run)
    _demand_data(run)
    if first:
        demand_free(run, overwrite)
        demand_space(run)
    demand_writable(log_folder(), "the log")


def _demand_packages(run: CompiledRun) -> None:
    for package, extra, what in _packages(run):
        if find_spec(package) is None:
            message = f"{what} needs the package {package}, which is not installed"
            raise LaunchError("T510", message, install_hint(extra))


def _packages(run: CompiledRun) -> Iterator[tuple[str, str, str]]:
    """The packages that the run needs, each with the extra that brings it and what needs it."""
    yield "torch", "train", "training"
    yield "trl", "train", "training"
    if (deepspeed := run.arguments.get("deepspeed")) is not None:
        named = "training.deepspeed_config" if isinstance(deepspeed, str) else f"the strategy {run.strategy}"
        yield "deepspeed", "gpu", named
    if is_bitsandbytes(str(run.arguments.get("optim"))):
        yield "bitsandbytes", "gpu", "training.optim"
    if run.model.load_in_4bit or run.model.load_in_8bit:
        yield "bitsandbytes", "gpu", "model.load_in_4bit" if run.model.load_in_4bit else "model.load_in_8bit"
    if any(reward.type == "math" for reward in run.rewards):
        yield "math_verify", "train", "the reward math"
    models = [run.model.base_model_name, *algorithm(run.algorithm).models_named(run.settings).values()]
    names = [*models, *(entry.name for entry in [*run.data.datasets, *run.data.eval_datasets])]
    if run.s3.enabled or any(locate(name).kind == "remote" for name in names):
        yield "s3fs", "s3", "s3"


def _demand_model(run: CompiledRun) -> None:
    demand_builtin("model.base_model_name", run.model.base_model_name)
    demand_model_folder("model.base_model_name", run.model.base_model_name, "config.json")
    if run.model.tokenizer_name is not None:
        demand_model_folder("model.tokenizer_name", run.model.tokenizer_name, "tokenizer_config.json")
    chosen = algorithm(run.algorithm)
    if chosen.task == "causal_lm":
        _demand_architecture("model.base_model_name", run.model.base_model_name, scores=False)
    for setting, model in chosen.models_named(run.settings).items():
        demand_model_folder(f"training.{setting}", model, "config.json")
        _demand_architecture(f"training.{setting}", model, scores=setting == "critic_init")
    for reward in run.rewards:
        if isinstance(reward, RewardModelReward | PrmReward):
            demand_builtin(f"reward {reward.label}", reward.model)
            demand_model_folder(f"reward {reward.label}", reward.model, "config.json")
            _demand_architecture(f"reward {reward.label}", reward.model, scores=isinstance(reward, RewardModelReward))


def demand_builtin(setting: str, name: str) -> None:
    """Check the name of an embedded model.

    Raises:
        LaunchError: there is none of this name.
    """
    if locate(name).kind == "builtin" and name not in _BUILTIN_MODELS:
        raise LaunchError("T505", f"{setting}: there is no model {name}", f"embedded are: {', '.join(_BUILTIN_MODELS)}")


def _demand_architecture(setting: str, name: str, *, scores: bool) -> None:
    """Check that a model on this machine is one that scores, or one that speaks, as the setting needs it."""
    file = Path(os.path.abspath(name), "config.json")
    if name == "builtin/tiny-reward":
        found = ["ForSequenceClassification"]
    elif locate(name).kind == "local" and file.is_file():
        found = json.loads(file.read_text(encoding="utf-8")).get("architectures") or []
    else:
        return
    is_scorer = any(one.endswith(("ForSequenceClassification", "ForTokenClassification")) for one in found)
    if found and is_scorer != scores:
        what = (
            "is a reward model, which gives scores and no text" if is_scorer else "is no reward model: it has no score"
        )
        hint = "name a model that algorithm: reward_model trained" if scores else "name a language model"
        raise LaunchError("T505", f"{setting}: {shorten(name)} {what}", hint)


def demand_model_folder(setting: str, name: str, file: str) -> None:
    """Check a model or tokenizer that is named by a path.

    Runs write to ``models/``, so that a name which begins so is one of theirs that is not there yet, not a Hub id.

    Raises:
        LaunchError: it is not there, or holds no model.
    """
    if locate(name).kind != "local" and not name.startswith("models/"):
        return
    folder = os.path.abspath(name)
    if os.path.isfile(os.path.join(folder, file)):
        return
    hint = "train the model that this recipe starts from first; relative paths count from the current folder"
    if not os.path.exists(folder):
        what = "does not exist"
    elif os.path.isfile(os.path.join(folder, "adapter_config.json")):
        what = "holds an adapter, not a whole model"
        hint = (
            "merge it into its base model first, with PEFT: "
            "AutoPeftModelForCausalLM.from_pretrained(FOLDER).merge_and_unload().save_pretrained(NEW_FOLDER), "
            "and save the tokenizer there too"
        )
    else:
        what = f"holds no {'tokenizer' if setting.endswith('tokenizer_name') else 'model'} ({file} is missing)"
    last = os.path.basename(folder)
    if last.startswith(_QUICKSTART) and not os.path.exists(folder):
        made_by = f"recipes/quickstart/{last.removeprefix(_QUICKSTART).replace('-', '_')}.yaml"
        hint = f"train it first: ./scripts/run_training.sh --config {made_by} --num-gpus 0"
    raise LaunchError("T505", f"{setting}: {shorten(folder)} {what}", hint)


def _demand_files(run: CompiledRun) -> None:
    deepspeed = run.arguments.get("deepspeed")
    if isinstance(deepspeed, str) and (absent := absence_of(shorten(deepspeed))) is not None:
        raise LaunchError("T504", f"training.deepspeed_config: {absent}")
    template = run.model.chat_template
    if template is not None and template not in _BUILTIN_TEMPLATES:
        _demand_recipe_file(run, "model.chat_template", os.path.expanduser(template))


def _demand_recipe_file(run: CompiledRun, what: str, name: str) -> None:
    path = Path(run.recipe_folder, name)
    if not path.is_file():
        hint = "its path counts from the recipe's folder"
        raise LaunchError("T506", f"{what}: there is no file {shorten(path)}", hint)


def _demand_permissions(run: CompiledRun) -> None:
    code = [reward.path for reward in run.rewards if isinstance(reward, FunctionReward)]
    if code and not run.allow_reward_code:
        message = f"training would run Python code of yours: {', '.join(code)}"
        raise LaunchError("T507", message, "read it, then add --allow-reward-code")
    if not run.allow_reward_code and any(isinstance(reward, CodeReward) for reward in run.rewards):
        hint = "add --allow-reward-code; docs/rewards.md says what they are kept from"
        raise LaunchError("T507", "training would run the programs that the model writes (reward code)", hint)
    if run.model.trust_remote_code and not run.allow_remote_code:
        raise remote_code_not_allowed(run, "training")


def remote_code_not_allowed(run: CompiledRun, what: str) -> LaunchError:
    """The error where a model brings code along, and the command line does not allow it."""
    message = f"{what} would run Python code that ships with {run.model.base_model_name}"
    return LaunchError("T508", message, "read it at the pinned revision, then add --trust-remote-code")


def _demand_data(run: CompiledRun) -> None:
    chosen, steps = algorithm(run.algorithm), step_tokens(run.settings)
    entries = [*run.data.datasets, *run.data.eval_datasets]
    for count in count_rows(entries, run.data, chosen.shapes, _FIRST_ROWS, run.thinking, steps):
        if count.report is not None and count.report.invalid and run.data.invalid_rows == "error":
            error = count.report.invalid[0]
            hint = error.hint or "mend the row, or write data.invalid_rows: drop to leave such rows out and count them"
            raise DataError(error.code, f"{count.entry.name}, row {error.row}: {error.message}", hint=hint)
        if count.report is not None and count.report.converter is not None:
            _demand_shape(run, count.entry.name, count.report.converter.shape)
    argument = partial(argument_of, run)
    demand_enough_rows(run.data.datasets, run.data, chosen, argument, run.processes, run.thinking, steps)


def _demand_shape(run: CompiledRun, name: str, shape: RowShape) -> None:
    """Check that rows have what the settings train on."""
    if shape == "text" and run.arguments.get("assistant_only_loss"):
        message = f"{name}: training.assistant_only_loss needs conversations, and its rows are plain text"
        raise DataError("D404", message, setting="format", hint="leave assistant_only_loss out, or name its columns")
    needed = trains_on_completions(run.settings)
    if shape == "prompt" and needed is not None:
        message = f"{name}: {needed} trains on the completions of the data, and its rows are prompts alone"
        hint = "name its completion_column, or write lmbda: 1.0 (pt_coef: 0.0) to train on prompts alone"
        raise DataError("D404", message, setting="completion_column", hint=hint)
