from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForSequenceClassification, BertConfig, BertForSequenceClassification

from recipe_engine.runtime.scoring import last_attended_scores

ROWS = [[2, 40, 41, 1, 4, 50, 1], [2, 60, 1], [9]]
END = 1


@pytest.fixture
def model(tiny_chat: Path) -> Any:
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_pretrained(tiny_chat, num_labels=1, dtype=torch.float64).eval()


def padded(side: str, pad: int, width: int = 9) -> tuple[torch.Tensor, torch.Tensor]:
    ids, mask = [], []
    for row in ROWS:
        fill = [pad] * (width - len(row))
        ids.append(fill + row if side == "left" else row + fill)
        mask.append([0] * len(fill) + [1] * len(row) if side == "left" else [1] * len(row) + [0] * len(fill))
    return torch.tensor(ids), torch.tensor(mask)


def alone(model: Any) -> torch.Tensor:
    """Each row by itself, without padding: the score at its last token."""
    hidden = [model.model(torch.tensor([row])).last_hidden_state[0, -1] for row in ROWS]
    return model.score(torch.stack(hidden)).squeeze(-1)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("pad", [0, END])
def test_the_score_is_that_of_the_last_token_however_the_row_is_padded(model: Any, side: str, pad: int) -> None:
    model.config.pad_token_id = pad
    assert torch.allclose(last_attended_scores(model, *padded(side, pad)), alone(model), atol=1e-12)


def test_padding_with_the_end_token_makes_transformers_read_the_token_before_it(model: Any) -> None:
    """Why the position is not left to transformers."""
    model.config.pad_token_id = END
    ids, mask = padded("right", END)
    pooled = model(input_ids=ids, attention_mask=mask).logits.squeeze(-1)
    assert not torch.allclose(pooled, alone(model), atol=1e-3)


def test_the_gradient_reaches_every_weight(model: Any) -> None:
    last_attended_scores(model, *padded("right", 0)).sum().backward()
    assert all(weight.grad is not None for weight in model.parameters())


def test_an_adapter_with_a_head_of_its_own_is_read_at_that_head(model: Any) -> None:
    adapted = get_peft_model(model, LoraConfig(task_type="SEQ_CLS", target_modules="all-linear"))
    with torch.no_grad():
        adapted.base_model.model.score.modules_to_save["default"].weight.mul_(-3)
    read = last_attended_scores(adapted.eval(), *padded("right", 0))
    assert torch.allclose(read, alone(model), atol=1e-12)  # the adapters are put into the model itself
    original = adapted.base_model.model.score.original_module
    hidden = [model.model(torch.tensor([row])).last_hidden_state[0, -1] for row in ROWS]
    assert torch.allclose(read, -3 * original(torch.stack(hidden)).squeeze(-1), atol=1e-12)


def test_an_encoder_that_pools_itself_gives_its_own_score() -> None:
    config = BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=70, num_labels=1)
    encoder = BertForSequenceClassification(config).eval()
    ids, mask = padded("right", 0)
    expected = encoder(input_ids=ids, attention_mask=mask).logits.squeeze(-1)
    assert torch.equal(last_attended_scores(encoder, ids, mask), expected)


def test_several_numbers_a_row_are_no_score(tiny_chat: Path) -> None:
    several = AutoModelForSequenceClassification.from_pretrained(tiny_chat, num_labels=3)
    with pytest.raises(ValueError, match="3 numbers"):
        last_attended_scores(several, *padded("right", 0))


def test_a_row_of_padding_alone_has_no_score(model: Any) -> None:
    ids, mask = padded("right", 0)
    mask[1] = 0
    with pytest.raises(ValueError, match="without a token"):
        last_attended_scores(model, ids, mask)
