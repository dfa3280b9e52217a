"""Draws follow the distribution, and each row's are its own."""

from __future__ import annotations

import pytest
import torch
from transformers import PreTrainedTokenizerBase

from recipe_engine.recipe.stages.generate import SamplingBlock
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.generation.requests import seed_of
from recipe_engine.runtime.generation.sampler import (
    Draws,
    StopTexts,
    cut_at,
    demand_finite,
    processors,
    uniforms,
)

CPU = torch.device("cpu")
LOGITS = torch.tensor([1.0, 0.0, -1.0, 2.0, float("-inf"), 0.5])


def drawn(logits: torch.Tensor, rows: int, **sampling: object) -> torch.Tensor:
    """The first token of many rows, each with a seed of its own. Shape (rows,)."""
    seeds = [seed_of(7, "prompt", row, 0) for row in range(rows)]
    chain, last = processors(SamplingBlock.model_validate({"max_tokens": 1, **sampling}), seeds, 3, CPU)
    left = chain(torch.zeros(rows, 3, dtype=torch.long), logits.repeat(rows, 1))
    demand_finite(last)
    assert ((left == 0).sum(dim=1) == 1).all()  # one token is left, all others are impossible
    return left.argmax(dim=1)


def chi_square(tokens: torch.Tensor, probabilities: torch.Tensor) -> float:
    """Pearson's statistic of the tokens that can be drawn."""
    possible = probabilities > 0
    counts = torch.bincount(tokens, minlength=len(probabilities))
    assert counts[~possible].sum() == 0
    expected = probabilities[possible] * len(tokens)
    return float(((counts[possible] - expected) ** 2 / expected).sum())


@pytest.mark.parametrize(
    ("sampling", "probabilities", "limit"),
    [
        # Limits: the statistic is above them once in 10,000 (of 4, 4, 1 and 2 degrees of freedom).
        ({}, LOGITS.softmax(0), 23.5),
        ({"temperature": 0.5}, (2 * LOGITS).softmax(0), 23.5),
        ({"top_k": 2}, LOGITS.masked_fill(LOGITS < 1, -torch.inf).softmax(0), 15.1),
        ({"top_p": 0.9}, LOGITS.masked_fill(LOGITS < 0, -torch.inf).softmax(0), 21.1),
        ({"min_p": 0.3}, LOGITS.masked_fill(LOGITS < 1, -torch.inf).softmax(0), 15.1),
    ],
)
def test_tokens_are_drawn_by_their_probabilities(
    sampling: dict[str, float], probabilities: torch.Tensor, limit: float
) -> None:
    tokens = drawn(LOGITS, 20000, **sampling)
    assert chi_square(tokens, probabilities.double()) < limit
    # The same statistic tells a distribution that is only a little off.
    off = probabilities.double() * torch.tensor([0.9, 1, 1, 1, 1, 1])
    assert chi_square(tokens, off / off.sum()) > 15


def test_greedy_takes_the_likeliest() -> None:
    chain, _ = processors(SamplingBlock(temperature=0.0, max_tokens=1), [1], 3, CPU)
    assert chain(torch.zeros(1, 3, dtype=torch.long), LOGITS[None].clone()).argmax() == 3


def test_an_impossible_token_is_not_drawn_at_the_ends_of_the_line() -> None:
    logits = torch.tensor([[float("-inf"), 0.0, float("-inf"), 0.0, float("-inf")]] * 4)
    draws = Draws([0] * 4, 1, 2, CPU)
    draws.numbers = torch.tensor([[0.0], [0.5], [0.5 - 2**-53], [1 - 2**-53]], dtype=torch.float64)
    left = draws(torch.zeros(4, 2, dtype=torch.long), logits)
    assert left.argmax(dim=1).tolist() == [1, 3, 1, 3]


def test_a_rows_numbers_are_of_its_seed_alone() -> None:
    alone, among = uniforms([5], 8), uniforms([1, 2, 5, 3], 8)
    assert torch.equal(alone[0], among[2])
    assert torch.equal(uniforms([5], 3)[0], alone[0, :3])  # more steps change none of the first
    assert len(set(among.flatten().tolist())) == 32


def test_seeds_tell_prompts_samples_attempts_and_stages_apart() -> None:
    seeds = [seed_of(s, p, n, a) for s in (0, 1) for p in ("a", "a1") for n in (0, 1, 10) for a in (0, 1)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_are_no_numbers_are_an_error(temperature: float) -> None:
    chain, last = processors(SamplingBlock(temperature=temperature, max_tokens=1), [1], 3, CPU)
    chain(torch.zeros(1, 3, dtype=torch.long), torch.tensor([[0.0, float("nan")]]))
    with pytest.raises(RunError, match="not numbers"):
        demand_finite(last)


def test_a_row_ends_when_it_holds_a_stop_text(tokenizer: PreTrainedTokenizerBase) -> None:
    ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("one STOP two", "no such word")]
    width, longest = 2, max(map(len, ids))
    stops = StopTexts(tokenizer, ["STOP", "never"], 2, width)
    for step in range(1, longest + 1):
        rows = torch.tensor([[0] * width + [*one, *[0] * longest][:step] for one in ids])
        done = stops(rows, torch.empty(0))
    first = next(n for n in range(longest) if "STOP" in tokenizer.decode(ids[0][: n + 1]))
    assert (done.tolist(), stops.lengths) == ([True, False], [first + 1, None])
    assert cut_at("one STOP two", ["two", "STOP"]) == "one "
