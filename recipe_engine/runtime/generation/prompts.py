"""Prompts as token ids, for engines that run a model themselves; and completions as text."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerBase

from recipe_engine.compiled_stage import CompiledStage
from recipe_engine.data.cells import Prompt
from recipe_engine.data.errors import RowError
from recipe_engine.recipe.stages.generate import GenerateStage, SamplingBlock
from recipe_engine.recipe.thinking import ThinkingBlock
from recipe_engine.runtime.answers import texts
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.generation.requests import Completion, Refused, Request, Say
from recipe_engine.runtime.generation.sampler import cut_at
from recipe_engine.runtime.instruction import with_instruction
from recipe_engine.runtime.model_source import model_source
from recipe_engine.runtime.rendering import WHOLE, ids_of, prompt_ids_of
from recipe_engine.runtime.thoughts import Opener, check_completions, thought_opener
from recipe_engine.runtime.tokenizer import CHATML


@dataclass(slots=True)
class Prompts:
    """How prompts of one stage become token ids, and token ids completions."""

    source: str
    """What ``from_pretrained`` takes."""
    tokenizer: PreTrainedTokenizerBase
    config: Any
    limit: int | None
    """Most tokens of a prompt."""
    thinking: ThinkingBlock | None
    opening: Opener
    sampling: SamplingBlock
    _known: dict[str, list[int] | Refused] = field(default_factory=dict)

    @classmethod
    def of(cls, compiled: CompiledStage, stage: GenerateStage, say: Say) -> Prompts:
        """The prompts of a stage.

        Raises:
            RunError: the model or its tokenizer cannot be loaded, or its context leaves no room for a prompt.
        """
        source = model_source(stage.model, "model", Path(compiled.folder))
        config, tokenizer = load_tokenizer(compiled, stage.model, source, stage.chat_template, say)
        if compiled.thinking is not None and tokenizer.chat_template is not None:
            check_completions(compiled.thinking, tokenizer, say)
        limit = _limit(stage, config)
        opening = thought_opener(compiled.thinking, tokenizer)
        return cls(source, tokenizer, config, limit, compiled.thinking, opening, stage.sampling)

    @property
    def pad(self) -> int:
        """The id that pads. Which one does not matter: padding is masked, and completions end at their first end."""
        return int(self.tokenizer.pad_token_id)

    def ids(self, request: Request) -> list[int] | Refused:
        """The token ids of a prompt, with the opening tag of a thought where generation goes on after it.

        Raises:
            RunError: it cannot be rendered.
        """
        found = self._known.get(request.prompt_id)
        if found is None:
            made = self._rendered(request.prompt)
            found = Refused("prompt_too_long") if self.limit is not None and len(made) > self.limit else made
            if request.prompt_id not in self._known and len(self._known) > 10000:
                self._known.clear()
            self._known[request.prompt_id] = found
        return found

    def ends(self, generation_config: Any) -> list[int]:
        """The ids that end a completion: those of the model, and the tokenizer's."""
        given = getattr(generation_config, "eos_token_id", None)
        ids = given if isinstance(given, list) else [] if given is None else [given]
        return sorted({*ids, int(self.tokenizer.eos_token_id)})

    def completion(self, ids: Sequence[int], ends: Sequence[int], stopped_at: int | None) -> Completion:
        """The completion that new token ids are: up to the first that ends it, and before a text that does.

        Args:
            stopped_at: how many tokens there were when a text of ``stop`` was found.
        """
        kept = list(ids if stopped_at is None else ids[:stopped_at])
        end = next((place for place, token in enumerate(kept) if token in ends), None)
        finished = end is not None or stopped_at is not None
        count = len(kept) if end is None else end + 1
        text = cut_at(self.text(kept if end is None else kept[:end]), self.sampling.stop)
        return Completion(text, "stop" if finished else "length", count)

    def text(self, ids: list[int]) -> str:
        """Token ids as text, without special tokens but those that are tags of thoughts."""
        if self.thinking is not None:
            return texts(self.thinking, self.tokenizer, [ids])[0]
        decoded = self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(decoded)

    def _rendered(self, prompt: Prompt) -> list[int]:
        if isinstance(prompt, str):
            ids = ids_of(self.tokenizer, prompt)
            end = self.tokenizer.eos_token_id
            if ids and ids[-1] == end and not prompt.endswith(str(self.tokenizer.eos_token)):
                ids = ids[:-1]  # a tokenizer that ends every text: nothing would follow
        else:
            if self.tokenizer.chat_template is None:
                raise RunError(
                    "the prompts are chat messages, and the tokenizer has no chat template",
                    hint="name one: chat_template: chatml, or a file; or start from an instruction-tuned model",
                )
            try:
                ids = prompt_ids_of(self.tokenizer, prompt, {}, WHOLE)
            except RowError as error:
                raise RunError(f"a prompt {error.message}: {str(prompt)[:200]}") from error
        if not ids:
            raise RunError(f"a prompt has no token: {str(prompt)[:200]!r}")
        return ids + self.opening(ids)


def load_tokenizer(
    compiled: CompiledStage, name: str, source: str, template: str | None, say: Say
) -> tuple[Any, PreTrainedTokenizerBase]:
    """A model's configuration and tokenizer, the latter with its chat template, an end and something to pad with.

    Raises:
        RunError: they cannot be loaded, or do not fit each other.
    """
    own_code = compiled.allow_remote_code and os.path.isdir(source)
    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=own_code)
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            source, trust_remote_code=own_code, padding_side="left"
        )
    except (OSError, ValueError, ImportError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise RunError(f"{name} cannot be loaded: {reason}") from error
    tokenizer.deprecation_warnings["sequence-length-is-longer-than-the-specified-maximum"] = True
    if template == "chatml":
        tokenizer.chat_template = CHATML
    elif template is not None:
        path = Path(compiled.recipe_folder, os.path.expanduser(template))
        try:
            tokenizer.chat_template = path.read_text(encoding="utf-8")
        except OSError as error:
            raise RunError(f"chat_template: {path} cannot be read: {error.strerror}") from error
    if tokenizer.eos_token is None:
        raise RunError(f"the tokenizer of {name} has no end-of-sequence token, so no completion would end")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token  # padding is masked by position
    rows = config.get_text_config().vocab_size
    if len(tokenizer) > rows:
        raise RunError(f"the tokenizer of {name} has {len(tokenizer)} tokens, the model embeds {rows}")
    instruction = None if compiled.thinking is None else compiled.thinking.instruction
    if instruction is not None and isinstance(tokenizer.chat_template, str):
        tokenizer.chat_template = with_instruction(tokenizer.chat_template, instruction)
    elif instruction is not None:
        say("thinking.instruction: the tokenizer has no chat template to put it before, so it is not given")
    return config, tokenizer


def _limit(stage: GenerateStage, config: Any) -> int | None:
    """Most tokens of a prompt: as asked for, and what the model's context leaves."""
    sampling = stage.sampling
    context = getattr(config.get_text_config(), "max_position_embeddings", None)
    longest = getattr(stage.engine, "max_model_len", None)
    context = min((one for one in (context, longest) if one is not None), default=None)
    if context is None:
        return sampling.max_prompt_tokens
    left = context - sampling.max_tokens
    if left < 1:
        hint = f"lower sampling.max_tokens below {context}"
        raise RunError(f"sampling.max_tokens is {sampling.max_tokens}, and {stage.model} takes {context} tokens", hint)
    return left if sampling.max_prompt_tokens is None else min(left, sampling.max_prompt_tokens)
