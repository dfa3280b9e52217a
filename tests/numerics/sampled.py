"""What the trainers of PPO and PRIME are given here: ragged completions, values and log-probabilities at random."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from trl import GRPOTrainer

from tests.numerics.conftest import MakeTrainer
from tests.numerics.support import Logits, token_log_probs
from tests.runtime.support import Row, user

PROMPTS = [[1, 2, 3], [4], [5, 6], [1, 2], [3], [7, 8, 9], [2], [6, 1]]
END = 10
COMPLETIONS = [
    [4, 5, 6, 7, 8],
    [9],
    [3, 4, END],
    [2, 6, 4, 8, 3, 5, END],
    [1, 5],
    [8, 2, 9, 4, 6, END],
    [7, 7, 3, 5],
    [END],
]
LENGTHS = [len(completion) for completion in COMPLETIONS]
LONGEST = max(LENGTHS)
ROWS = [{"prompt": [user(f"Repeat: {n}")]} for n in range(16)]
REWARDS = [{"type": "length", "unit": "characters", "max": 2, "slope": 60}]
SCORES = [0.0, 1.0, 0.5, 0.25, 1.0, 0.125, 0.75, 0.0]


def random(*shape: int, seed: int, scale: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)


def padded(rows: list[list[int]], *, left: bool) -> tuple[Tensor, Tensor]:
    """Token ids and mask."""
    width = max(map(len, rows))
    spaces = [[0] * (width - len(row)) for row in rows]
    ids = [space + row if left else row + space for row, space in zip(rows, spaces, strict=True)]
    ones = [[1] * len(row) for row in rows]
    mask = [space + one if left else one + space for one, space in zip(ones, spaces, strict=True)]
    return torch.tensor(ids), torch.tensor(mask)


def made(make_trainer: MakeTrainer, algorithm: str, settings: Row) -> Any:
    training = {
        "per_device_train_batch_size": len(COMPLETIONS),
        "max_completion_length": LONGEST,
        "steps_per_generation": 1,
        "gradient_accumulation_steps": 1,
        **settings,
    }
    trainer = make_trainer(algorithm, ROWS, training=training, data={"max_length": 64}, rewards=REWARDS)
    trainer.eos_token_ids = [END]
    return trainer


def sampled(
    trainer: Any, monkeypatch: pytest.MonkeyPatch, *, said: Tensor, old: Tensor, frozen: Tensor, scores: list[float]
) -> Any:
    """A round of these completions with these scores, where the models say these numbers: each (B, longest)."""

    def log_probs(self: Any, model: Any, ids: Tensor, *_: Any, **__: Any) -> tuple[Tensor, None, None]:
        return (frozen if model is self.ref_model else old), None, None

    monkeypatch.setattr(GRPOTrainer, "_generate_single_turn", lambda *_, **__: (COMPLETIONS, None))
    monkeypatch.setattr(GRPOTrainer, "_calculate_rewards", lambda *_: torch.tensor(scores).double().unsqueeze(1))
    monkeypatch.setattr(GRPOTrainer, "_get_per_token_logps_and_entropies", log_probs)
    monkeypatch.setattr(type(trainer), "companion_says", lambda *_: said.clone())
    group = trainer.num_generations
    return trainer._generate_and_score_completions([trainer.train_dataset[n // group] for n in range(len(scores))])


class Pair(nn.Module):
    """A policy whose parameters are its logits, with a companion whose parameters are what it says."""

    def __init__(self, ids: Tensor, said: Tensor, *, dtype: torch.dtype) -> None:
        super().__init__()
        self.policy = Logits(*ids.shape, 1, dtype=dtype)
        self.said = nn.Parameter(said.to(dtype))

    def forward(self, *, companion: str, **inputs: Any) -> Any:
        assert companion == "with"
        return self.policy(**inputs), self.said


def round_of(frozen: Tensor, old: Tensor) -> tuple[dict[str, Any], Tensor, Tensor]:
    """The trainer's batch without what the algorithms add, all token ids, and the completions' mask."""
    prompts, prompt_mask = padded(PROMPTS, left=True)
    completions, mask = padded(COMPLETIONS, left=False)
    inputs = {
        "prompt_ids": prompts,
        "prompt_mask": prompt_mask,
        "completion_ids": completions,
        "completion_mask": mask,
        "old_per_token_logps": old * mask,
        "ref_per_token_logps": frozen * mask,
        "num_items_in_batch": mask.sum(),
    }
    return inputs, torch.cat([prompts, completions], dim=1), mask


def of_completions(logits: Tensor, ids: Tensor) -> Tensor:
    """Log-probabilities of the completions' tokens."""
    return token_log_probs(logits, ids)[:, -LONGEST:]
