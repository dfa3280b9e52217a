"""L376 step-token-not-one-token (error)

A process reward model judges a step at one token, and its judgement is one token: ``placeholder_token`` and each of
``reward_tokens`` must be one token of the vocabulary. Several that are the same would make the judgements equal.

This is known here for the embedded models, whose vocabulary is ASCII, and for a tokenizer in a local folder. For others
training checks it before the model is loaded.

Fails:
    data:
      datasets:
        - name: builtin/step-labels
    training:
      algorithm: process_reward
      placeholder_token: ки
Fails:
    training:
      algorithm: process_reward
      placeholder_token: "#"
      reward_tokens: ["+", "+"]
Passes:
    data:
      datasets:
        - name: builtin/step-labels
    training:
      algorithm: process_reward
      placeholder_token: "#"
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec

from recipe_engine.data.location import locate
from recipe_engine.lint.facts import first_given
from recipe_engine.lint.report import shown
from recipe_engine.lint.rule import Context, Finding
from recipe_engine.source import Path

HINT = "name a token that the vocabulary has, such as a reserved special token; none is added to it"


def check(context: Context) -> Iterator[Finding]:
    if "stepwise" not in context.algorithm.shapes:
        return
    rewards = context.argument("reward_tokens")
    path: Path = ("training", "reward_tokens")
    if len(set(rewards)) < len(rewards):
        yield Finding(path, f"two of reward_tokens are the same: {shown(', '.join(rewards))}", hint="write each once")
        return
    is_one = _vocabulary(context)
    if is_one is None:
        return
    for key, token in [
        ("placeholder_token", context.argument("placeholder_token")),
        *(("reward_tokens", t) for t in rewards),
    ]:
        if not is_one(token):
            place = first_given(context, ("training", key), ("training", "algorithm"))
            yield Finding(place, f"{key}: {shown(token)} is not one token of the vocabulary", hint=HINT)


def _vocabulary(context: Context) -> Callable[[str], bool] | None:
    """Tells whether a text is one token; none where the tokenizer cannot be read here."""
    model = context.recipe.model
    name = model.tokenizer_name or model.base_model_name
    location = locate(name)
    if location.kind == "builtin":
        return lambda token: token.isascii() and (len(token) == 1 or token.startswith("<|"))
    file = os.path.join(location.value, "tokenizer.json")
    if location.kind != "local" or not os.path.isfile(file) or find_spec("tokenizers") is None:
        return None
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(file)
    except Exception:  # noqa: BLE001 - tokenizers raises nothing narrower; loading will say what is wrong with it
        return None
    return lambda token: len(tokenizer.encode(token, add_special_tokens=False).ids) == 1
