"""Drawing tokens so that a completion depends on its own seed alone, whatever else is in its batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    MinPLogitsWarper,
    PreTrainedTokenizerBase,
    RepetitionPenaltyLogitsProcessor,
    StoppingCriteria,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from recipe_engine.recipe.stages.generate import SamplingBlock
from recipe_engine.runtime.errors import RunError

_BYTES_OF_A_CHARACTER = 4


class Draws(LogitsProcessor):
    """Leaves one token a row: the one that the row's next uniform number falls on.

    transformers draws for the whole batch from one generator, so that a row's tokens depend on its neighbours and on
    how many there are. Here each row has uniform numbers of its own, drawn beforehand, and the token is found by
    inverting the cumulative distribution. The loop then takes the only token that is left, as if it were greedy.
    """

    def __init__(self, seeds: Sequence[int], steps: int, width: int, device: torch.device) -> None:
        """``width`` is the padded length of the prompts."""
        self.width = width
        self.numbers = uniforms(seeds, steps).to(device)
        self.sum = torch.zeros((), dtype=torch.float64, device=device)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores of shape (B, V), -inf but for the drawn tokens."""
        numbers = self.numbers[:, input_ids.shape[1] - self.width, None]
        # Single precision would round the tail of a large vocabulary away.
        below = scores.softmax(dim=-1).cumsum(dim=-1, dtype=torch.float64)
        total = below[:, -1:]
        self.sum += total.sum()
        drawn = torch.searchsorted(below, numbers * total, right=True).clamp_(max=scores.shape[1] - 1)
        return torch.full_like(scores, -torch.inf).scatter_(1, drawn, 0.0)


class Finite(LogitsProcessor):
    """Notes whether logits were numbers: the largest of others would be any token."""

    def __init__(self, device: torch.device) -> None:
        self.sum = torch.zeros((), device=device)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """The scores as they are."""
        self.sum += scores.amax()
        return scores


def uniforms(seeds: Sequence[int], steps: int) -> Tensor:
    """Numbers from 0 to below 1 in double precision, shape (B, steps): row i depends on seed i alone."""
    generator = torch.Generator()
    rows = [torch.rand(steps, generator=generator.manual_seed(seed), dtype=torch.float64) for seed in seeds]
    return torch.stack(rows)


class Chain(LogitsProcessorList):
    """Processors one after the other. transformers' own list looks at the signature of each, for every token."""

    def __call__(self, input_ids: Tensor, scores: Tensor, **_: object) -> Tensor:
        """The scores after the last."""
        for processor in self:
            scores = processor(input_ids, scores)
        return scores


def processors(
    sampling: SamplingBlock, seeds: Sequence[int], width: int, device: torch.device
) -> tuple[Chain, Draws | Finite]:
    """What is done to logits before the largest is taken, in transformers' order, and the last of it."""
    made = Chain()
    if sampling.repetition_penalty != 1:
        made.append(RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty))
    last: Draws | Finite = Finite(device)
    if sampling.temperature > 0:
        if sampling.temperature != 1:
            made.append(TemperatureLogitsWarper(float(sampling.temperature)))
        if sampling.top_k > 0:
            made.append(TopKLogitsWarper(sampling.top_k))
        if sampling.top_p < 1:
            made.append(TopPLogitsWarper(float(sampling.top_p)))
        if sampling.min_p > 0:
            made.append(MinPLogitsWarper(float(sampling.min_p)))
        last = Draws(seeds, sampling.max_tokens, width, device)
    made.append(last)
    return made, last


def demand_finite(last: Draws | Finite) -> None:
    """Check that every logit was a number.

    Raises:
        RunError: one was not.
    """
    if not last.sum.isfinite():  # a sum with one that is no number in it is none
        hint = "its weights are damaged, or overflow in their type: try engine.torch_dtype: bfloat16 or float32"
        raise RunError("the model's logits are not numbers (NaN)", hint)


class StopTexts(StoppingCriteria):
    """Ends a row once its completion holds one of some texts."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], rows: int, width: int) -> None:
        self.tokenizer = tokenizer
        self.texts = tuple(texts)
        self.width = width
        self.tail = max(len(text) for text in texts) * _BYTES_OF_A_CHARACTER + _BYTES_OF_A_CHARACTER
        self.lengths: list[int | None] = [None] * rows
        """Tokens of each completion when it was ended; none where it was not."""

    def __call__(self, input_ids: Tensor, scores: Tensor, **_: object) -> Tensor:
        """Whether each row has ended."""
        length = input_ids.shape[1] - self.width
        tails = input_ids[:, self.width :][:, -self.tail :].tolist()
        for row, ids in enumerate(tails):
            if self.lengths[row] is None:
                said = self.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
                if any(text in said for text in self.texts):
                    self.lengths[row] = length
        done = [length is not None for length in self.lengths]
        return torch.tensor(done, dtype=torch.bool, device=input_ids.device)


def cut_at(text: str, stops: Sequence[str]) -> str:
    """A text up to the first of some texts."""
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    return text[: min(places)] if places else text
