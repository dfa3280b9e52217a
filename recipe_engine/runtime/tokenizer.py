"""The tokenizer: loaded, given its chat template and special tokens, and checked."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerBase
from trl.chat_template_utils import has_generation_markers, is_chat_template_stop_token_trained

from recipe_engine.compiled import CompiledRun
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.instruction import with_instruction
from recipe_engine.runtime.thoughts import check_thinking

Say = Callable[[str], None]

CHATML_END = "<|im_end|>"
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
            # A tokenizer from elsewhere is at no pinned revision, so code that ships with it is not run.
            trust_remote_code=run.model.trust_remote_code and run.model.tokenizer_name is None,
            padding_side="left" if run.rewards else "right",
        )
    except (OSError, ValueError, ImportError) as error:
        raise RunError(f"the tokenizer of {source} cannot be loaded: {_first_line(error)}") from error
    # Rows are measured before they are cut or dropped, so a long one is no reason for the library's warning.
    tokenizer.deprecation_warnings["sequence-length-is-longer-than-the-specified-maximum"] = True
    _set_special_token(tokenizer, "eos_token", run.model.eos_token)
    _set_special_token(tokenizer, "pad_token", run.model.pad_token)
    if run.model.chat_template is not None:
        tokenizer.chat_template = _template(run)
    if run.model.chat_template == "chatml":
        _note_chatml_tokens(tokenizer, say)
    if tokenizer.eos_token is None:
        raise RunError("the tokenizer has no end-of-sequence token", hint="name one: model.eos_token")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
        say(f"pad_token: the tokenizer has none, so {tokenizer.eos_token!r} pads (padding is masked by position)")
    _note_untrained_stop(run, tokenizer, say)
    _check_model(run, model_path, tokenizer)
    if run.thinking is not None and run.thinking.instruction is not None:
        _instruct(tokenizer, run.thinking.instruction)
    check_thinking(run, model_path, tokenizer, say)
    return tokenizer


def _template(run: CompiledRun) -> str:
    name = str(run.model.chat_template)
    if name == "chatml":
        return CHATML
    path = Path(run.recipe_folder, os.path.expanduser(name))
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise RunError(f"model.chat_template: {path} cannot be read: {error.strerror}") from error


def _instruct(tokenizer: PreTrainedTokenizerBase, instruction: str) -> None:
    if not isinstance(tokenizer.chat_template, str):
        raise RunError(
            "thinking.instruction is put before the chat template, and the tokenizer has none",
            hint="name a template: model.chat_template: chatml, or a file",
        )
    tokenizer.chat_template = with_instruction(tokenizer.chat_template, instruction)


def _note_chatml_tokens(tokenizer: PreTrainedTokenizerBase, say: Say) -> None:
    """A turn should end with the one token that generation stops at."""
    if CHATML_END not in tokenizer.get_vocab():
        say(f"chat_template: {CHATML_END} is not one token of this vocabulary, so a turn ends with several")
    elif tokenizer.eos_token != CHATML_END:
        say(f"chat_template: turns end with {CHATML_END}, generation with {tokenizer.eos_token!r} (model.eos_token)")


def _note_untrained_stop(run: CompiledRun, tokenizer: PreTrainedTokenizerBase, say: Say) -> None:
    """TRL says this too, but only where it masks the rows itself."""
    if not run.arguments.get("assistant_only_loss") or tokenizer.chat_template is None:
        return
    if has_generation_markers(tokenizer.chat_template) and not is_chat_template_stop_token_trained(tokenizer):
        say("chat_template: the token that ends the assistant's turn is outside its markers: stopping is not trained")


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
