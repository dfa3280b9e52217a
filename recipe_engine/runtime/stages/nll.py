"""Negative log-likelihood of held-out completions: the sum over their tokens, and how many they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from recipe_engine.compiled_stage import CompiledStage
from recipe_engine.data.check import open_rows
from recipe_engine.data.errors import DataError, RowError
from recipe_engine.data.sources import raw_rows
from recipe_engine.recipe.data import DataBlock, DatasetEntry, RowShape
from recipe_engine.recipe.stages.evaluate import EvaluateStage
from recipe_engine.recipe.stages.generate import HttpEngine
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.generation.hf import load_model
from recipe_engine.runtime.generation.prompts import load_tokenizer
from recipe_engine.runtime.generation.requests import Say
from recipe_engine.runtime.model_source import model_source
from recipe_engine.runtime.rewards.loaded import padded
from recipe_engine.runtime.stages.work import Counts, Maker, Row, Work
from recipe_engine.runtime.tokenize import IGNORED, tokenizer_for

SHAPES: tuple[RowShape, ...] = ("prompt_completion", "messages", "text")
_LOGITS_AT_ONCE = 1 << 24
"""Most numbers of logits, in float32, that are held at once."""


def nll_work(compiled: CompiledStage, stage: EvaluateStage, model: str, name: str, folder: Path, say: Say) -> Work:
    """What measures a model on the stage's ``nll_rows``."""
    entry = DatasetEntry(name=str(stage.nll_rows))
    data = DataBlock(datasets=[entry])

    def inputs(counts: Counts) -> Iterator[Row]:
        raw = raw_rows(entry, folder / "work" / "fetched")
        first = next(raw, None)
        if first is None:
            raise DataError("D406", f"{entry.name}: it holds no rows")
        converter, rows = open_rows(chain([first], raw), entry, data, SHAPES, compiled.thinking)
        for number, row in enumerate(rows, start=1):
            try:
                made = converter.convert(row)
            except RowError as error:
                raise DataError(error.code, f"{entry.name}, row {number}: {error.message}") from error
            yield {"number": number - 1, "shape": converter.shape, "row": made}

    settings = {
        "model": model,
        "chat_template": stage.chat_template,
        "dtype": getattr(stage.engine, "torch_dtype", "auto"),
        "thinking": None if compiled.thinking is None else compiled.thinking.model_dump(),
    }
    maker = partial(Likelihoods, compiled, stage, model, folder)
    return Work(name, folder, folder / "rows", settings, stage.shard_rows, inputs, maker)


class Likelihoods(Maker):
    """Negative log-likelihoods of the rows of a shard."""

    def __init__(self, compiled: CompiledStage, stage: EvaluateStage, model: str, folder: Path, say: Say) -> None:
        if isinstance(stage.engine, HttpEngine):
            raise RunError("nll_rows need a model on this machine: a service does not say how likely given tokens are")
        source = model_source(model, "model", folder)
        self.config, self.tokenizer = load_tokenizer(compiled, model, source, stage.chat_template, say)
        self.model = load_model(source, model, stage.engine.torch_dtype, compiled)
        self.thinking = compiled.thinking
        self.batch_size = getattr(stage.engine, "batch_size", 16)

    def rows(self, rows: list[Row], counts: Counts, kept: Path) -> Iterable[Row]:
        """For each row the sum of the negative log-likelihoods of its trained tokens, in nats, and their number."""
        if not rows:
            return
        tokenize = tokenizer_for(rows[0]["shape"], self.tokenizer, {}, self.thinking)
        longest = getattr(self.config.get_text_config(), "max_position_embeddings", None)
        made: list[tuple[int, list[int], list[int]]] = []
        for row in rows:
            try:
                tokens = tokenize(row["row"])
            except RowError as error:
                raise DataError(error.code, f"nll_rows, row {row['number'] + 1}: {error.message}") from error
            if longest is not None and len(tokens["input_ids"]) > longest:
                counts.dropped["nll_row_too_long"] += 1
            else:
                made.append((row["number"], tokens["input_ids"], tokens["labels"]))
        order = sorted(range(len(made)), key=lambda place: -len(made[place][1]))
        results: dict[int, tuple[float, int]] = {}
        for start in range(0, len(order), self.batch_size):
            places = order[start : start + self.batch_size]
            sums = sums_of(self.model, [made[place][1] for place in places], [made[place][2] for place in places])
            results.update(zip(places, sums, strict=True))
        for place, (number, _, _) in enumerate(made):
            total, count = results[place]
            yield {"number": number, "nll": total, "tokens": count}


@torch.inference_mode()
def sums_of(model: Any, rows: list[list[int]], labels: list[list[int]]) -> list[tuple[float, int]]:
    """For each row the sum of the negative log-likelihoods of its labelled tokens, and how many there are.

    Each token is predicted from those before it; the first has none before it and is not counted. Log-probabilities
    are computed in float32 and added up in float64.

    Args:
        rows: token ids.
        labels: the same, ``IGNORED`` where a token is not counted.
    """
    ids, mask = padded(rows, model.device, 0)
    targets, _ = padded([[*one, *[IGNORED] * (ids.shape[1] - len(one))] for one in labels], model.device, 0)
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1]
    targets = targets[:, 1:]
    sums = torch.zeros(len(rows), dtype=torch.float64)
    step = max(_LOGITS_AT_ONCE // (logits.shape[0] * logits.shape[2]), 1)
    for start in range(0, logits.shape[1], step):
        part = logits[:, start : start + step].float()
        wanted = targets[:, start : start + step]
        each = cross_entropy(part.transpose(1, 2), wanted, ignore_index=IGNORED, reduction="none")
        sums += each.sum(dim=1, dtype=torch.float64).cpu()
    counts = (targets != IGNORED).sum(dim=1).tolist()
    return list(zip(sums.tolist(), counts, strict=True))
