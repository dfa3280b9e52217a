"""L427 does-not-fit (warning)

By its sizes the run needs more memory than a GPU has (``launch.gpu_memory_gib``). What it needs is worked out from the
model's files or its name, for rows as long as ``data.max_length``: `recipe plan` shows every part. Where rows are
shorter it may fit all the same.

Fails:
    # with --num-gpus 1
    model:
      base_model_name: Qwen/Qwen3-14B
    launch:
      strategy: single
Fails:
    # with --num-gpus 8
    model:
      base_model_name: Qwen/Qwen2.5-32B
    launch:
      strategy: ddp
Passes:
    # with --num-gpus 8
    model:
      base_model_name: Qwen/Qwen2.5-32B
Passes:
    # with --num-gpus 0
    model:
      base_model_name: meta-llama/Llama-3.1-70B
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.facts import first_given
from recipe_engine.lint.rule import Context, Finding
from recipe_engine.parallel.deepspeed_file import stage_of
from recipe_engine.parallel.memory import GIB
from recipe_engine.parallel.remedies import remedies
from recipe_engine.parallel.strategy import choose


def check(context: Context) -> Iterator[Finding]:
    recipe, processes = context.recipe, context.processes
    if not context.gpus or processes is None or context.argument("per_device_train_batch_size") < 1:
        return
    file = recipe.training.deepspeed_config
    if file is not None and stage_of(file) not in {1, 2, 3}:
        return  # rules on the file say what is wrong with it
    choice = choose(recipe, context.gpus, processes)
    room = recipe.launch.gpu_memory_gib
    if choice.memory is None or choice.memory.device <= room * GIB:
        return
    found = list(remedies(recipe, choice.placement(processes)))
    hint = "what lowers it, from the cheapest on: " + "; ".join(found) if found else "take a smaller model"
    yield Finding(
        first_given(context, ("launch", "strategy"), ("training", "deepspeed_config"), ("model", "base_model_name")),
        f"{choice.strategy} on {processes} GPU{'s' if processes > 1 else ''} needs about "
        f"{choice.memory.device / GIB:.0f} GiB on each, which has {room:g}; `recipe plan` shows of what",
        hint=hint,
    )
