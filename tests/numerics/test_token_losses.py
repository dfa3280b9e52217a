"""The losses of distillation on hidden states and heads, against their formulas in float64, token by token.

The references are written with probabilities, as the papers have them, and use nothing of the code under test.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from recipe_engine.runtime.trainers.fused_loss import Head, Read, summed
from recipe_engine.runtime.trainers.minillm import mixture, returns_of
from recipe_engine.runtime.trainers.token_losses import (
    TokenLoss,
    divergence_loss,
    log_probabilities,
    policy_gradient,
    word_level,
)
from tests.numerics.support import relative_error

TOKENS, WIDTH, TEACHER_WIDTH, VOCABULARY = 7, 5, 3, 11
IDS = torch.tensor([0, 3, 10, 9, 3, 1, 7])
GIVEN = torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0], dtype=torch.float64)
RETURNS = torch.tensor([1.3, -0.7, 0.0, 0.4, -2.1, 0.8, -0.3], dtype=torch.float64)
LOG_MIXED = torch.tensor([-2.0, -3.1, -1.2, -2.6, -0.7, -2.9, -3.3], dtype=torch.float64)

Reference = Callable[[Tensor, Tensor, int], Tensor]
"""The loss of one token from both models' logits and the token's place."""


def probabilities(logits: Tensor, temperature: float = 1.0) -> Tensor:
    powers = torch.exp(logits / temperature)
    return powers / powers.sum()


def distilled(coefficient: float, temperature: float) -> Reference:
    """(1 - c) CE + c T^2 (-sum p_T log q_T): arXiv 1503.02531, section 2."""

    def loss(student: Tensor, teacher: Tensor, place: int) -> Tensor:
        shared = min(len(student), len(teacher))
        p, q = (probabilities(one[:shared], temperature) for one in (teacher, student))
        cross_entropy = -torch.log(probabilities(student)[IDS[place]])
        return (1 - coefficient) * cross_entropy - coefficient * temperature**2 * (p * torch.log(q)).sum()

    return loss


def jensen_shannon(beta: float, temperature: float, sft: float) -> Reference:
    """arXiv 2306.13649, equation 1, and at its ends the KL that it stands for."""

    def kl(a: Tensor, b: Tensor) -> Tensor:
        return (a * torch.log(a / b)).sum()

    def loss(student: Tensor, teacher: Tensor, place: int) -> Tensor:
        shared = min(len(student), len(teacher))
        p, q = (probabilities(one[:shared], temperature) for one in (teacher, student))
        middle = beta * p + (1 - beta) * q
        divergence = (
            kl(p, q) if beta == 0 else kl(q, p) if beta == 1 else beta * kl(p, middle) + (1 - beta) * kl(q, middle)
        )
        label = torch.log(probabilities(student)[IDS[place]])
        return temperature**2 * divergence - sft * GIVEN[place] * label

    return loss


def by_policy_gradient(low: float, high: float, single_step: bool) -> Reference:
    """arXiv 2306.08543: the clipped surrogate of the return, and equation 5's first part with w taken as given."""

    def loss(student: Tensor, teacher: Tensor, place: int) -> Tensor:
        shared = min(len(student), len(teacher))
        p, q = probabilities(teacher[:shared]), probabilities(student[:shared])
        ratio = q[IDS[place]] / torch.exp(LOG_MIXED[place])
        credit = RETURNS[place]
        surrogate = torch.min(ratio * credit, ratio.clip(1 - low, 1 + high) * credit)
        expected_reward = (q * torch.log(p / q)).sum()
        return -surrogate - (ratio.detach() * expected_reward if single_step else 0)

    return loss


CASES: dict[str, tuple[TokenLoss, Reference, tuple[Tensor, ...]]] = {
    "distill": (word_level(0.4, 1.0), distilled(0.4, 1.0), (IDS,)),
    "distill at a temperature": (word_level(0.7, 2.5), distilled(0.7, 2.5), (IDS,)),
    "distill without labels": (word_level(1.0, 1.0), distilled(1.0, 1.0), (IDS,)),
    "forward KL": (divergence_loss(0.0, 1.0, 0.0), jensen_shannon(0.0, 1.0, 0.0), (IDS, GIVEN)),
    "reverse KL": (divergence_loss(1.0, 1.0, 0.0), jensen_shannon(1.0, 1.0, 0.0), (IDS, GIVEN)),
    "JSD": (divergence_loss(0.3, 1.0, 0.0), jensen_shannon(0.3, 1.0, 0.0), (IDS, GIVEN)),
    "JSD at a temperature, with labels": (divergence_loss(0.9, 2.0, 0.6), jensen_shannon(0.9, 2.0, 0.6), (IDS, GIVEN)),
    "minillm": (
        policy_gradient(0.2, 0.3, single_step=True),
        by_policy_gradient(0.2, 0.3, True),
        (IDS, LOG_MIXED, RETURNS),
    ),
    "minillm without single steps": (
        policy_gradient(0.2, 0.2, single_step=False),
        by_policy_gradient(0.2, 0.2, False),
        (IDS, LOG_MIXED, RETURNS),
    ),
}
BOTH = [(torch.float64, 1e-9), (torch.float32, 1e-4)]


class Models:
    """Hidden states and heads of a student and a teacher, with other sizes and logits of their own kind."""

    def __init__(self, dtype: torch.dtype, further_rows: tuple[int, int] = (0, 0), tokens: int = TOKENS) -> None:
        generator = torch.Generator().manual_seed(3)

        def drawn(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64)

        student, teacher = (VOCABULARY + rows for rows in further_rows)
        exact = {
            "hidden": drawn(tokens, WIDTH),
            "weight": drawn(student, WIDTH),
            "bias": drawn(student),
            "teacher_hidden": drawn(tokens, TEACHER_WIDTH),
            "teacher_weight": drawn(teacher, TEACHER_WIDTH),
        }
        self.exact = {name: tensor.requires_grad_() for name, tensor in exact.items()}
        self.given = {name: tensor.detach().to(dtype).requires_grad_() for name, tensor in exact.items()}

    def reads(self) -> tuple[Read, Read]:
        given = self.given
        student = Head(given["weight"], given["bias"], 1.5, 4.0)
        teacher = Head(given["teacher_weight"].detach(), None, 1.0, None)
        return Read(given["hidden"], student), Read(given["teacher_hidden"].detach(), teacher)

    def logits(self) -> tuple[Tensor, Tensor]:
        exact = self.exact
        student = 1.5 * (exact["hidden"] @ exact["weight"].T + exact["bias"])
        return 4.0 * torch.tanh(student / 4.0), exact["teacher_hidden"] @ exact["teacher_weight"].T

    def expected(self, reference: Reference) -> Tensor:
        student, teacher = self.logits()
        return torch.stack([reference(student[n], teacher[n].detach(), n) for n in range(len(student))]).sum()


def cast(columns: tuple[Tensor, ...], dtype: torch.dtype) -> tuple[Tensor, ...]:
    return tuple(column.to(dtype) if column.is_floating_point() else column for column in columns)


def assert_is(
    models: Models, loss: TokenLoss, reference: Reference, columns: Any, tolerance: float, chunk: int | None
) -> None:
    dtype = models.given["hidden"].dtype
    value, _ = summed(loss, *models.reads(), cast(columns, dtype), chunk)
    value.backward()
    expected = models.expected(reference)
    expected.backward()
    assert relative_error(value.detach(), expected.detach()) < tolerance
    for name in ("hidden", "weight", "bias"):
        found, exact = models.given[name].grad, models.exact[name].grad
        assert found is not None
        assert exact is not None
        assert exact.norm() > 1e-3
        assert relative_error(found, exact) < tolerance, name


@pytest.mark.parametrize(("dtype", "tolerance"), BOTH, ids=["64", "32"])
@pytest.mark.parametrize(("loss", "reference", "columns"), CASES.values(), ids=CASES)
def test_loss_and_gradient_are_those_of_the_formula(
    loss: TokenLoss, reference: Reference, columns: Any, dtype: torch.dtype, tolerance: float
) -> None:
    assert_is(Models(dtype), loss, reference, columns, tolerance, None)


@pytest.mark.parametrize("chunk", [1, 2, 3, 6, 7, 100])
@pytest.mark.parametrize(("loss", "reference", "columns"), CASES.values(), ids=CASES)
def test_the_size_of_a_chunk_changes_nothing(loss: TokenLoss, reference: Reference, columns: Any, chunk: int) -> None:
    assert_is(Models(torch.float64), loss, reference, columns, 1e-9, chunk)


@pytest.mark.parametrize("rows", [(4, 0), (0, 4), (2, 5)], ids=["student", "teacher", "both"])
@pytest.mark.parametrize(("loss", "reference", "columns"), CASES.values(), ids=CASES)
def test_padding_rows_of_an_embedding_are_no_part_of_the_vocabulary(
    loss: TokenLoss, reference: Reference, columns: Any, rows: tuple[int, int]
) -> None:
    assert_is(Models(torch.float64, rows), loss, reference, columns, 1e-9, 3)


@pytest.mark.parametrize(("loss", "reference", "columns"), CASES.values(), ids=CASES)
def test_one_token_is_enough(loss: TokenLoss, reference: Reference, columns: Any) -> None:
    one = tuple(column[:1] for column in columns)
    assert_is(Models(torch.float64, tokens=1), loss, reference, one, 1e-9, None)


@pytest.mark.parametrize(("loss", "reference", "columns"), CASES.values(), ids=CASES)
def test_without_tokens_loss_and_gradient_are_zero(loss: TokenLoss, reference: Reference, columns: Any) -> None:
    models = Models(torch.float64, tokens=0)
    value, measured = summed(loss, *models.reads(), tuple(column[:0] for column in columns))
    value.backward()
    assert float(value.detach()) == 0
    assert len(measured) == 0
    assert all(models.given[name].grad.norm() == 0 for name in ("hidden", "weight", "bias"))  # type: ignore[union-attr]


def test_a_frozen_head_has_no_gradient_and_the_hidden_states_have_the_same() -> None:
    loss, reference, columns = CASES["distill"]
    models = Models(torch.float64)
    for name in ("weight", "bias"):
        models.given[name].requires_grad_(requires_grad=False)
    summed(loss, *models.reads(), columns)[0].backward()
    models.expected(reference).backward()
    assert models.given["weight"].grad is None
    assert models.given["hidden"].grad is not None
    assert models.exact["hidden"].grad is not None
    assert relative_error(models.given["hidden"].grad, models.exact["hidden"].grad) < 1e-9


def test_the_gradient_is_that_of_the_whole_loss_where_the_sum_is_a_part_of_it() -> None:
    loss, reference, columns = CASES["JSD"]
    models = Models(torch.float64)
    (summed(loss, *models.reads(), columns)[0] / 3).backward()
    (models.expected(reference) / 3).backward()
    assert models.given["weight"].grad is not None
    assert models.exact["weight"].grad is not None
    assert relative_error(models.given["weight"].grad, models.exact["weight"].grad) < 1e-9


def test_nothing_is_kept_for_a_gradient_that_nobody_wants() -> None:
    models = Models(torch.float64)
    with torch.no_grad():
        value, both = summed(log_probabilities, *models.reads(), (IDS,))
    assert not value.requires_grad
    student, teacher = models.logits()
    rows = range(TOKENS)
    expected = [[torch.log(probabilities(one[n])[IDS[n]]) for one in (student, teacher)] for n in rows]
    assert relative_error(both, torch.tensor(expected)) < 1e-9


class TestTheGradientEstimator:
    """Over every sequence that a small student can say, the estimate's mean is the gradient of the reverse KL."""

    WORDS, LENGTH = 3, 3

    def tables(self, seed: int) -> dict[tuple[int, ...], Tensor]:
        """Logits of the next word after each beginning."""
        generator = torch.Generator().manual_seed(seed)
        prefixes = [p for size in range(self.LENGTH) for p in itertools.product(range(self.WORDS), repeat=size)]
        return {p: torch.randn(self.WORDS, generator=generator, dtype=torch.float64).requires_grad_() for p in prefixes}

    def of_sequence(self, tables: dict[tuple[int, ...], Tensor], words: tuple[int, ...]) -> Tensor:
        return torch.stack([tables[words[:place]] for place in range(self.LENGTH)])

    def log_q(self, logits: Tensor, words: tuple[int, ...]) -> Tensor:
        return logits.log_softmax(-1).gather(-1, torch.tensor(words)[:, None]).squeeze(-1)

    @pytest.mark.parametrize("single_step", [True, False])
    def test_its_mean_is_the_gradient_of_the_reverse_kl(self, single_step: bool) -> None:
        """Equations 2 and 3 of arXiv 2306.08543, without length normalisation and without the teacher's share."""
        student, teacher = self.tables(1), self.tables(2)
        exact = torch.zeros((), dtype=torch.float64)
        estimate = torch.zeros((), dtype=torch.float64)
        for words in itertools.product(range(self.WORDS), repeat=self.LENGTH):
            said, told = self.of_sequence(student, words), self.of_sequence(teacher, words).detach()
            log_q, log_p = self.log_q(said, words), self.log_q(told, words)
            exact = exact + log_q.sum().exp() * (log_q.sum() - log_p.sum())
            rewards, mask = (log_p - log_q).detach()[None], torch.ones(1, self.LENGTH)
            returns = returns_of(rewards, mask, later=single_step, normalized=False)[0]
            loss = policy_gradient(0.2, 0.2, single_step=single_step)
            values, _ = loss(said, told, torch.tensor(words), log_q.detach(), returns)
            estimate = estimate + log_q.sum().exp().detach() * values.sum()
        exact.backward()
        wanted = torch.cat([table.grad.clone() for table in student.values() if table.grad is not None])
        for table in student.values():
            table.grad = None
        estimate.backward()
        found = torch.cat([table.grad for table in student.values() if table.grad is not None])
        assert wanted.norm() > 0.1
        assert relative_error(found, wanted) < 1e-9

    def test_a_mixture_is_one_of_probabilities(self) -> None:
        log_p, log_q = (torch.randn(4, 9, dtype=torch.float64).log_softmax(-1) for _ in range(2))
        assert torch.allclose(mixture(log_p, log_q, 0.2).exp(), 0.2 * log_p.exp() + 0.8 * log_q.exp())
        assert mixture(log_p, log_q, 0.0) is log_q


class TestReturns:
    """Equation 6: what a token is credited with is a mean of the rewards of the tokens after it."""

    REWARDS = torch.tensor([[1.0, 2.0, 4.0, 8.0], [3.0, 5.0, 7.0, 0.0], [9.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]])

    @pytest.mark.parametrize(
        ("later", "normalized", "expected"),
        [
            (True, True, [[14 / 3, 6.0, 8.0, 0.0], [6.0, 7.0, 0.0, 0.0], [0.0] * 4, [0.0] * 4]),
            (True, False, [[14.0, 12.0, 8.0, 0.0], [12.0, 7.0, 0.0, 0.0], [0.0] * 4, [0.0] * 4]),
            (False, True, [[3.75, 14 / 3, 6.0, 8.0], [5.0, 6.0, 7.0, 0.0], [9.0, 0.0, 0.0, 0.0], [0.0] * 4]),
            (False, False, [[15.0, 14.0, 12.0, 8.0], [15.0, 12.0, 7.0, 0.0], [9.0, 0.0, 0.0, 0.0], [0.0] * 4]),
        ],
    )
    def test_they_are_of_the_tokens_that_follow(
        self, later: bool, normalized: bool, expected: list[list[float]]
    ) -> None:
        found = returns_of(self.REWARDS, self.MASK, later=later, normalized=normalized)
        assert torch.allclose(found, torch.tensor(expected))
