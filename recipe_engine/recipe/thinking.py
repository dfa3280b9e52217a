"""The ``thinking`` block: how a response's thought and answer are told apart, wherever they are rendered or read."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from recipe_engine.recipe.base import Block

Tag = Annotated[str, Field(min_length=1, max_length=200)]


class ThinkingBlock(Block):
    """The tags of a thinking model: what training rows are rendered with and what rewards split completions by."""

    open: Tag = "<think>"
    """Tag that begins the thought."""
    close: Tag = "</think>"
    """Tag that ends the thought. What follows is the answer, after ``answer_open`` where there is one."""
    answer_open: Tag | None = None
    """Tag that begins the answer, such as ``<response>``. Default: none, the answer begins after ``close``."""
    answer_close: Tag | None = None
    """Tag that ends the answer, such as ``</response>``. Default: none, the answer ends with the text."""
    strict: bool = True
    """What a completion without its tags is to the rewards: malformed, without an answer (true), or all answer
    (false)."""
    instruction: str | None = None
    """What tells a model that was never trained to think how to do it. The chat template is made to begin every
    conversation with it, as the system message or before it, and is saved with the model so."""
    begin_completion: bool = True
    """Whether generation begins after the opening tag: the prompt ends with it, and the model goes on with the
    thought."""
