"""From a row of text to token ids and labels, as TRL's trainers would make them.

TRL tokenizes inside its trainers, after the model is loaded, and drops or cuts overlong rows there without counting
them. Rows are tokenized here instead, before; a test compares the ids with those of TRL's trainers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from functools import partial
from typing import Any

from transformers import PreTrainedTokenizerBase
from trl.chat_template_utils import get_training_chat_template, has_generation_markers

from recipe_engine.data.errors import RowError
from recipe_engine.data.steps import StepTokens
from recipe_engine.recipe.data import RowShape
from recipe_engine.recipe.thinking import ThinkingBlock
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.instruction import parted
from recipe_engine.runtime.rendering import WHOLE, Masking, ids_of, prompt_ids_of, rendered_of
from recipe_engine.runtime.thoughts import Opener, no_opening, thought_opener, thoughts_kept
from recipe_engine.runtime.tokenize_steps import step_ids, tokenize_steps

IGNORED = -100
"""Label of a token that is not trained, as torch's cross-entropy has it."""

Row = dict[str, Any]
Tokenize = Callable[[Row], Row]


def tokenizer_for(
    shape: RowShape,
    tokenizer: PreTrainedTokenizerBase,
    arguments: Mapping[str, Any],
    thinking: ThinkingBlock | None = None,
    steps: StepTokens | None = None,
) -> Tokenize:
    """The function that tokenizes rows of a shape, for a trainer with these arguments and tokens for steps.

    With a ``thinking`` block, prompts are measured with the opening tag that generation begins after, and a template
    that would leave out the thoughts of responses is refused.

    The function raises ``RowError`` for a row that leaves nothing to train, and ``RunError`` where it needs a chat
    template and the tokenizer has none.

    Raises:
        RunError: ``assistant_only_loss`` is asked for, and the template cannot tell the assistant's tokens; or a token
            for steps is not one token of the vocabulary.
    """
    if shape in {"preference", "preference_margin"}:
        return thoughts_kept(partial(tokenize_preference, tokenizer), tokenizer, thinking)
    if shape == "unpaired":
        return thoughts_kept(partial(tokenize_unpaired, tokenizer), tokenizer, thinking)
    if steps is not None:
        return partial(tokenize_steps, tokenizer, step_ids(tokenizer, steps))
    if shape == "prompt":
        opening = thought_opener(thinking, tokenizer)
        given = arguments.get("chat_template_kwargs")
        return partial(measure_prompt, tokenizer, template_arguments=given, opening=opening)
    completion_only = arguments.get("completion_only_loss")
    assistant_only = bool(arguments.get("assistant_only_loss", False))
    masking = Masking(assistant_only, _template_with_markers(tokenizer) if assistant_only else None)
    if shape == "prompt_completion":
        tokenize: Tokenize = partial(
            tokenize_completion, tokenizer, completion_only=completion_only is not False, masking=masking
        )
    else:
        tokenize = partial(tokenize_whole, tokenizer, masking=masking)
    return thoughts_kept(tokenize, tokenizer, thinking, masking.template)


def tokenize_whole(tokenizer: PreTrainedTokenizerBase, row: Row, *, masking: Masking = WHOLE) -> Row:
    """A text or a conversation, every token trained, or in a conversation the assistant's alone."""
    if "text" in row:
        _demand_chat(masking)
        ids = ids_of(tokenizer, _ended(tokenizer, row["text"]))
        return {"input_ids": ids, "labels": list(ids), "prompt_length": 0}
    rendered = rendered_of(tokenizer, row["messages"], row, masking)
    return {"input_ids": rendered["input_ids"], "labels": _labels(rendered, "messages"), "prompt_length": 0}


def tokenize_completion(
    tokenizer: PreTrainedTokenizerBase, row: Row, *, completion_only: bool = True, masking: Masking = WHOLE
) -> Row:
    """A prompt and its completion; with ``completion_only`` the prompt's labels are ignored."""
    prompt, completion = row["prompt"], row["completion"]
    if isinstance(prompt, str):
        _demand_chat(masking)
        prompt_ids = ids_of(tokenizer, prompt)
        rendered = {"input_ids": ids_of(tokenizer, prompt + _ended(tokenizer, completion))}
    else:
        prompt_ids = prompt_ids_of(tokenizer, prompt, row, masking)
        rendered = rendered_of(tokenizer, prompt + completion, row, masking)
    length = shared_length(prompt_ids, rendered["input_ids"])
    labels = _labels(rendered, "completion")
    if completion_only:
        labels = [IGNORED] * length + labels[length:]
    if all(label == IGNORED for label in labels):
        raise RowError("completion", "has no token that would be trained")
    return {
        "input_ids": rendered["input_ids"],
        "labels": labels,
        "prompt_length": length,
        "reshaped_prompt": length < len(prompt_ids),
    }


def tokenize_preference(tokenizer: PreTrainedTokenizerBase, row: Row) -> Row:
    """A prompt with a chosen and a rejected response."""
    prompt, chosen, rejected = row["prompt"], row["chosen"], row["rejected"]
    if isinstance(prompt, str):
        prompt_ids = ids_of(tokenizer, prompt)
        chosen_ids = ids_of(tokenizer, prompt + _ended(tokenizer, chosen))
        rejected_ids = ids_of(tokenizer, prompt + _ended(tokenizer, rejected))
    else:
        prompt_ids = prompt_ids_of(tokenizer, prompt, row, WHOLE)
        chosen_ids = rendered_of(tokenizer, prompt + chosen, row, WHOLE)["input_ids"]
        rejected_ids = rendered_of(tokenizer, prompt + rejected, row, WHOLE)["input_ids"]
    length = min(shared_length(prompt_ids, chosen_ids), shared_length(prompt_ids, rejected_ids))
    if chosen_ids == rejected_ids:
        raise RowError("rejected", "is tokenized like `chosen`: there is no preference to learn")
    for name, ids in (("chosen", chosen_ids), ("rejected", rejected_ids)):
        if len(ids) == length:
            raise RowError(name, "has no token of its own after the prompt")
    return {
        "prompt_ids": prompt_ids[:length],
        "chosen_ids": chosen_ids[length:],
        "rejected_ids": rejected_ids[length:],
        "reshaped_prompt": length < len(prompt_ids),
        **({"margin": row["margin"]} if "margin" in row else {}),
    }


def tokenize_unpaired(tokenizer: PreTrainedTokenizerBase, row: Row) -> Row:
    """A prompt and its completion, apart, with the completion's label."""
    made = tokenize_completion(tokenizer, row)
    ids, length = made["input_ids"], made["prompt_length"]
    return {
        "prompt_ids": ids[:length],
        "completion_ids": ids[length:],
        "label": row["label"],
        "reshaped_prompt": made["reshaped_prompt"],
    }


def measure_prompt(
    tokenizer: PreTrainedTokenizerBase,
    row: Row,
    *,
    template_arguments: Mapping[str, Any] | None = None,
    opening: Opener = no_opening,
) -> Row:
    """A prompt stays text, for the trainer samples from it; its length is what it will have there.

    ``template_arguments`` are what the trainer gives to the chat template; it takes none from the row. ``opening``
    gives the tokens that the trainer puts behind a prompt.
    """
    prompt = row["prompt"]
    if isinstance(prompt, str):
        ids = ids_of(tokenizer, prompt)
    else:
        ids = prompt_ids_of(tokenizer, prompt, {"chat_template_kwargs": template_arguments}, WHOLE)
    return {"row": row, "prompt_length": len(ids) + len(opening(ids))}


def shared_length(ids: list[int], others: list[int]) -> int:
    """How many leading tokens two sequences share: the response begins where they part."""
    for index, (one, other) in enumerate(zip(ids, others, strict=False)):
        if one != other:
            return index
    return min(len(ids), len(others))


def _template_with_markers(tokenizer: PreTrainedTokenizerBase) -> str | None:
    if tokenizer.chat_template is None or has_generation_markers(tokenizer.chat_template):
        return None
    instruction, template = parted(tokenizer.chat_template)
    plain = copy(tokenizer)
    plain.chat_template = template  # TRL knows templates by their whole text
    try:
        patched: str | None = get_training_chat_template(plain)
    except ValueError as error:
        raise RunError(
            "assistant_only_loss: the chat template does not mark the assistant's tokens",
            hint="put {% generation %} and {% endgeneration %} around them, in a file for model.chat_template",
        ) from error
    return None if patched is None else instruction + patched


def _demand_chat(masking: Masking) -> None:
    if masking.assistant_only:
        raise RunError(
            "assistant_only_loss needs rows of chat messages, and these are plain text",
            hint="leave it out, or write data.wrap_in_chat: true",
        )


def _labels(rendered: dict[str, list[int]], column: str) -> list[int]:
    ids, mask = rendered["input_ids"], rendered.get("assistant_masks")
    if mask is None:
        return list(ids)
    if not any(mask):
        raise RowError(column, "has no token that the template marks as the assistant's")
    return [token if trained else IGNORED for token, trained in zip(ids, mask, strict=True)]


def _ended(tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    """The text with the token that ends it, so that the model learns to stop."""
    end = str(tokenizer.eos_token)
    return text if text.endswith(end) else text + end
