"""The generate stage: completions of prompts."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from recipe_engine.compiled_stage import CompiledStage
from recipe_engine.data.cells import as_messages
from recipe_engine.data.thinking import ThoughtError, begins_thought, fault, render, split
from recipe_engine.recipe.stages.generate import GenerateStage, HttpEngine
from recipe_engine.recipe.thinking import ThinkingBlock
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.generation import engine_for
from recipe_engine.runtime.generation.requests import Answer, Completion, Refused, Request, Say, seed_of
from recipe_engine.runtime.stages.costs import spent_so_far
from recipe_engine.runtime.stages.prompts_in import data_of, prompt_rows
from recipe_engine.runtime.stages.work import Counts, Maker, Row, Work

ATTEMPTS = 2
"""How often a malformed completion is drawn where ``answers: thought_and_response`` wants well-formed ones."""
_OF_NO_MATTER = {
    "concurrency",
    "requests_per_minute",
    "timeout_seconds",
    "attempts",
    "dollars_per_million_input",
    "dollars_per_million_output",
    "max_dollars",
    "gpu_memory_utilization",
    "max_num_seqs",
    "enable_prefix_caching",
    "tensor_parallel_size",
}
"""Settings of engines that change no row."""


def generate_work(compiled: CompiledStage, stage: GenerateStage, folder: Path, rows_folder: Path, say: Say) -> Work:
    """What a generate stage does."""
    data = data_of(stage.rows, stage.data)
    engine = {key: value for key, value in stage.engine.model_dump().items() if key not in _OF_NO_MATTER}
    settings = {
        "model": stage.model,
        "engine": engine,
        "sampling": stage.sampling.model_dump(),
        "chat_template": _content(compiled, stage.chat_template),
        "keep": stage.keep,
        "answers": stage.answers,
        "thinking": None if compiled.thinking is None else compiled.thinking.model_dump(),
        "seed": compiled.seed,
        "iteration": compiled.iteration,
    }
    if stage.answers == "thought_and_response" and compiled.thinking is None:
        raise RunError("answers: thought_and_response needs a thinking block, by whose tags completions are split")
    return Work(
        name=stage.id,
        folder=folder,
        rows_folder=rows_folder,
        settings=settings,
        shard_rows=stage.shard_rows,
        inputs=lambda counts: prompt_rows(
            data, compiled.thinking, compiled.slice, folder / "work" / "fetched", counts, say
        ),
        maker=partial(Generation, compiled, stage, folder),
    )


def _content(compiled: CompiledStage, template: str | None) -> str | None:
    """The text of a chat template: another text makes other rows."""
    if template is None or template == "chatml":
        return template
    try:
        return Path(compiled.recipe_folder, template).expanduser().read_text(encoding="utf-8")
    except OSError as error:
        raise RunError(f"chat_template: {template} cannot be read: {error.strerror}") from error


class Generation(Maker):
    """Completions of the prompts of a shard."""

    def __init__(self, compiled: CompiledStage, stage: GenerateStage, folder: Path, say: Say) -> None:
        self.compiled = compiled
        self.stage = stage
        self.thinking = compiled.thinking
        spent = spent_so_far(folder) if isinstance(stage.engine, HttpEngine) else 0.0
        self.engine = engine_for(compiled, stage, say, spent)

    def rows(self, rows: list[Row], counts: Counts, kept: Path) -> Iterable[Row]:
        """The rows of all samples, those of a prompt together; what is dropped is counted."""
        asked = [(row, sample) for row in rows for sample in range(self.stage.sampling.n)]
        answers = self._answers(asked, kept, counts)
        for (row, sample), answer in zip(asked, answers, strict=True):
            if isinstance(answer, Refused):
                counts.dropped[answer.reason] += 1
            elif self.stage.keep == "finished" and answer.finish_reason != "stop":
                counts.dropped["unfinished"] += 1
            else:
                yield self._row(row, sample, answer)

    def finish(self, counts: Counts, kept: Path) -> None:
        """Count tokens, and what they cost."""
        counts.add(Counts(totals=self.engine.totals(kept)))

    def close(self) -> None:
        """Let the engine go."""
        self.engine.close()

    def _answers(self, asked: list[tuple[Row, int]], kept: Path, counts: Counts) -> list[Answer]:
        """An answer for each sample; malformed ones are drawn again where well-formed ones are wanted."""
        answers = self._drawn(asked, 0, kept)
        if self.stage.answers != "thought_and_response":
            return answers
        for attempt in range(1, ATTEMPTS + 1):
            places = [place for place, answer in enumerate(answers) if self._is_malformed(answer)]
            counts.totals["malformed"] = counts.totals.get("malformed", 0) + len(places)
            again = self._drawn([asked[place] for place in places], attempt, kept) if attempt < ATTEMPTS else []
            for place, answer in zip(places, again or [Refused("malformed")] * len(places), strict=True):
                answers[place] = answer
        return answers

    def _drawn(self, asked: list[tuple[Row, int]], attempt: int, kept: Path) -> list[Answer]:
        if not asked:
            return []
        given = self.engine.complete([self._request(row, sample, attempt) for row, sample in asked], kept)
        return [self._whole(row, answer) for (row, _), answer in zip(asked, given, strict=True)]

    def _request(self, row: Row, sample: int, attempt: int) -> Request:
        seed = seed_of(self.compiled.seed, row["prompt_id"], sample, attempt)
        return Request(row["prompt_id"], sample, attempt, row["prompt"], seed)

    def _whole(self, row: Row, answer: Answer) -> Answer:
        """The completion with the tag that its prompt ended with, and with a thought that came apart from it."""
        if isinstance(answer, Refused) or self.thinking is None:
            return answer
        text = answer.text
        if answer.thought is not None and fault(self.thinking, text) is not None:
            close = f"{self.thinking.close}{self.thinking.answer_open or ''}"
            ends = self.thinking.answer_close or ""
            text = f"{self.thinking.open}{answer.thought}{close}{text.strip()}{ends}"
        elif self.thinking.begin_completion and _begun_by_prompt(self.stage, self.thinking, row, text):
            text = self.thinking.open + text
        return Completion(text, answer.finish_reason, answer.tokens)

    def _is_malformed(self, answer: Answer) -> bool:
        return isinstance(answer, Completion) and parted(self.thinking, answer.text) is None

    def _row(self, row: Row, sample: int, answer: Completion) -> Row:
        text = answer.text
        chat = not isinstance(row["prompt"], str)
        made: dict[str, Any] = {
            **row,
            "sample_idx": sample,
            "completion": [{"role": "assistant", "content": text}] if chat else text,
            "finish_reason": answer.finish_reason,
            "completion_tokens": answer.tokens,
            "model": self.stage.model,
        }
        if self.compiled.iteration is not None:
            made["iteration"] = self.compiled.iteration
        if self.stage.answers == "thought_and_response":
            parts = parted(self.thinking, text)
            assert parts is not None
            base = str(row.get("id", row["prompt_id"]))
            made["id"] = base if self.stage.sampling.n == 1 else f"{base}-{sample}"
            made["messages"] = as_messages(row["prompt"], "user")
            made["thought"], made["response"] = parts
        return made


def parted(thinking: ThinkingBlock | None, text: str) -> tuple[str, str] | None:
    """The thought and the response of a completion, if it has exactly the form of the block and both say something."""
    if thinking is None or fault(thinking, text) is not None:
        return None
    parts = split(thinking, text)
    thought, response = parts.thought or "", (parts.answer or "").strip()
    if not thought.strip() or not response:
        return None
    try:
        render(thinking, thought, response)
    except ThoughtError:
        return None
    return thought, response


def _begun_by_prompt(stage: GenerateStage, thinking: ThinkingBlock, row: Row, text: str) -> bool:
    """Whether the opening tag of a completion stood in its prompt, and is not the row's own text."""
    if isinstance(row["prompt"], str) and begins_thought(thinking, row["prompt"]):
        return False
    if isinstance(stage.engine, HttpEngine):  # only the service knows how it renders prompts
        return fault(thinking, text) is not None and fault(thinking, text, begun=True) is None
    return True
