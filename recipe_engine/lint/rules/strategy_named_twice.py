"""L324 strategy-named-twice (error)

``training.deepspeed_config`` names a file that says how the model is spread and what lies in host memory.
``launch.strategy`` and ``launch.offload_*`` say the same to the engine, which then writes DeepSpeed's configuration
itself. Only one of the two can be followed.

Fails:
    # beside: zero3.json {"zero_optimization": {"stage": 3, "stage3_gather_16bit_weights_on_model_save": true}}
    training:
      deepspeed_config: zero3.json
    launch:
      strategy: fsdp2
Fails:
    # beside: zero3.json {"zero_optimization": {"stage": 3, "stage3_gather_16bit_weights_on_model_save": true}}
    training:
      deepspeed_config: zero3.json
    launch:
      offload_optimizer: true
Passes:
    # beside: zero3.json {"zero_optimization": {"stage": 3, "stage3_gather_16bit_weights_on_model_save": true}}
    training:
      deepspeed_config: zero3.json
Passes:
    launch:
      strategy: zero3
      offload_optimizer: true
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    launch, file = context.recipe.launch, context.recipe.training.deepspeed_config
    if file is None:
        return
    if launch.strategy != "auto":
        yield Finding(
            ("launch", "strategy"),
            f"launch.strategy is {launch.strategy}, and {file} says how the model is spread too",
            hint="remove training.deepspeed_config: the engine writes DeepSpeed's configuration from the recipe; "
            "or remove launch.strategy",
        )
    for name in ("offload_optimizer", "offload_parameters"):
        if getattr(launch, name):
            theirs = "offload_param" if name == "offload_parameters" else name
            hint = f'write "{theirs}": {{"device": "cpu"}} under zero_optimization there, or remove deepspeed_config'
            message = f"launch.{name} has no effect: {file} says what lies in host memory"
            yield Finding(("launch", name), message, hint=hint)
