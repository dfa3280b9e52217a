"""The embedded reward model: the tiny chat model as a judge of the tasks on digits, trained when it is first asked for.

It learns from pairs of a right and a wrong answer (Bradley-Terry, centred), and beside that to say the right answer,
which teaches it to look at the digits that matter. Eight seconds on one core; none of its questions is in a test split.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import permutations
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, PreTrainedTokenizerBase

from recipe_engine.data.builtin.world import TASKS, questions

# Part of the cache folder's name: raise it when the code that builds changes.
VERSION = 1
_SEED = 0
_STEPS, _WARMUP, _PAIRS = 120, 10, 32
_MISSHAPEN_FROM = 90
"""The step from which some wrong answers are too long or too short: easy to tell, and a distraction before."""
_MATRICES_RATE, _OTHERS_RATE = 0.03, 3e-3
_CENTRING = 0.01

TEXT = "<|user|>{question}<|end|><|assistant|>{answer}<|end|>"
"""How tiny-chat's template renders a question and its answer."""


def recipe_of_the_judge() -> list[Any]:
    """Everything beside the tiny chat model that decides what the judge becomes."""
    settings = [VERSION, _SEED, _STEPS, _WARMUP, _PAIRS, _MISSHAPEN_FROM, _MATRICES_RATE, _OTHERS_RATE, _CENTRING]
    return [*settings, TEXT, sorted(_held_out())]


def build(folder: Path, tiny_chat: Path) -> None:
    """Train the judge and write it to ``folder``, with the tokenizer of the chat model in ``tiny_chat``."""
    folder.mkdir()
    for file in tiny_chat.iterdir():
        if file.name.startswith("tokenizer") or file.suffix == ".jinja":
            shutil.copy(file, folder)
    config = AutoConfig.from_pretrained(tiny_chat, num_labels=1)
    config.architectures = ["Qwen3ForSequenceClassification"]
    config.save_pretrained(folder)
    with _apart_from_the_caller():
        model = _trained(config, AutoTokenizer.from_pretrained(tiny_chat))
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    (folder / "model.safetensors").write_bytes(safetensors.torch.save(weights, metadata={"format": "pt"}))


@contextmanager
def _apart_from_the_caller() -> Iterator[None]:
    """The same arithmetic whatever the caller has set, and the caller's settings as they were after it."""
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    with ExitStack() as stack:
        stack.callback(torch.set_num_threads, threads)
        stack.callback(torch.set_default_dtype, dtype)
        stack.enter_context(torch.random.fork_rng(devices=[]))
        stack.enter_context(torch.device("cpu"))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        torch.set_num_threads(1)  # sums are taken in another order on several
        torch.set_default_dtype(torch.float32)
        torch.default_generator.manual_seed(_SEED)
        yield


def _trained(config: Any, tokenizer: PreTrainedTokenizerBase) -> Any:
    model: Any = AutoModelForSequenceClassification.from_config(config)
    matrices = [weight for weight in model.model.layers.parameters() if weight.ndim == 2]
    others = [weight for weight in model.parameters() if all(weight is not matrix for matrix in matrices)]
    # Muon (K. Jordan, 2024) learns where a digit stands in half the steps that Adam takes.
    optimizers = [
        torch.optim.Muon(matrices, lr=_MATRICES_RATE, weight_decay=0.0),
        torch.optim.AdamW(others, lr=_OTHERS_RATE, weight_decay=0.0, betas=(0.9, 0.98)),
    ]
    schedules = [torch.optim.lr_scheduler.LambdaLR(optimizer, _share_of_the_rate) for optimizer in optimizers]
    for texts in _batches():
        loss = _loss(model, tokenizer(texts, padding=True, padding_side="right", return_tensors="pt"))
        model.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for step in (*optimizers, *schedules):
            step.step()
    return model


def _share_of_the_rate(step: int) -> float:
    return min(1.0, (step + 1) / _WARMUP) * (1 - step / _STEPS)


def _loss(model: Any, batch: Any) -> Tensor:
    """Of right answers in the first half of the rows and wrong ones in the second: preference and next token."""
    hidden = model.model(**batch).last_hidden_state
    rows = torch.arange(len(hidden))
    ends = batch["attention_mask"].sum(dim=1) - 1
    right, wrong = model.score(hidden)[rows, ends].squeeze(-1).chunk(2)
    preference = -logsigmoid(right - wrong).mean() + _CENTRING * ((right + wrong) ** 2).mean()
    ids, half = batch["input_ids"][: len(right)], slice(len(right))
    begins = (ids == model.config.eos_token_id).int().argmax(dim=1) + 1  # the assistant's tag
    places = torch.arange(ids.shape[1])
    answering = (places >= begins[:, None]) & (places < ends[half, None])
    said = hidden[half][answering] @ model.model.embed_tokens.weight.T
    return preference + cross_entropy(said, ids.roll(-1, 1)[answering])


def _batches() -> Iterator[list[str]]:
    """Rendered questions with their right answers, then the same questions with wrong ones, for each step."""
    rng, held_out = random.Random(_SEED), _held_out()
    for step in range(_STEPS):
        right: list[str] = []
        wrong: list[str] = []
        while len(right) < _PAIRS:
            task, digits = rng.choice(list(TASKS)), _digits(rng, 3)
            question = f"{task}: {digits}"
            if question in held_out or len(set(digits)) == 1:
                continue
            answer = TASKS[task](digits)
            right.append(TEXT.format(question=question, answer=answer))
            said = _wrong(rng, digits, answer, misshapen=step >= _MISSHAPEN_FROM)
            wrong.append(TEXT.format(question=question, answer=said))
        yield right + wrong


def _wrong(rng: random.Random, digits: str, answer: str, *, misshapen: bool) -> str:
    """A wrong answer: most are of the question's digits, others of any."""
    if misshapen and rng.random() < 0.3:
        return rng.choice([answer[:-1], answer + _digits(rng, rng.randint(1, 3))])
    other = _digits(rng, len(answer))
    if rng.random() < 0.3 and other != answer:
        return other
    return rng.choice(sorted({"".join(some) for some in permutations(digits, len(answer))} - {answer}))


def _digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choice("0123456789") for _ in range(count))


def _held_out() -> set[str]:
    return {question.text for question in questions("test")}
