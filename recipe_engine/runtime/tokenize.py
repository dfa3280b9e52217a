"""From a row of text to token ids and labels, as TRL's trainers would make them.

TRL tokenizes inside its trainers, after the model is loaded, and drops or cuts overlong rows there without counting
them. Rows are tokenized here instead, before; a test compares the ids with those of TRL's trainers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from transformers import PreTrainedTokenizerBase
from trl.chat_template_utils import get_training_chat_template, has_generation_markers

from recipe_engine.data.errors import RowError
from recipe_engine.data.messages import Message
from recipe_engine.recipe.data import RowShape
from recipe_engine.runtime.errors import RunError

IGNORED = -100
"""Label of a token that is not trained, as torch's cross-entropy has it."""

Row = dict[str, Any]
Tokenize = Callable[[Row], Row]


@dataclass(frozen=True, slots=True)
class Masking:
    """Whether only the assistant's tokens of a conversation are trained, and the template that marks them, where it is
    not the tokenizer's own."""

    assistant_only: bool = False
    template: str | None = None


WHOLE = Masking()


def tokenizer_for(shape: RowShape, tokenizer: PreTrainedTokenizerBase, arguments: Mapping[str, Any]) -> Tokenize:
    """The function that tokenizes rows of a shape, for a trainer with these arguments.

    Raises:
        RunError: ``assistant_only_loss`` is asked for, and the template cannot tell the assistant's tokens.
    """
    if shape == "preference":
        return partial(tokenize_preference, tokenizer)
    if shape == "prompt":
        return partial(measure_prompt, tokenizer)
    completion_only = arguments.get("completion_only_loss")
    assistant_only = bool(arguments.get("assistant_only_loss", False))
    masking = Masking(assistant_only, _template_with_markers(tokenizer) if assistant_only else None)
    if shape == "prompt_completion":
        return partial(tokenize_completion, tokenizer, completion_only=completion_only is not False, masking=masking)
    return partial(tokenize_whole, tokenizer, masking=masking)


def tokenize_whole(tokenizer: PreTrainedTokenizerBase, row: Row, *, masking: Masking = WHOLE) -> Row:
    """A text or a conversation, every token trained, or in a conversation the assistant's alone."""
    if "text" in row:
        ids = _ids(tokenizer, _ended(tokenizer, row["text"]))
        return {"input_ids": ids, "labels": list(ids), "prompt_length": 0}
    rendered = _rendered(tokenizer, row["messages"], row, masking)
    return {
        "input_ids": rendered["input_ids"],
        "labels": _labels(rendered, "messages"),
        "prompt_length": 0,
    }


def tokenize_completion(
    tokenizer: PreTrainedTokenizerBase, row: Row, *, completion_only: bool = True, masking: Masking = WHOLE
) -> Row:
    """A prompt and its completion; with ``completion_only`` the prompt's labels are ignored."""
    prompt, completion = row["prompt"], row["completion"]
    if isinstance(prompt, str):
        prompt_ids = _ids(tokenizer, prompt)
        rendered = {"input_ids": _ids(tokenizer, prompt + _ended(tokenizer, completion))}
    else:
        prompt_ids = _prompt_ids(tokenizer, prompt, row, masking)
        rendered = _rendered(tokenizer, prompt + completion, row, masking)
    length = shared_length(prompt_ids, rendered["input_ids"])
    labels = _labels(rendered, "completion")
    if completion_only:
        labels = [IGNORED] * length + labels[length:]
    return {"input_ids": rendered["input_ids"], "labels": labels, "prompt_length": length}


def tokenize_preference(tokenizer: PreTrainedTokenizerBase, row: Row) -> Row:
    """A prompt with a chosen and a rejected response."""
    prompt, chosen, rejected = row["prompt"], row["chosen"], row["rejected"]
    if isinstance(prompt, str):
        prompt_ids = _ids(tokenizer, prompt)
        chosen_ids = _ids(tokenizer, prompt + _ended(tokenizer, chosen))
        rejected_ids = _ids(tokenizer, prompt + _ended(tokenizer, rejected))
    else:
        prompt_ids = _prompt_ids(tokenizer, prompt, row, WHOLE)
        chosen_ids = _rendered(tokenizer, prompt + chosen, row, WHOLE)["input_ids"]
        rejected_ids = _rendered(tokenizer, prompt + rejected, row, WHOLE)["input_ids"]
    length = min(shared_length(prompt_ids, chosen_ids), shared_length(prompt_ids, rejected_ids))
    return {
        "prompt_ids": prompt_ids[:length],
        "chosen_ids": chosen_ids[length:],
        "rejected_ids": rejected_ids[length:],
    }


def measure_prompt(tokenizer: PreTrainedTokenizerBase, row: Row) -> Row:
    """A prompt stays text, for the trainer samples from it; its length is what it will have there."""
    prompt = row["prompt"]
    ids = _ids(tokenizer, prompt) if isinstance(prompt, str) else _prompt_ids(tokenizer, prompt, row, WHOLE)
    return {**row, "prompt_length": len(ids)}


def shared_length(ids: list[int], others: list[int]) -> int:
    """How many leading tokens two sequences share: the response begins where they part."""
    for index, (one, other) in enumerate(zip(ids, others, strict=False)):
        if one != other:
            return index
    return min(len(ids), len(others))


def _template_with_markers(tokenizer: PreTrainedTokenizerBase) -> str | None:
    if tokenizer.chat_template is None or has_generation_markers(tokenizer.chat_template):
        return None
    try:
        patched: str | None = get_training_chat_template(tokenizer)
    except ValueError as error:
        raise RunError(
            "assistant_only_loss: the chat template does not mark the assistant's tokens",
            hint="put {% generation %} ... {% endgeneration %} around them in a template of your own, model.chat_template",
        ) from error
    return patched


def _prompt_ids(tokenizer: PreTrainedTokenizerBase, messages: list[Message], row: Row, masking: Masking) -> list[int]:
    """A chat prompt with the tag that opens the assistant's turn."""
    rendered: Any = tokenizer.apply_chat_template(
        messages,
        tools=_tools(row),
        chat_template=masking.template,
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
    )
    ids: list[int] = rendered["input_ids"]
    return ids


def _rendered(
    tokenizer: PreTrainedTokenizerBase, messages: list[Message], row: Row, masking: Masking
) -> dict[str, list[int]]:
    rendered: Any = tokenizer.apply_chat_template(
        messages,
        tools=_tools(row),
        chat_template=masking.template,
        tokenize=True,
        return_dict=True,
        return_assistant_tokens_mask=masking.assistant_only,
    )
    return dict(rendered)


def _tools(row: Row) -> Any:
    tools = row.get("tools")
    return json.loads(tools) if isinstance(tools, str) else tools


def _labels(rendered: dict[str, list[int]], column: str) -> list[int]:
    ids, mask = rendered["input_ids"], rendered.get("assistant_masks")
    if mask is None:
        return list(ids)
    if not any(mask):
        raise RowError(column, "has no token that the template marks as the assistant's")
    return [token if trained else IGNORED for token, trained in zip(ids, mask, strict=True)]


def _ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    ids: list[int] = tokenizer(text=text)["input_ids"]
    return ids


def _ended(tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    """The text with the token that ends it, so that the model learns to stop."""
    end = str(tokenizer.eos_token)
    return text if text.endswith(end) else text + end
