"""A plan as text."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from typing import Any

from recipe_engine.diagnostics.text import counted
from recipe_engine.diagnostics.visible import columns, visible
from recipe_engine.launch.paths import shorten
from recipe_engine.parallel.memory import GIB, in_bytes

_VALUE_COLUMNS = 36
"""A value longer than this has what belongs beside it on the next line, so that it does not push all others aside."""

_TELLING = ("learning_rate", "lr_scheduler_type", "num_train_epochs", "save_steps", "logging_steps", "seed")
"""Arguments that are shown also where nothing but TRL's default stands behind them."""


def plan_as_text(plan: dict[str, Any]) -> str:
    """What ``plan_as_data`` gives, for people. Paths in the current folder are shown as seen from there."""
    device = "the CPU" if plan["gpus"] == 0 else counted(plan["gpus"], "GPU")
    processes = _processes(plan["processes"]) + _machines(plan["nodes"])
    head = f"{plan['run_name']}: {plan['algorithm']} on {device}, {processes}"
    sections = [
        ("model", _table([(key, _shown(value)) for key, value in _model(plan["model"]).items()])),
        ("data", [_dataset(dataset, plan["invalid_rows"]) for dataset in plan["datasets"]]),
        ("evaluation", _evaluation(plan)),
        ("batch", _batch(plan)),
        ("strategy", _strategy(plan)),
        ("memory of each GPU, at the peak (GiB)", _memory(plan["memory"])),
        ("disk", _disk(plan["disk"])),
        ("rewards", [_reward(reward) for reward in plan["rewards"]]),
        (f"settings of {plan['algorithm']}", _table([_argument(one) for one in plan["settings"]])),
        (f"{plan['config']} for {plan['trainer']}", _arguments(plan)),
        ("command", [shlex.join(shorten(part) for part in plan["command"])]),
        ("writes", _table([(label, shorten(path)) for label, path in plan["writes"].items()])),
    ]
    lines = [visible(head)]
    for title, section in sections:
        if section:
            lines += ["", title, *(f"  {visible(line)}" for line in section)]
    return "\n".join(lines)


def _model(model: dict[str, Any]) -> dict[str, Any]:
    """The settings that have an effect: set, and not hanging on a toggle that is off."""
    return {key: value for key, value in model.items() if value not in (None, False, []) and _matters(key, model)}


def _matters(key: str, model: dict[str, Any]) -> bool:
    if key.startswith("lora_"):
        return bool(model["use_lora"])
    return not key.startswith("bnb_") or bool(model["load_in_4bit"])


def _dataset(dataset: dict[str, Any], invalid_rows: str) -> str:
    name = f"{shorten(dataset['name'])} [{dataset['split']}]"
    weight = f", weight {dataset['weight']:g}" if dataset["weight"] is not None else ""
    if dataset["rows"] is None:
        if dataset["missing"]:
            return f"{name}: not there yet, so its rows are unknown; training needs it{weight}"
        return f"{name}: rows unknown until it is fetched{weight}"
    invalid = dataset["invalid"]
    fate = "stops the run" if invalid_rows == "error" else "dropped"
    note = f", {counted(invalid, 'row')} invalid ({fate})" if invalid else ""
    return f"{name}: {dataset['used']} of {counted(dataset['rows'], 'row')}{note}, {dataset['format']}{weight}"


def _evaluation(plan: dict[str, Any]) -> list[str]:
    holdout = plan["eval_holdout"]
    if holdout is not None:
        return [f"{holdout:.0%} of the rows are held out" if holdout < 1 else f"{int(holdout)} rows are held out"]
    return [_dataset(dataset, plan["invalid_rows"]) for dataset in plan["eval_datasets"]]


def _batch(plan: dict[str, Any]) -> list[str]:
    batch, generation = plan["batch"], plan.get("generation")
    unit = "completions" if generation else "rows"
    lines = [
        f"{batch['per_device']} per device x {batch['accumulation']} accumulated x {_processes(batch['processes'])}"
        f" = {batch['effective']} {unit} an optimizer step"
    ]
    if generation:
        times = "once" if generation["passes"] == 1 else f"{generation['passes']} times"
        lines += [
            f"a round samples {generation['completions_per_prompt']} completions of each of"
            f" {counted(generation['prompts'], 'prompt')} = {generation['completions']}, used {times} in"
            f" {generation['micro_batches']} micro-batch{'' if generation['micro_batches'] == 1 else 'es'}",
            f"prompts an optimizer step: {generation['prompts_per_step']:g};"
            f" optimizer steps a round: {generation['steps_per_round']:g}",
        ]
        if generation["samplings"] > 1:
            lines.append(
                "groups without spread are drawn again from other prompts: a round may sample up to"
                f" {generation['samplings']} times as many, which no epoch counts"
            )
    return [*lines, _steps(plan), *_rounds(plan)]


def _strategy(plan: dict[str, Any]) -> list[str]:
    return [f"{plan['strategy']}: {plan['strategy_why']}"]


def _memory(memory: dict[str, Any] | None) -> list[str]:
    """A table of what is held, with a column for host memory where something lies there."""
    if memory is None:
        return []
    training, sampling = (sum(line["gpu"] for line in memory[part]) for part in ("training", "sampling"))
    lines = [*memory["states"], *memory["training"], *memory["sampling"], memory["overhead"]]
    offloads = any(line["host"] for line in lines)
    # Training and sampling take turns: what the smaller of them holds does not count.
    aside = memory["sampling"] if training >= sampling else memory["training"]
    rows = [
        (f"{line['what']}{' (not at the peak)' if line in aside and line['gpu'] else ''}", *_amounts(line, offloads))
        for line in lines
    ]
    has = f"of {memory['gpu_has'] / GIB:g} (launch.gpu_memory_gib)"
    rows.append(("together", *_amounts({"gpu": memory["gpu"], "host": memory["host"]}, offloads)))
    shown = _table(rows)
    notes = [f"assumed: {text}" for text in memory["assumptions"]]
    notes += [f"left out, for nothing tells its size: {name}" for name in memory["unknown"]]
    return [*(line.rstrip() for line in shown[:-1]), f"{shown[-1].rstrip()}  {has}", *notes]


def _amounts(line: dict[str, Any], offloads: bool) -> tuple[str, ...]:
    gpu = f"{line['gpu'] / GIB:7.1f}"
    if not offloads:
        return (gpu,)
    return (gpu, f"{line['host'] / GIB:7.1f} in host memory" if line["host"] else "")


def _disk(disk: dict[str, Any] | None) -> list[str]:
    if disk is None:
        return []
    model, checkpoint, total = (in_bytes(disk[name]) for name in ("model", "checkpoint", "total"))
    if disk["checkpoints"] is None:
        many = f"a checkpoint {checkpoint}, of which save_total_limit may bound the number"
    else:
        many = f"{counted(disk['checkpoints'], 'checkpoint')} of {checkpoint} at once; together {total}"
    return [f"model {model}; {many}"]


def _rounds(plan: dict[str, Any]) -> list[str]:
    rounds = plan.get("generation", {}).get("rounds")
    return [] if rounds is None else [f"{counted(rounds, 'round')} of sampling in all"]


def _steps(plan: dict[str, Any]) -> str:
    steps, rows = plan["steps"], plan["rows"]
    if steps["total"] is None:
        if rows is None:
            return "optimizer steps: unknown until the rows are"
        return f"optimizer steps: {counted(rows, 'row')} are packed, and only training counts into how many sequences"
    warmup = f", {steps['warmup']} of them warmup" if steps["warmup"] else ""
    about = "" if steps["certainty"] == "exact" else f"{steps['certainty']} "
    line = f"{about}{counted(steps['total'], 'optimizer step')}{warmup}"
    if rows is None:
        return line
    fewer = "; those over a length limit are dropped, which only training counts" if plan["drops_overlong_rows"] else ""
    return f"{line}, from {counted(rows, 'row')}{fewer}"


def _reward(reward: dict[str, Any]) -> str:
    name = reward["name"] or reward["type"]
    return f"{name} ({reward['type']}), weight {reward['weight']:g}"


def _arguments(plan: dict[str, Any]) -> list[str]:
    rows = [_argument(one) for one in plan["arguments"]]
    defaults = plan["defaults"]
    telling = [name for name in _TELLING if name in defaults]
    rows += [(name, _shown(defaults[name]), "default of TRL") for name in telling]
    return [*_table(rows), f"and {len(defaults) - len(telling)} more at TRL's defaults (--json lists them)"]


def _argument(argument: dict[str, Any]) -> tuple[str, str, str]:
    return argument["name"], _shown(argument["value"]), _origin(argument["origin"])


def _origin(origin: str) -> str:
    """Where a value came from; a file's path as seen from here."""
    kind, _, place = origin.rpartition("parent ")
    file, colon, line = place.rpartition(":")
    return f"{kind}{'parent ' if origin != place else ''}{shorten(file)}{colon}{line}" if line.isdigit() else origin


def _processes(count: int) -> str:
    return "1 process" if count == 1 else f"{count} processes"


def _machines(count: int) -> str:
    return "" if count == 1 else f" on {count} machines"


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return shorten(value) if os.path.isabs(value) else value
    return json.dumps(value, ensure_ascii=False)


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows of two or three cells, one below the other."""
    names = max((columns(row[0]) for row in rows), default=0)
    values = min(max((columns(row[1]) for row in rows), default=0), _VALUE_COLUMNS)
    lines: list[str] = []
    for name, value, *others in rows:
        line = f"{_padded(name, names)}  {value}"
        if others and columns(value) > values:
            lines += [line, f"{' ' * names}  {' ' * values}  {others[0]}"]
        elif others:
            lines.append(f"{_padded(name, names)}  {_padded(value, values)}  {others[0]}")
        else:
            lines.append(line)
    return lines


def _padded(text: str, width: int) -> str:
    return text + " " * (width - columns(text))
