"""The time of a PPO step against a plain loop that does the same work, in one process and in turns. Run by hand:

    python benchmarks/ppo_against_plain_loop.py

The loop is what one writes without a framework: sample with ``generate``, score, two models' forwards, generalized
advantages, both losses, backward, clip, AdamW. Both sides have the same model, prompts, batch and lengths, and every
completion has the same number of tokens, so that the work is the same. The processor time is compared too: other
programs hardly change it. One thread computes unless OMP_NUM_THREADS says otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BATCH, TOKENS = 32, 24
RECIPE: dict[str, Any] = {
    "model": {"base_model_name": "builtin/tiny-chat"},
    "data": {"datasets": [{"name": "builtin/questions"}], "max_length": 64},
    "rewards": [{"type": "exact_match"}],
    "training": {
        "algorithm": "ppo",
        "overwrite_output_dir": True,
        "per_device_train_batch_size": BATCH,
        "max_completion_length": TOKENS,
        "generation_kwargs": {"min_new_tokens": TOKENS},
        "learning_rate": 1e-6,
        "lr_scheduler_type": "constant",
        "logging_steps": 10,
        "save_strategy": "no",
        "bf16": False,
        "gradient_checkpointing": False,
        "dataloader_pin_memory": False,
    },
}


def main() -> None:
    """Measure, and print medians, least times and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.split(". ", 1)[0])
    parser.add_argument("--steps", type=int, default=12, help="steps of a turn; the first of each is not counted")
    parser.add_argument("--turns", type=int, default=5)
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    wall: dict[str, list[float]] = {"engine": [], "loop": []}
    processor: dict[str, list[float]] = {"engine": [], "loop": []}
    with tempfile.TemporaryDirectory() as folder:
        training = {**RECIPE["training"], "max_steps": given.steps}
        _, trainer = trainer_of(Path(folder), {**RECIPE, "training": training})
        loop = plain_loop()
        for _ in range(given.turns):
            for side, times in (("engine", engine_steps(trainer)), ("loop", (next(loop) for _ in range(given.steps)))):
                for wall_time, processor_time in list(times)[1:]:
                    wall[side].append(wall_time)
                    processor[side].append(processor_time)
    for label, times in (("a step", wall), ("processor time of a step", processor)):
        for kind, of in (("median", statistics.median), ("least", min)):
            ours, theirs = of(times["engine"]), of(times["loop"])
            print(f"{label}, {kind}: engine {ours:.4f} s, plain loop {theirs:.4f} s, ratio {ours / theirs:.3f}")
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def trainer_of(folder: Path, recipe: dict[str, Any]) -> tuple[Any, Any]:
    """The compiled run of a recipe, and the trainer that is made of it."""
    from transformers import Trainer

    from recipe_engine.compile import Options, compile_recipe
    from recipe_engine.compiled import CompiledRun
    from recipe_engine.lint import check
    from recipe_engine.runtime.worker import train

    training = {**recipe["training"], "output_dir": str(folder / "out")}
    file = folder / "recipe.yaml"
    file.write_text(json.dumps({**recipe, "training": training}), encoding="utf-8")  # JSON is YAML
    checked = check(file, gpus=0)
    assert checked.recipe is not None, checked.diagnostics
    assert checked.document is not None
    run = CompiledRun.model_validate_json(
        compile_recipe(checked.recipe, checked.document, Options()).run.model_dump_json()
    )
    Path(run.run_dir).mkdir(parents=True)
    made: list[Any] = []
    original = Trainer.train

    def stop(self: Trainer, **_: object) -> None:
        made.append(self)
        raise InterruptedError

    Trainer.train = stop
    try:
        train(run)
    except InterruptedError:
        pass
    finally:
        Trainer.train = original
    return run, made[0]


def engine_steps(trainer: Any) -> list[tuple[float, float]]:
    """A training of some steps; the time of each, from its first to its last instruction and the log between."""
    from transformers import TrainerCallback

    times: list[tuple[float, float]] = []
    last = [time.perf_counter(), time.process_time()]

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            now = [time.perf_counter(), time.process_time()]
            times.append((now[0] - last[0], now[1] - last[1]))
            last[:] = now

    clock = Clock()
    trainer.add_callback(clock)
    trainer.train()
    trainer.remove_callback(clock)
    return times


def plain_loop() -> Iterator[tuple[float, float]]:
    """Steps of PPO by hand; the time of each."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForTokenClassification, AutoTokenizer

    from recipe_engine.data import builtin
    from recipe_engine.runtime import builtin_model

    path = builtin_model.ensure()
    tokenizer = AutoTokenizer.from_pretrained(path, padding_side="left")
    policy = AutoModelForCausalLM.from_pretrained(path).train()
    critic = AutoModelForTokenClassification.from_pretrained(path, num_labels=1).train()
    rows = builtin.rows("builtin/questions", "train")
    groups = [{"params": policy.parameters(), "lr": 1e-6}, {"params": critic.parameters(), "lr": 1e-5}]
    optimizer = torch.optim.AdamW(groups, fused=True)
    place = 0
    while True:
        start = time.perf_counter(), time.process_time()
        chosen = [rows[(place + n) % len(rows)] for n in range(BATCH)]
        place += BATCH
        texts = [tokenizer.apply_chat_template(r["prompt"], tokenize=False, add_generation_prompt=True) for r in chosen]
        prompts = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
        width = prompts["input_ids"].shape[1]
        with torch.no_grad():
            ids = policy.generate(**prompts, do_sample=True, min_new_tokens=TOKENS, max_new_tokens=TOKENS)
            attention = torch.cat([prompts["attention_mask"], torch.ones(BATCH, TOKENS, dtype=torch.long)], dim=1)
            answers = tokenizer.batch_decode(ids[:, width:], skip_special_tokens=True)
            scores = torch.tensor([float(a.strip() == r["answer"]) for a, r in zip(answers, chosen, strict=True)])
            values = critic(input_ids=ids, attention_mask=attention).logits[:, width - 1 : -1, 0]
        rewards = torch.zeros_like(values)
        rewards[:, -1] = scores
        following = torch.cat([values[:, 1:], torch.zeros(BATCH, 1)], dim=1)
        deltas = rewards + following - values
        advantages = deltas.flip(1).cumsum(1).flip(1)
        returns = advantages + values
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        logits = policy(input_ids=ids, attention_mask=attention, logits_to_keep=TOKENS + 1).logits[:, :-1]
        log_probs = logits.log_softmax(-1)
        chosen_probs = log_probs.gather(-1, ids[:, width:, None]).squeeze(-1)
        entropy = -(log_probs.detach().exp() * log_probs.detach()).sum(-1).mean()
        ratio = torch.exp(chosen_probs - chosen_probs.detach())
        objective = torch.minimum(ratio * advantages, ratio.clip(0.8, 1.2) * advantages)
        now = critic(input_ids=ids, attention_mask=attention).logits[:, width - 1 : -1, 0]
        held = values + (now - values).clip(-0.5, 0.5)
        value_loss = 0.5 * torch.maximum((now - returns) ** 2, (held - returns) ** 2).mean()
        (value_loss - objective.mean()).backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        torch.nn.utils.clip_grad_norm_(critic.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        _ = float(entropy), float(value_loss.detach()), float(scores.mean())
        yield time.perf_counter() - start[0], time.process_time() - start[1]


if __name__ == "__main__":
    main()
