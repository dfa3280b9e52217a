"""transformers' own generation, in batches of prompts of like lengths."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, GenerationConfig, StoppingCriteriaList

from recipe_engine.compiled_stage import CompiledStage
from recipe_engine.recipe.stages.generate import GenerateStage, HfEngine
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.generation.prompts import Prompts
from recipe_engine.runtime.generation.requests import Answer, Refused, Request, Say
from recipe_engine.runtime.generation.sampler import StopTexts, demand_finite, processors


def load(settings: HfEngine, stage: GenerateStage, prompts: Prompts, compiled: CompiledStage, say: Say) -> HfGeneration:
    """The engine, its model loaded.

    Raises:
        RunError: the model cannot be loaded.
    """
    model = load_model(prompts.source, stage.model, settings.torch_dtype, compiled)
    say(f"generating with {stage.model} on {model.device}, in {str(model.dtype).removeprefix('torch.')}")
    return HfGeneration(settings, stage, prompts, model)


def load_model(source: str, name: str, dtype: str, compiled: CompiledStage) -> Any:
    """A language model on the stage's device, in evaluation mode.

    Raises:
        RunError: it cannot be loaded, or weights that it needs are not in its files.
    """
    own_code = compiled.allow_remote_code and os.path.isdir(source)
    try:
        model, told = AutoModelForCausalLM.from_pretrained(
            source, dtype=dtype, trust_remote_code=own_code, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise RunError(f"{name} cannot be loaded: {reason}") from error
    if told["missing_keys"]:
        missing = ", ".join(sorted(told["missing_keys"])[:5])
        raise RunError(f"{name} lacks weights, which would be random: {missing}")
    device = torch.device("cpu") if compiled.gpus == 0 else torch.device("cuda", 0)
    return model.to(device).eval().requires_grad_(False)


class HfGeneration:
    """Generates with a model that is loaded."""

    def __init__(self, settings: HfEngine, stage: GenerateStage, prompts: Prompts, model: Any) -> None:
        self.batch_size = settings.batch_size
        self.sampling = stage.sampling
        self.prompts = prompts
        self.model = model
        self.ends = prompts.ends(model.generation_config)
        # What the model's own configuration says of sampling would be taken where a setting here is at its default.
        model.generation_config = GenerationConfig(eos_token_id=self.ends, pad_token_id=prompts.pad)
        self._counted: dict[str, float] = {}

    def complete(self, requests: Sequence[Request], ledger: Path) -> list[Answer]:
        """An answer for each request, in order. Those of like lengths are generated together, the longest first."""
        ids = [self.prompts.ids(request) for request in requests]
        answers: dict[int, Answer] = {place: one for place, one in enumerate(ids) if isinstance(one, Refused)}
        known = {place: one for place, one in enumerate(ids) if not isinstance(one, Refused)}
        order = sorted(known, key=lambda place: -len(known[place]))
        for start in range(0, len(order), self.batch_size):
            places = order[start : start + self.batch_size]
            made = self._batch([known[place] for place in places], [requests[place].seed for place in places])
            answers.update(zip(places, made, strict=True))
        return [answers[place] for place in range(len(requests))]

    def totals(self, ledger: Path) -> dict[str, float]:
        """Tokens of prompts and of completions."""
        counted, self._counted = self._counted, {}
        return counted

    def close(self) -> None:
        """Let the model go."""
        del self.model

    @torch.inference_mode()
    def _batch(self, rows: list[list[int]], seeds: list[int]) -> list[Answer]:
        width, device = len(rows[0]), self.model.device
        ids = torch.tensor([[self.prompts.pad] * (width - len(row)) + row for row in rows], device=device)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)
        chain, last = processors(self.sampling, seeds, width, device)
        stops = StopTexts(self.prompts.tokenizer, self.sampling.stop, len(rows), width) if self.sampling.stop else None
        try:
            made = self.model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=self.sampling.max_tokens,
                do_sample=False,
                logits_processor=chain,
                stopping_criteria=StoppingCriteriaList([stops] if stops is not None else []),
            )
        except torch.OutOfMemoryError as error:
            hint = f"lower engine.batch_size ({self.batch_size}), or sampling.max_tokens ({self.sampling.max_tokens})"
            raise RunError(f"out of memory: {next(iter(str(error).splitlines()), '')}", hint) from error
        demand_finite(last)
        new = made[:, width:].tolist()
        answers: list[Answer] = []
        for place, tokens in enumerate(new):
            one = self.prompts.completion(tokens, self.ends, None if stops is None else stops.lengths[place])
            answers.append(one)
            self._count("prompt_tokens", len(rows[place]))
            self._count("completion_tokens", one.tokens or 0)
        return answers

    def _count(self, name: str, number: int) -> None:
        self._counted[name] = self._counted.get(name, 0) + number
