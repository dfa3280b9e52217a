"""The select stage: which scored completions are trained on, and as what.

The rows are read twice: first for the rewards, which decide, then for the rows that were chosen. So memory holds a
few numbers a row, whatever the rows hold.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from recipe_engine.compiled_stage import ROWS, CompiledStage, StageResult
from recipe_engine.data.cells import Row, cell
from recipe_engine.data.errors import DataError
from recipe_engine.data.messages import is_conversation
from recipe_engine.data.shards import whole_shards
from recipe_engine.pipeline.prepare.content import digest
from recipe_engine.pipeline.prepare.output import SCRATCH, Splits
from recipe_engine.recipe.stages.select import OF_A_COMPLETION, SelectStage

_OF_GROUPS = frozenset({"best_of_n", "best_worst", "difficulty"})
"""Ways that compare the completions of one prompt, and so have to know which they are."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A scored completion: where its row stands, and what decides about it."""

    file: Path
    offset: int
    reward: float


@dataclass
class Candidates:
    """All candidates by their prompts, in the order in which these came, and what was left out before."""

    groups: dict[str, list[Candidate]] = field(default_factory=dict)
    rows: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    _open: dict[Path, BinaryIO] = field(default_factory=dict)

    def row(self, one: Candidate) -> Row:
        """The whole row of a candidate."""
        if one.file not in self._open:
            self._open[one.file] = one.file.open("rb")
        stream = self._open[one.file]
        stream.seek(one.offset)
        row: Row = json.loads(stream.readline())
        return row

    def close(self) -> None:
        """Close the files that rows were read from."""
        for stream in self._open.values():
            stream.close()


def run(compiled: CompiledStage, say: Say) -> StageResult:
    """Choose rows.

    Raises:
        DataError: a row lacks what decides.
    """
    stage = compiled.stage
    assert isinstance(stage, SelectStage)
    found = _candidates(stage, [Path(one) for one in [*compiled.merged_rows, stage.rows]])
    for prompt in [prompt for prompt, group in found.groups.items() if len(group) < stage.min_group]:
        found.dropped[f"group of fewer than {stage.min_group}"] += len(found.groups.pop(prompt))
    summary: dict[str, Any] = _statistics(found)
    with closing(found):
        splits = _write(compiled, stage, CHOOSERS[stage.how](stage, found, summary))
    for name, value in summary.items():
        say(f"{name.replace('_', ' ')}: {value:.4g}" if isinstance(value, float) else f"{name}: {value}")
    return StageResult(
        rows_in=found.rows,
        rows_out=sum(splits.values()),
        splits=splits,
        dropped=dict(found.dropped.most_common()),
        summary=summary,
    )


def _candidates(stage: SelectStage, folders: Iterable[Path]) -> Candidates:
    found = Candidates()
    for file in [file for folder in folders for file in _files(folder)]:
        for offset, row in _lines(file):
            found.rows += 1
            reward = cell(row, stage.reward_column)
            if "prompt_id" not in row and stage.how in _OF_GROUPS:
                hint = "it is made by a generate stage; rows of another origin need a column of that name"
                raise DataError("D403", f"{file.name}: a row lacks the column `prompt_id`", setting="rows", hint=hint)
            if reward is None:
                found.dropped["no reward"] += 1
            elif isinstance(reward, bool) or not isinstance(reward, int | float) or not math.isfinite(reward):
                message = f"{file.name}: `{stage.reward_column}` holds {reward!r}, which is no number"
                raise DataError("D405", message, setting="reward_column")
            elif stage.finished_only and row.get("finish_reason") != "stop":
                found.dropped["cut at its most tokens"] += 1
            elif stage.how != "difficulty" and "completion" in row and not _characters(row["completion"], strip=True):
                found.dropped["empty"] += 1  # nothing of it could be trained on
            elif stage.max_chars is not None and _characters(row.get("completion")) > stage.max_chars:
                found.dropped[f"longer than {stage.max_chars} characters"] += 1
            else:
                group = found.groups.setdefault(_prompt_id(row), [])
                group.append(Candidate(file, offset, float(reward)))
    return found


def best_of_n(stage: SelectStage, found: Candidates, summary: dict[str, Any]) -> Iterator[Row]:
    """The best of each group; of equals the first (rejection sampling, RAFT, arXiv 2304.06767)."""
    best = [max(group, key=lambda one: one.reward) for group in found.groups.values()]
    found.dropped["not the best of its group"] += sum(map(len, found.groups.values())) - len(best)
    summary["mean_chosen_reward"] = _mean([one.reward for one in best])
    yield from map(found.row, best)


def best_worst(stage: SelectStage, found: Candidates, summary: dict[str, Any]) -> Iterator[Row]:
    """A pair of each group. One whose rewards are all equal has no preference, and would have no gradient."""
    pairs, ties = [], 0
    for group in found.groups.values():
        best, worst = max(group, key=lambda one: one.reward), min(group, key=lambda one: one.reward)
        if best.reward > worst.reward:
            pairs.append((best, worst))
        else:
            ties += 1
            found.dropped["of a group without a difference"] += len(group)
    kept = sum(map(len, found.groups.values())) - found.dropped["of a group without a difference"]
    found.dropped["neither the best nor the worst"] += kept - 2 * len(pairs)
    summary |= {"pairs": len(pairs), "groups_without_a_difference": ties}
    summary["mean_margin"] = _mean([best.reward - worst.reward for best, worst in pairs])
    for best, worst in pairs:
        chosen, rejected = found.row(best), found.row(worst)
        yield {
            **_of_prompt(chosen),
            "chosen": chosen["completion"],
            "rejected": rejected["completion"],
            "chosen_reward": best.reward,
            "rejected_reward": worst.reward,
        }


def threshold(stage: SelectStage, found: Candidates, summary: dict[str, Any]) -> Iterator[Row]:
    """All from a reward on."""
    least = stage.at_least if stage.at_least is not None else 0.0
    for one in _all(found):
        if one.reward >= least:
            yield found.row(one)
        else:
            found.dropped[f"reward under {least:g}"] += 1


def top_k(stage: SelectStage, found: Candidates, summary: dict[str, Any]) -> Iterator[Row]:
    """The best of all rows; of equals the first. They keep their order."""
    everything = list(_all(found))
    ranked = sorted(range(len(everything)), key=lambda index: -everything[index].reward)[: stage.k]
    found.dropped[f"not among the best {stage.k}"] += len(everything) - len(ranked)
    yield from (found.row(everything[index]) for index in sorted(ranked))


def conditional(stage: SelectStage, found: Candidates, summary: dict[str, Any]) -> Iterator[Row]:
    """All, each with its reward in the prompt (decision by conditioning; OpenRLHF's conditional SFT)."""
    mean, deviation = summary["mean_reward"], summary["deviation"]
    for one in _all(found):
        reward = one.reward
        if stage.normalize:
            reward = (reward - mean) / deviation if deviation else 0.0
        row = found.row(one)
        yield {**row, "prompt": _with_reward(row["prompt"], stage.template, reward), "conditioned_on": reward}


def difficulty(stage: SelectStage, found: Candidates, summary: dict[str, Any]) -> Iterator[Row]:
    """Prompts that are neither too easy nor too hard, by the share of their completions that passed."""
    passed_from = stage.at_least if stage.at_least is not None else 1.0
    for group in found.groups.values():
        rate = sum(one.reward >= passed_from for one in group) / len(group)
        if rate < stage.min_pass_rate:
            found.dropped["too hard"] += len(group)
        elif rate > stage.max_pass_rate:
            found.dropped["too easy"] += len(group)
        else:
            found.dropped["further completions of a prompt that is kept"] += len(group) - 1
            yield {**_of_prompt(found.row(group[0])), "pass_rate": rate}


Chooser = Callable[[SelectStage, Candidates, dict[str, Any]], Iterator[Row]]
CHOOSERS: dict[str, Chooser] = {
    "best_of_n": best_of_n,
    "best_worst": best_worst,
    "threshold": threshold,
    "top_k": top_k,
    "conditional": conditional,
    "difficulty": difficulty,
}


def _with_reward(prompt: Any, template: str, reward: float) -> Any:
    if not is_conversation(prompt):
        return template.format(prompt=prompt, reward=reward)
    last = max(index for index, turn in enumerate(prompt) if turn["role"] == "user")
    text = template.format(prompt=prompt[last]["content"], reward=reward)
    return [{**turn, "content": text} if index == last else turn for index, turn in enumerate(prompt)]


def _prompt_id(row: Row) -> str:
    """What tells a prompt. Rows that no generate stage has made, without such a column, are by themselves."""
    given = row.get("prompt_id")
    if given is not None:
        return str(given)
    return hashlib.sha256(json.dumps(row, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]


def _of_prompt(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in OF_A_COMPLETION}


def _all(found: Candidates) -> Iterator[Candidate]:
    for group in found.groups.values():
        yield from group


def _statistics(found: Candidates) -> dict[str, Any]:
    rewards = [one.reward for one in _all(found)]
    mean = _mean(rewards)
    squares = math.fsum((reward - mean) ** 2 for reward in rewards)
    return {
        "prompts": len(found.groups),
        "mean_reward": mean,
        "deviation": math.sqrt(squares / (len(rewards) - 1)) if len(rewards) > 1 else 0.0,
    }


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0


def _write(compiled: CompiledStage, stage: SelectStage, chosen: Iterable[Row]) -> dict[str, int]:
    """Write what is chosen in splits: all rows of a prompt into one."""
    folder, scratch = Path(compiled.folder, ROWS), Path(compiled.folder, SCRATCH)
    for leftover in (folder, scratch):  # of a start that did not come to its end
        shutil.rmtree(leftover, ignore_errors=True)
    shares = {"eval": stage.eval_share} if stage.eval_share else {}
    try:
        with Splits(folder, scratch, shares, compiled.seed, shuffle=stage.shuffle) as splits:
            for row in chosen:
                splits.write(row, partial(digest, {"text": _prompt_id(row)}, salt=str(compiled.seed)))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return splits.rows


def _files(folder: Path) -> Iterator[Path]:
    """The shards of a stage's rows: those of its split ``train``, or of the folder itself."""
    train = folder / "train"
    yield from whole_shards(train if train.is_dir() else folder).values()


def _lines(file: Path) -> Iterator[tuple[int, Row]]:
    with file.open("rb") as stream:
        offset = 0
        for line in stream:
            yield offset, json.loads(line)
            offset += len(line)


def _characters(completion: Any, *, strip: bool = False) -> int:
    turns = completion if isinstance(completion, list) else [{"content": completion}]
    texts = [str(turn.get("content") or "") for turn in turns]
    return sum(len(text.strip() if strip else text) for text in texts)
