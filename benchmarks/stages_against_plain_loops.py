"""Generation and scoring of stages against the shortest plain loops over transformers: the same rows, in one process
and in turns. Run by hand:

    python benchmarks/stages_against_plain_loops.py

A loop is what one writes without a framework: tokenize a batch, ``generate`` (or the classifier's forward), decode,
write lines. Both sides read the same file, have the same batch size and write a file; the stage also claims its shards,
counts, brings them to the disk and keeps every row's ids. Models are loaded before the clock starts, on both sides.
Completions end where they end; as many tokens are drawn on either side, but not the same ones, unless greedily. One
thread computes unless OMP_NUM_THREADS says otherwise. The processor time is compared too: other programs hardly
change it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

BATCH, TOKENS, SAMPLES = 16, 32, 2
Times = list[tuple[float, float]]


def main() -> None:
    """Measure each stage and its loop in turns, and print their times."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--prompts", type=int, default=192)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--one-length", action="store_true", help="prompts and answers of one length: nothing to sort")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, (engine, plain) in sides(Path(folder), given.prompts, one_length=given.one_length).items():
            ours: Times = []
            theirs: Times = []
            for _ in range(given.turns + 1):
                ours.append(timed(engine))
                theirs.append(timed(plain))
            report(name, ours[1:], theirs[1:])  # the first warms up


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds on the clock and of the processor."""
    start = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start[0], time.process_time() - start[1]


def report(name: str, ours: Times, theirs: Times) -> None:
    """Print the times of both and their ratios."""
    for what, place, pick in (
        ("median", 0, statistics.median),
        ("least", 0, min),
        ("processor, median", 1, statistics.median),
    ):
        one, other = pick(time[place] for time in ours), pick(time[place] for time in theirs)
        print(f"{name:20} {what:18} stage {one:.3f} s, loop {other:.3f} s, ratio {one / other:.3f}", flush=True)


def sides(folder: Path, count: int, *, one_length: bool) -> dict[str, tuple[Callable[[], None], Callable[[], None]]]:
    """For each kind the stage and the loop."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

    from recipe_engine.data import builtin
    from recipe_engine.runtime import builtin_model

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    rows = builtin.rows("builtin/conversations", "train")
    prompts = [{"prompt": row["messages"][:-1]} for row in rows if row["messages"][-1]["role"] == "assistant"][:count]
    if one_length:
        asked = builtin.rows("builtin/questions", "train")
        prompts = [{"prompt": row["prompt"]} for row in asked if row["data_source"] == "last_digit"][:count]
    file = folder / "prompts.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in prompts), encoding="utf-8")
    path = builtin_model.ensure()
    tokenizer = AutoTokenizer.from_pretrained(path, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(path).eval()

    @torch.inference_mode()
    def generated(**sampling: Any) -> None:
        read = [json.loads(line) for line in file.open(encoding="utf-8")]
        asked = [row for row in read for _ in range(SAMPLES)]
        with (folder / "plain.jsonl").open("w", encoding="utf-8") as stream:
            for start in range(0, len(asked), BATCH):
                batch = asked[start : start + BATCH]
                texts = [
                    tokenizer.apply_chat_template(row["prompt"], tokenize=False, add_generation_prompt=True)
                    for row in batch
                ]
                inputs = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
                ids = model.generate(**inputs, max_new_tokens=TOKENS, **sampling)
                answers = tokenizer.batch_decode(ids[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
                for row, answer in zip(batch, answers, strict=True):
                    stream.write(json.dumps({**row, "completion": answer}) + "\n")

    judge = AutoModelForSequenceClassification.from_pretrained(builtin_model.ensure("builtin/tiny-reward")).eval()
    scored_file = folder / "scored.jsonl"
    answered = [
        {**row, "completion": "7" * (20 if one_length else 1 + place % 40)} for place, row in enumerate(prompts * 4)
    ]
    scored_file.write_text("".join(json.dumps(row) + "\n" for row in answered), encoding="utf-8")

    @torch.inference_mode()
    def scored() -> None:
        right = AutoTokenizer.from_pretrained(path, padding_side="right") if not cached else cached[0]
        cached[:] = [right]
        read = [json.loads(line) for line in scored_file.open(encoding="utf-8")]
        with (folder / "plain.jsonl").open("w", encoding="utf-8") as stream:
            for start in range(0, len(read), BATCH):
                batch = read[start : start + BATCH]
                texts = [
                    right.apply_chat_template(
                        [*row["prompt"], {"role": "assistant", "content": row["completion"]}], tokenize=False
                    )
                    for row in batch
                ]
                inputs = right(texts, return_tensors="pt", padding=True, add_special_tokens=False)
                scores = judge(**inputs, use_cache=False).logits[:, 0].tolist()
                for row, score in zip(batch, scores, strict=True):
                    stream.write(json.dumps({**row, "reward": score}) + "\n")

    cached: list[Any] = []
    drawn = {"n": SAMPLES, "max_tokens": TOKENS}
    engine = {"type": "hf", "batch_size": BATCH}
    common = {"kind": "generate", "model": "builtin/tiny-chat", "rows": str(file), "engine": engine}
    reward = {"type": "reward_model", "model": "builtin/tiny-reward", "torch_dtype": "float32", "batch_size": BATCH}
    greedy, sampled = {**common, "sampling": {**drawn, "temperature": 0.0}}, {**common, "sampling": drawn}
    return {
        "generate, sampled": (stage(folder / "sampled", sampled), lambda: generated(do_sample=True, top_k=0)),
        "generate, greedy": (stage(folder / "greedy", greedy), lambda: generated(do_sample=False)),
        "score": (
            stage(folder / "score", {"kind": "score", "rows": str(scored_file), "rewards": [reward]}),
            scored,
        ),
    }


def stage(folder: Path, settings: dict[str, Any]) -> Callable[[], None]:
    """What carries a stage out in this process, again and again, with its model loaded once."""
    import shutil
    from dataclasses import replace

    from recipe_engine.compiled_stage import COMPILED_STAGE, CompiledStage
    from recipe_engine.recipe.stages import STAGES
    from recipe_engine.runtime.stages import run
    from recipe_engine.runtime.stages.work import make_rows, take_in

    folder.mkdir()
    compiled = CompiledStage(
        engine="0",
        pipeline_file="benchmark",
        recipe_folder=str(folder),
        folder=str(folder),
        iteration=None,
        stage=STAGES[settings["kind"]].model_validate({"id": settings["kind"], **settings}),
        seed=0,
        gpus=0,
        thinking=None,
    )
    (folder / COMPILED_STAGE).write_text(compiled.model_dump_json(), encoding="utf-8")
    work = run.works(compiled, folder, lambda message: None)["rows"]
    maker = work.maker(lambda message: None)
    maker.close = lambda: None  # type: ignore[method-assign]
    kept = replace(work, maker=lambda say: maker)

    def carried_out() -> None:
        shutil.rmtree(folder / "rows", ignore_errors=True)
        take_in(kept, lambda message: None)
        make_rows(kept, lambda message: None)

    return carried_out


if __name__ == "__main__":
    main()
