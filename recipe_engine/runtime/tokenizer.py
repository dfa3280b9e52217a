"""The tokenizer: loaded, given its chat template and special tokens, and checked."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerBase

from recipe_engine.compiled import CompiledRun
from recipe_engine.runtime.errors import RunError

Say = Callable[[str], None]

# The widely used ChatML layout, with the markers that let the assistant's tokens be told from the rest.
CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\\n' }}"
    "{% else %}{{ message['content'] + '<|im_end|>\\n' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def load_tokenizer(run: CompiledRun, model_path: str, say: Say) -> PreTrainedTokenizerBase:
    """The tokenizer of the run.

    Raises:
        RunError: it cannot be loaded, a special token is not in the vocabulary, or it does not fit the model.
    """
    source = run.model.tokenizer_name or model_path
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            source,
            revision=None if run.model.tokenizer_name else run.model.revision,
            trust_remote_code=run.model.trust_remote_code,
            padding_side="left" if run.rewards else "right",
        )
    except (OSError, ValueError) as error:
        raise RunError(f"the tokenizer of {source} cannot be loaded: {_first_line(error)}") from error
    _set_special_token(tokenizer, "eos_token", run.model.eos_token)
    _set_special_token(tokenizer, "pad_token", run.model.pad_token)
    if run.model.chat_template is not None:
        tokenizer.chat_template = _template(run)
    if tokenizer.eos_token is None:
        raise RunError("the tokenizer has no end-of-sequence token", hint="name one: model.eos_token")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
        say(f"pad_token: the tokenizer has none, so {tokenizer.eos_token!r} pads (padding is masked by position)")
    _check_model(run, model_path, tokenizer)
    return tokenizer


def demand_chat_template(tokenizer: PreTrainedTokenizerBase, dataset: str) -> None:
    """Chat rows cannot be rendered without a template; guessing one would train on a layout nobody asked for.

    Raises:
        RunError: the tokenizer has none.
    """
    if tokenizer.chat_template is None:
        raise RunError(
            f"the rows of {dataset} are chat messages, and the tokenizer has no chat template",
            hint="start from an instruction-tuned model, or name a template: model.chat_template: chatml, or a file",
        )


def _template(run: CompiledRun) -> str:
    name = str(run.model.chat_template)
    if name == "chatml":
        return CHATML
    path = Path(run.recipe_folder, os.path.expanduser(name))
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise RunError(f"model.chat_template: {path} cannot be read: {error.strerror}") from error


def _set_special_token(tokenizer: PreTrainedTokenizerBase, name: str, token: str | None) -> None:
    if token is None:
        return
    if token not in tokenizer.get_vocab():
        raise RunError(f"model.{name}: {token!r} is not one token of the vocabulary")
    setattr(tokenizer, name, token)


def _check_model(run: CompiledRun, model_path: str, tokenizer: PreTrainedTokenizerBase) -> None:
    """A token or a position beyond what the model embeds would be an IndexError in the middle of training."""
    try:
        config: Any = AutoConfig.from_pretrained(
            model_path, revision=run.model.revision, trust_remote_code=run.model.trust_remote_code
        )
    except (OSError, ValueError) as error:
        raise RunError(f"the model {run.model.base_model_name} cannot be loaded: {_first_line(error)}") from error
    config = config.get_text_config()
    positions = getattr(config, "max_position_embeddings", None)
    if positions is not None and run.data.max_length > positions:
        raise RunError(f"data.max_length is {run.data.max_length}, and the model takes {positions} positions at most")
    rows = config.vocab_size
    if len(tokenizer) > rows:
        raise RunError(
            f"the tokenizer has {len(tokenizer)} tokens, the model embeds {rows}",
            hint="use the model's own tokenizer (leave model.tokenizer_name out)",
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
