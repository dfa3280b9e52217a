"""From text or a conversation to token ids, as TRL's trainers render them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jinja2.exceptions import TemplateError
from transformers import PreTrainedTokenizerBase

from recipe_engine.data.errors import RowError
from recipe_engine.data.messages import Message
from recipe_engine.runtime.errors import RunError

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Masking:
    """Whether only the assistant's tokens of a conversation are trained, and the template that marks them, where it is
    not the tokenizer's own."""

    assistant_only: bool = False
    template: str | None = None


WHOLE = Masking()


def ids_of(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """The ids of a text, with the special tokens that the tokenizer puts around it."""
    ids: list[int] = tokenizer(text=text)["input_ids"]
    return ids


def prompt_ids_of(tokenizer: PreTrainedTokenizerBase, messages: list[Message], row: Row, masking: Masking) -> list[int]:
    """The ids of a chat prompt with the tag that opens the assistant's turn."""
    return _applied(tokenizer, messages, row, masking, add_generation_prompt=True)["input_ids"]


def rendered_of(
    tokenizer: PreTrainedTokenizerBase, messages: list[Message], row: Row, masking: Masking
) -> dict[str, list[int]]:
    """The ``input_ids`` of a conversation, and where ``masking`` asks for it its ``assistant_masks``.

    Raises:
        RowError: the chat template refuses the conversation.
        RunError: the tokenizer has no chat template.
    """
    return _applied(tokenizer, messages, row, masking, return_assistant_tokens_mask=masking.assistant_only)


def _applied(
    tokenizer: PreTrainedTokenizerBase, messages: list[Message], row: Row, masking: Masking, **how: bool
) -> dict[str, list[int]]:
    if tokenizer.chat_template is None:
        raise RunError(
            "the rows are chat messages, and the tokenizer has no chat template",
            hint="start from an instruction-tuned model, or name a template: model.chat_template: chatml, or a file",
        )
    try:
        rendered: Any = tokenizer.apply_chat_template(
            messages,
            tools=row.get("tools"),
            chat_template=masking.template,
            tokenize=True,
            return_dict=True,
            **how,
            **(row.get("chat_template_kwargs") or {}),
        )
    except (TemplateError, TypeError, KeyError, ValueError) as error:
        # Templates refuse what they cannot render (roles that do not alternate, say) or trip over it.
        raise RowError("messages", f"cannot be rendered with the chat template: {error}") from error
    return dict(rendered)
