"""``recipe plan``: what will run, without running it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from recipe_engine.cli.common import CheckedRecipe, Overrides, check_or_exit, fail

if TYPE_CHECKING:
    from recipe_engine.compile import Compilation


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(plan)


def plan(
    file: Path = typer.Argument(..., metavar="FILE", help="The recipe (YAML)."),
    overrides: Overrides = None,
    num_gpus: int = typer.Option(0, "--num-gpus", min=0, metavar="N", help="GPUs to plan for; 0 is the CPU."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON, with every default of TRL's too."),
) -> None:
    """Show what a recipe will run: arguments and where each comes from, batch, rows, steps, command, files."""
    checked = check_or_exit(file, overrides or [], num_gpus)

    from recipe_engine.compile import Options, compile_recipe

    compilation = compile_recipe(checked.recipe, checked.document, Options(num_gpus))
    show_plan(checked, compilation, as_json)


def show_plan(checked: CheckedRecipe, compilation: Compilation, as_json: bool) -> None:
    """Print the plan of a compiled run, as text or as JSON."""
    from recipe_engine.data.errors import DataError
    from recipe_engine.launch.command import worker_command
    from recipe_engine.plan.summary import plan_as_data

    try:
        data = plan_as_data(compilation, worker_command(compilation.run))
    except DataError as error:
        fail(error.code, error.message, error.hint)
    typer.echo(json.dumps(data, indent=1) if as_json else "\n".join(_lines(data)))


def _lines(plan: dict[str, Any]) -> list[str]:
    device = "the CPU" if plan["gpus"] == 0 else f"{plan['gpus']} GPUs"
    lines = [f"{plan['run_name']}: {plan['algorithm']} on {device}, {plan['processes']} process(es)", "", "model"]
    model = plan["model"]
    shown = {key: value for key, value in model.items() if value not in (None, False, []) and _matters(key, model)}
    lines += [f"  {key:<22} {_value(value)}" for key, value in shown.items()]
    lines += ["", "data"]
    lines += [f"  {_dataset_line(dataset)}" for dataset in plan["datasets"]]
    lines += ["", "batch", *(f"  {line}" for line in _batch_lines(plan))]
    if plan["rewards"]:
        lines += ["", "rewards"]
        lines += [
            f"  {reward['name'] or reward['type']} ({reward['type']}), weight {reward['weight']}"
            for reward in plan["rewards"]
        ]
    lines += ["", f"{plan['config']} for {plan['trainer']}"]
    lines += [f"  {a['name']:<30} {_value(a['value']):<24} {a['origin']}" for a in plan["arguments"]]
    lines += [f"  and {len(plan['defaults'])} more at TRL's defaults (--json lists them)"]
    lines += ["", "command", f"  {shlex.join(plan['command'])}", "", "writes"]
    lines += [f"  {label:<8} {path}" for label, path in plan["writes"].items()]
    return lines


def _matters(key: str, model: dict[str, Any]) -> bool:
    """Whether a setting has an effect, given the toggle that it hangs on."""
    if key.startswith("lora_"):
        return bool(model["use_lora"])
    return not key.startswith("bnb_") or bool(model["load_in_4bit"])


def _value(value: Any) -> str:
    return json.dumps(value) if isinstance(value, list | dict | bool) or value is None else str(value)


def _dataset_line(dataset: dict[str, Any]) -> str:
    name = f"{dataset['name']} [{dataset['split']}]"
    if dataset["rows"] is None:
        return f"{name}: not on this machine, rows unknown"
    weight = f", weight {dataset['weight']}" if dataset["weight"] is not None else ""
    invalid = f", {dataset['invalid']} invalid" if dataset["invalid"] else ""
    return f"{name}: {dataset['used']} of {dataset['rows']} rows{invalid}, {dataset['format']}{weight}"


def _batch_lines(plan: dict[str, Any]) -> list[str]:
    batch, steps, generation = plan["batch"], plan["steps"], plan.get("generation")
    unit = "completions" if generation else "rows"
    lines = [
        f"{batch['per_device']} per device x {batch['accumulation']} accumulated x {batch['processes']} process(es)"
        f" = {batch['effective']} {unit} an optimizer step"
    ]
    if generation:
        lines.append(
            f"a round samples {generation['completions_per_prompt']} completions of each of {generation['prompts']} prompts"
            f" = {generation['completions']}, used in {generation['micro_batches']} micro-batches,"
            f" {generation['passes']} time(s)"
        )
    if steps["total"] is None:
        lines.append("optimizer steps: unknown until the data is there")
    else:
        about = "" if steps["exact"] else "at most about "
        known = f" from {plan['rows']} rows (before overlong ones are dropped)" if plan["rows"] is not None else ""
        lines.append(f"{about}{steps['total']} optimizer steps{known}, {steps['warmup']} of them warmup")
    return lines
