"""L429 deepspeed-file-malformed (error)

A DeepSpeed file holds a setting that DeepSpeed does not know, or a value of another kind than it takes. At the top of
the file an unknown name is passed over without a word, so that a misspelt section leaves its default in force; under
``zero_optimization`` it ends the training as it begins. The names are those of DeepSpeed 0.19.8.

Fails:
    # beside: ds.json {"zero_optimisation": {"stage": 2}}
    training:
      deepspeed_config: ds.json
Fails:
    # beside: ds.json {"zero_optimization": {"stage": 2, "overlap_com": true}}
    training:
      deepspeed_config: ds.json
Fails:
    # beside: ds.json {"zero_optimization": {"stage": 7}}
    training:
      deepspeed_config: ds.json
Fails:
    # beside: ds.json {"zero_optimization": {"stage": 2}, "fp16": "yes"}
    training:
      deepspeed_config: ds.json
      fp16: true
Passes:
    # beside: ds.json {"zero_optimization": {"stage": 2, "overlap_comm": true}, "bf16": {"enabled": "auto"}}
    training:
      deepspeed_config: ds.json
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.diagnostics.spelling import nearest
from recipe_engine.lint.report import shown
from recipe_engine.lint.rule import Context, Finding
from recipe_engine.parallel.deepspeed_file import read_deepspeed_config, unknown_keys, wrong_shapes
from recipe_engine.parallel.deepspeed_keys import REMOVED

PATH = ("training", "deepspeed_config")


def check(context: Context) -> Iterator[Finding]:
    file = context.recipe.training.deepspeed_config
    try:
        config = read_deepspeed_config(file)
    except ValueError:
        return  # deepspeed-disagrees reports it
    if config is None:
        return
    for where, name, known in unknown_keys(config):
        if name in REMOVED:
            yield Finding(
                PATH, f"{file}: DeepSpeed has no {where}{name} any more, and refuses it", hint="remove it there"
            )
            continue
        meant = nearest(name, known)
        hint = "remove it there" if meant is None else f"did you mean {where}{meant}?"
        yield Finding(PATH, f"{file}: DeepSpeed knows no setting {where}{name}", hint=hint)
    for name, value, wanted in wrong_shapes(config):
        key = name.rpartition(".")[2]
        hint = f'write "{key}": {2 if key == "stage" else "{...}"} there, as DeepSpeed documents it'
        yield Finding(PATH, f"{file}: {name} is {shown(value)}; it has to be {wanted}", hint=hint)
