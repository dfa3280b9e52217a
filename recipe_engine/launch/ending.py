"""What is said when a run has ended: where everything is, and what to do next."""

from __future__ import annotations

import shlex
import signal
import sys
from pathlib import Path

from recipe_engine.algorithms import algorithm
from recipe_engine.checkpoints import newest_whole
from recipe_engine.compiled import CompiledRun
from recipe_engine.launch.companions import Outcome
from recipe_engine.launch.failure import EXIT_PASSING, signal_name
from recipe_engine.launch.paths import shorten
from recipe_engine.launch.supervise import EXIT_INTERRUPTED, EXIT_TERMINATED

_EXIT_HUNG_UP = 128 + signal.SIGHUP
_EXIT_KILLED = 128 + signal.SIGKILL


def ending_lines(
    run: CompiledRun, log: Path, outcome: Outcome, error: str = "", *, is_stage: bool = False
) -> list[str]:
    """Where the results are, or what is left of a run that did not end well; ``error`` is what it said itself.

    ``is_stage`` leaves out how the model is tried: a loop would say so again and again.
    """
    if outcome.code == 0:
        files = {
            "model": Path(run.output_dir),
            "log": log,
            "metrics": Path(run.run_dir) / "metrics.jsonl",
            "picture": Path(run.run_dir) / "loss.png",
        }
        shown = [f"  {label:<8} {shorten(path)}" for label, path in files.items() if path.exists()]
        tried = [] if is_stage else ["  try it:", f"    {try_command(run)}"]
        return [f"{run.run_name}: done", *shown, *tried]
    lines = [f"{run.run_name}: {how_it_ended(outcome)}; {_left(run)}"]
    if outcome.code == _EXIT_KILLED:
        lines.append("  the system does so when memory runs out: try a smaller batch, or a smaller data.max_length")
    if error and error != outcome.reason:
        lines.append(f"  error    {error}")
    return [*lines, f"  log      {shorten(log)}"]


def how_it_ended(outcome: Outcome) -> str:
    """How an attempt that was not done ended, in words."""
    known = {
        EXIT_INTERRUPTED: "interrupted",
        EXIT_TERMINATED: "stopped by SIGTERM",
        _EXIT_HUNG_UP: "stopped, since the terminal was closed",
        _EXIT_KILLED: "killed (SIGKILL)",
        EXIT_PASSING: "ended by a passing fault",
    }
    if outcome.reason or outcome.code in known:
        return outcome.reason or known[outcome.code]
    if outcome.code > 128 and outcome.code - 128 in signal.valid_signals():
        return f"crashed ({signal_name(outcome.code - 128)})"
    return f"failed (exit code {outcome.code})"


def try_command(run: CompiledRun) -> str:
    """A shell command that lets the user talk to the trained model."""
    folder = Path(run.output_dir)
    chat = has_chat_template(folder) and run.algorithm != "cpt"
    prompt = '[{"role": "user", "content": input("you: ")}]' if chat else 'input("text: ")'
    remote_code = ", trust_remote_code=True" if run.model.trust_remote_code else ""
    if algorithm(run.algorithm).task == "sequence_classification":
        return shlex.join([shorten(sys.executable), "-c", _judge_code(folder, chat, remote_code)])
    code = (
        "from transformers import pipeline; "
        f'made = pipeline("text-generation", {_literal(shorten(folder))}{remote_code})'
        f"({prompt}, max_new_tokens=64, return_full_text=False); "
        'print(made[0]["generated_text"])'
    )
    return shlex.join([shorten(sys.executable), "-c", code])


def _judge_code(folder: Path, chat: bool, remote_code: str) -> str:
    """Python code that scores an answer. Without a pad token the last token is read, also where padding is its end."""
    asked, answered = 'input("you: ")', 'input("answer: ")'
    messages = f'[{{"role": "user", "content": {asked}}}, {{"role": "assistant", "content": {answered}}}]'
    text = f"judge.tokenizer.apply_chat_template({messages}, tokenize=False)" if chat else f"{asked} + {answered}"
    return (
        "from transformers import pipeline; "
        f'judge = pipeline("text-classification", {_literal(shorten(folder))}, function_to_apply="none"{remote_code}); '
        f"judge.model.config.pad_token_id = None; print(judge({text}))"
    )


def has_chat_template(folder: Path) -> bool:
    """Whether the saved tokenizer knows how to render messages."""
    settings = folder / "tokenizer_config.json"
    return (folder / "chat_template.jinja").exists() or (
        settings.exists() and '"chat_template"' in settings.read_text(encoding="utf-8")
    )


def _literal(text: str) -> str:
    """Python text in double quotes, so that a shell can quote the whole in single ones."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _left(run: CompiledRun) -> str:
    newest = newest_whole(Path(run.output_dir))
    return f"the newest checkpoint is {shorten(newest)}" if newest else "no checkpoint was saved"
