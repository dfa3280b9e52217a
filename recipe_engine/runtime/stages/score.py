"""The score stage: completions, each with its rewards, as training would give them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from recipe_engine.compiled_stage import CompiledStage
from recipe_engine.data.cells import continuation, prompt_of, response_of
from recipe_engine.data.errors import DataError, RowError
from recipe_engine.data.location import locate
from recipe_engine.data.messages import is_conversation
from recipe_engine.data.thinking import begins_thought
from recipe_engine.recipe.rewards import FunctionReward, LengthReward, OverlongReward, Reward
from recipe_engine.recipe.rewards.calling import parameters_in
from recipe_engine.recipe.stages.score import ScoreStage
from recipe_engine.recipe.thinking import ThinkingBlock
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.generation.requests import Say
from recipe_engine.runtime.model_source import model_source
from recipe_engine.runtime.rewards import applied_rewards, demand_columns, row_checks
from recipe_engine.runtime.rewards.answers import with_text
from recipe_engine.runtime.rewards.apply import Given
from recipe_engine.runtime.rewards.text import text_of
from recipe_engine.runtime.stages.prompts_in import raw_part
from recipe_engine.runtime.stages.work import Counts, Maker, Row, Work


@dataclass(frozen=True, slots=True)
class Context:
    """What rewards read of a stage: a ``RewardContext``."""

    rewards: Sequence[Reward]
    thinking: ThinkingBlock | None
    recipe_folder: str
    gpus: int
    allow_reward_code: bool
    arguments: Mapping[str, Any] = field(default_factory=dict)


def context_of(compiled: CompiledStage, rewards: Sequence[Reward]) -> Context:
    """What the rewards of a stage are given."""
    return Context(rewards, compiled.thinking, compiled.recipe_folder, compiled.gpus, compiled.allow_reward_code)


def score_work(compiled: CompiledStage, stage: ScoreStage, folder: Path, rows_folder: Path, say: Say) -> Work:
    """What a score stage does."""
    context = context_of(compiled, stage.rewards)
    names = [reward.label for reward in stage.rewards]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise RunError(f"two rewards are called {twice}", "give one of them another name: name: ...")

    def inputs(counts: Counts) -> Iterator[Row]:
        checks = row_checks(context)
        columns: dict[str, None] = {}
        part = compiled.slice if stage.kind == "score" else None
        for number, row in enumerate(raw_part(stage.rows, part, folder / "work" / "fetched"), start=1):
            try:
                prompt, completion = said(stage, row)
                for check in checks:
                    check({**row, "prompt": prompt, "completion": completion})
            except RowError as error:
                raise DataError(error.code, f"{stage.rows}, row {number}: {error.message}") from error
            columns |= dict.fromkeys(row)
            yield row
        demand_columns(context, columns)

    settings = {
        "rewards": [reward.model_dump() for reward in stage.rewards],
        "columns": [stage.prompt_column, stage.completion_column],
        "tokenizer": stage.tokenizer,
        "thinking": None if compiled.thinking is None else compiled.thinking.model_dump(),
    }
    maker = partial(Scoring, compiled, stage, folder)
    return Work(stage.id, folder, rows_folder, settings, stage.shard_rows, inputs, maker)


def said(stage: ScoreStage, row: Row) -> tuple[Any, Any]:
    """The prompt of a row, and its completion without the messages of the prompt.

    An empty completion is one too: a model may say nothing.

    Raises:
        RowError: one of them is not there, or is neither text nor messages.
    """
    prompt = prompt_of(row.get(stage.prompt_column), stage.prompt_column)
    column = stage.completion_column
    value = row.get(column)
    if isinstance(value, str):
        return prompt, value
    if not is_conversation(value):
        response_of(value, column)  # says what is wrong
    messages = [value] if isinstance(value, dict) else list(value or [])
    if len(messages) == 1 and messages[0].get("role") == "assistant" and isinstance(messages[0].get("content"), str):
        return prompt, messages
    return prompt, continuation(response_of(value, column), prompt, column)


class Scoring(Maker):
    """Scores of the completions of a shard."""

    def __init__(self, compiled: CompiledStage, stage: ScoreStage, folder: Path, say: Say) -> None:
        self.stage = stage
        self.thinking = compiled.thinking
        self.folder = folder
        self.rewards = applied_rewards(context_of(compiled, stage.rewards), say)
        self.needs_ids = any(_reads_ids(reward, compiled.recipe_folder) for reward in stage.rewards)
        self._tokenizers: dict[str, PreTrainedTokenizerBase] = {}

    def rows(self, rows: list[Row], counts: Counts, kept: Path) -> Iterable[Row]:
        """The rows with their rewards."""
        parts = [said(self.stage, row) for row in rows]
        completions = [self._as_in_training(prompt, completion) for prompt, completion in parts]
        names = dict.fromkeys(name for row in rows for name in row)
        columns: dict[str, Any] = {name: [row.get(name) for row in rows] for name in names}
        columns["prompts"] = [prompt for prompt, _ in parts]
        for name in ("prompt", "completion", self.stage.prompt_column, self.stage.completion_column):
            columns.pop(name, None)
        if self.needs_ids:
            columns["completion_ids"] = [
                self._ids(row, text_of(completion)) for row, completion in zip(rows, completions, strict=True)
            ]
        given = [apply(completions, columns) for _, apply in self.rewards]
        for place, row in enumerate(rows):
            yield self._scored(row, [one[place] for one in given], counts)

    def _scored(self, row: Row, given: Sequence[Given], counts: Counts) -> Row:
        scores: dict[str, float | None] = {}
        total: float | None = None
        for (reward, _), one in zip(self.rewards, given, strict=True):
            scores[reward.label] = one.score
            if one.malformed is not None:
                scores[f"{reward.label}/malformed"] = float(one.malformed)
                _count(counts, "malformed", one.malformed)
            if one.failed is not None:
                scores[f"{reward.label}/failed"] = 1.0
                _count(counts, "failed", True)
            scores |= {f"{reward.label}/{name}": value for name, value in one.parts.items()}
            if one.score is not None:
                total = (total or 0.0) + reward.weight * one.score
        _count(counts, "without_reward", total is None)
        _count(counts, "rewarded", total is not None)
        counts.totals["reward_sum"] = counts.totals.get("reward_sum", 0.0) + (total or 0.0)
        return {**row, "reward": total, "rewards": scores}

    def _as_in_training(self, prompt: Any, completion: Any) -> Any:
        """The completion without the opening tag where training's prompts end with it (``begin_completion``)."""
        thinking = self.thinking
        if thinking is None or not thinking.begin_completion:
            return completion
        if isinstance(prompt, str) and begins_thought(thinking, prompt):
            return completion
        text = text_of(completion).lstrip()
        tag = thinking.open.strip()
        if not text.startswith(tag):
            return completion
        # White space in the tag is the tag's, as far as it is there.
        rest = text.removeprefix(thinking.open) if text.startswith(thinking.open) else text.removeprefix(tag)
        return with_text(completion, rest)

    def _ids(self, row: Row, text: str) -> list[int]:
        """The tokens of a completion, with the one that ended it, as training counts them."""
        tokenizer = self._tokenizer(row)
        ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        return [*ids, int(tokenizer.eos_token_id)] if row.get("finish_reason") == "stop" else ids

    def _tokenizer(self, row: Row) -> PreTrainedTokenizerBase:
        name = self.stage.tokenizer or row.get("model")
        if not isinstance(name, str):
            hint = "name one: tokenizer: MODEL"
            raise RunError("a reward counts tokens, and the rows name no `model` whose tokenizer would tell", hint)
        if name not in self._tokenizers:
            if self.stage.tokenizer is None and locate(name).kind == "hub":
                hint = "name the tokenizer that is meant: tokenizer: MODEL"
                raise RunError(f"a reward counts tokens, and the rows' model {name} is not on this machine", hint)
            source = model_source(name, "tokenizer", self.folder)
            try:
                self._tokenizers[name] = AutoTokenizer.from_pretrained(source)
            except (OSError, ValueError) as error:
                reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
                raise RunError(f"the tokenizer of {name} cannot be loaded: {reason}") from error
        return self._tokenizers[name]


def _reads_ids(reward: Reward, folder: str) -> bool:
    if isinstance(reward, LengthReward):
        return reward.unit == "tokens"
    if isinstance(reward, FunctionReward):
        parameters = parameters_in(Path(folder, reward.path), reward.name)
        return parameters is not None and "completion_ids" in parameters.names
    return isinstance(reward, OverlongReward)


def _count(counts: Counts, name: str, more: bool) -> None:
    counts.totals[name] = counts.totals.get(name, 0) + more
