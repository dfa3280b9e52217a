"""A teacher for the embedded model: a copy with other weights, and more padding rows if that is asked for."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from recipe_engine.runtime import builtin_model


def teacher_in(folder: Path, *, further_rows: int = 0) -> str:
    """Save the teacher in ``folder``. Returns its name."""
    home = builtin_model.ensure()
    model = AutoModelForCausalLM.from_pretrained(home)
    if further_rows:
        model.resize_token_embeddings(model.config.vocab_size + further_rows, mean_resizing=False)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(home).save_pretrained(folder)
    return str(folder)
