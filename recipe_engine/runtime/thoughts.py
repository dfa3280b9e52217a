"""Thoughts and chat templates: whether rendered rows keep them, and the tag that a prompt ends with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jinja2.exceptions import TemplateError
from transformers import PreTrainedTokenizerBase

from recipe_engine.compiled import CompiledRun
from recipe_engine.data.messages import Message
from recipe_engine.data.thinking import begins_thought
from recipe_engine.data.thinking_file import difference, read_thinking
from recipe_engine.data.thought_templates import Render, opens_thought, survival
from recipe_engine.recipe.thinking import ThinkingBlock
from recipe_engine.runtime.errors import RunError

Opener = Callable[[Sequence[int]], list[int]]
"""Gives the tokens of the opening tag that belong behind a rendered prompt: none where it ends with the tag already."""
Row = dict[str, Any]
Say = Callable[[str], None]
FAILURES = (TemplateError, AttributeError, LookupError, TypeError, ValueError)
"""What a template may raise for a conversation that it does not take."""


def no_opening(ids: Sequence[int]) -> list[int]:
    """The opener of a recipe whose completions do not begin inside a thought."""
    return []


def thought_opener(thinking: ThinkingBlock | None, tokenizer: PreTrainedTokenizerBase) -> Opener:
    """What is put behind prompts so that generation goes on with the thought (``thinking.begin_completion``)."""
    if thinking is None or not thinking.begin_completion:
        return no_opening
    tag: list[int] = tokenizer(thinking.open, add_special_tokens=False)["input_ids"]
    tail = 2 * len(tag) + 8  # the template's own tag may be tokenized otherwise, and be followed by line breaks

    def opening(ids: Sequence[int]) -> list[int]:
        end = str(tokenizer.decode(list(ids)[-tail:], skip_special_tokens=False, clean_up_tokenization_spaces=False))
        return [] if begins_thought(thinking, end) else list(tag)

    return opening


def thoughts_kept(
    tokenize: Callable[[Row], Row],
    tokenizer: PreTrainedTokenizerBase,
    thinking: ThinkingBlock | None,
    template: str | None = None,
) -> Callable[[Row], Row]:
    """``tokenize``, but for a chat template (``template``, else the tokenizer's) that leaves thoughts out: on the first
    row of chat messages it raises ``RunError``."""
    if thinking is None:
        return tokenize
    checked = False

    def tokenize_thoughts(row: Row) -> Row:
        nonlocal checked
        if not checked and not all(isinstance(value, str) for value in row.values()):
            checked = True
            if _survival(thinking, tokenizer, template) == "none":
                raise RunError(
                    "the chat template leaves the thought out of the assistant's turn, so none would be trained",
                    hint="name a template that keeps it: model.chat_template: chatml, or a file",
                )
        return tokenize(row)

    return tokenize_thoughts


def check_thinking(run: CompiledRun, model_path: str, tokenizer: PreTrainedTokenizerBase, say: Say) -> None:
    """Say what the model and its chat template have to do with the recipe's ``thinking`` block.

    Raises:
        RunError: completions begin inside a thought, and the block says that they do not.
    """
    thinking, known = run.thinking, read_thinking(model_path)
    if known is not None and (other := difference(known, thinking)) is not None:
        say(f"thinking: {other}")
    if thinking is None or tokenizer.chat_template is None:
        return
    if run.rewards:
        check_completions(thinking, tokenizer, say)
    elif _survival(thinking, tokenizer, None) == "last":
        say("chat_template: thoughts of earlier turns are left out, so those turns are rendered as answers alone")


def check_completions(thinking: ThinkingBlock, tokenizer: PreTrainedTokenizerBase, say: Say) -> None:
    """Say whether the chat template begins the thought of a completion itself.

    Raises:
        RunError: it does, and the block says that completions do not begin inside a thought.
    """
    opens = _opens(thinking, tokenizer)
    if opens and not thinking.begin_completion:
        raise RunError(
            f"thinking.begin_completion: false, and the chat template begins the answer with {thinking.open!r}",
            hint="leave begin_completion out: generation begins inside the thought either way",
        )
    if opens:
        say(f"thinking: the chat template begins a turn with {thinking.open!r} itself; it is not added again")


def _survival(thinking: ThinkingBlock, tokenizer: PreTrainedTokenizerBase, template: str | None) -> str | None:
    try:
        return survival(thinking, _renderer(tokenizer, template))
    except FAILURES:  # rows that the template refuses are named one by one
        return None


def _opens(thinking: ThinkingBlock, tokenizer: PreTrainedTokenizerBase) -> bool:
    try:
        return opens_thought(thinking, _renderer(tokenizer, None))
    except FAILURES:
        return False


def _renderer(tokenizer: PreTrainedTokenizerBase, template: str | None) -> Render:
    def render(messages: list[Message], opening: bool) -> str:
        return str(
            tokenizer.apply_chat_template(
                messages, chat_template=template, add_generation_prompt=opening, tokenize=False
            )
        )

    return render
