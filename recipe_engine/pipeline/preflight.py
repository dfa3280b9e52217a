"""What only this machine and this moment can tell, checked before the first stage of a pipeline runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from recipe_engine.launch.errors import LaunchError, install_hint
from recipe_engine.launch.gpus import demand_gpus
from recipe_engine.launch.paths import shorten
from recipe_engine.launch.run_folder import demand_writable
from recipe_engine.pipeline.basis import missing_inputs
from recipe_engine.pipeline.errors import PipelineError
from recipe_engine.pipeline.graph import Node
from recipe_engine.pipeline.instances import Instance
from recipe_engine.pipeline.outside import outside_of
from recipe_engine.pipeline.resolve import Work, compile_train, loads_model
from recipe_engine.recipe.rewards import CodeReward, FunctionReward, Reward
from recipe_engine.recipe.stages.generate import VllmEngine


def preflight(work: Work) -> None:
    """Check GPUs, packages, permissions, the folder, and the rows and models from outside.

    Raises:
        LaunchError: something is missing or not allowed.
        PipelineError: the key of a service is not set.
    """
    demand_gpus(work.gpus)
    demand_writable(Path(work.output_dir), work.output_option)
    for node in work.graph.nodes:
        instance = Instance(node, 0 if node.loop is not None else None)
        for package, extra in _packages(node):
            if find_spec(package) is None:
                message = f"{node.id} needs the package {package}, which is not installed"
                raise LaunchError("T510", message, install_hint(extra))
        _demand_permissions(work, instance)
        _demand_inputs(work, instance)
        _demand_keys(node)


def _packages(node: Node) -> Iterator[tuple[str, str]]:
    if loads_model(node.stage):
        yield "torch", "train"
    if node.recipe is not None:
        yield "trl", "train"
    if isinstance(getattr(node.stage, "engine", None), VllmEngine):
        yield "vllm", "vllm"
    if any(reward.type == "math" for reward in getattr(node.stage, "rewards", [])):
        yield "math_verify", "train"
    if getattr(node.stage, "tasks", []):
        yield "lm_eval", "lm-eval"


def _demand_permissions(work: Work, instance: Instance) -> None:
    rewards: list[Reward] = list(getattr(instance.node.stage, "rewards", []))
    if instance.node.recipe is not None:
        run = compile_train(work, instance).run
        rewards = run.rewards
        if run.model.trust_remote_code and not work.allow_remote_code:
            message = f"{instance.node.id} would run Python code that ships with {run.model.base_model_name}"
            raise LaunchError("T508", message, "read it at the pinned revision, then add --trust-remote-code")
    if work.allow_reward_code:
        return
    own = [task for task in getattr(instance.node.stage, "tasks", []) if task.endswith((".yaml", ".yml"))]
    if own:
        message = f"{instance.node.id} would run what a task of yours names, which may be Python code: {own[0]}"
        raise LaunchError("T507", message, "read it, then add --allow-reward-code")
    for reward in rewards:
        if isinstance(reward, FunctionReward):
            message = f"{instance.node.id} would run Python code of yours: {reward.path}"
            raise LaunchError("T507", message, "read it, then add --allow-reward-code")
        if isinstance(reward, CodeReward):
            hint = "add --allow-reward-code; docs/rewards.md says what they are kept from"
            raise LaunchError("T507", f"{instance.node.id} would run the programs that the model writes", hint)


def _demand_keys(node: Node) -> None:
    for holder in [getattr(node.stage, "engine", None), *getattr(node.stage, "rewards", [])]:
        variable = getattr(holder, "api_key_env", None)
        if variable and not os.environ.get(variable, "").strip():
            message = f"{node.id}: the environment variable {variable}, which holds a service's key, is not set"
            raise PipelineError("P207", message, f"set it: export {variable}=...")


def _demand_inputs(work: Work, instance: Instance) -> None:
    """Check what a stage reads from outside of the pipeline and this machine should hold."""
    node = instance.node
    for one in outside_of(work, node):
        if one.wants == "model":
            one.demand_model()
    for name in missing_inputs(work, instance):
        hint = "relative paths count from the current folder"
        raise LaunchError("T505", f"{node.id}: there is no {shorten(name)}", hint)
