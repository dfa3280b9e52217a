"""A compiled run from its start to the lines that say where everything is."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from recipe_engine.compiled import CompiledRun
from recipe_engine.launch.command import worker_command, worker_environment
from recipe_engine.launch.supervise import EXIT_INTERRUPTED, EXIT_TERMINATED, supervise


def log_path(run: CompiledRun) -> Path:
    """A new log file for a start of the run: ``logs/<run>-<time>.log`` under the current folder."""
    name = "".join(c if c.isalnum() or c in "-_." else "-" for c in run.run_name)
    folder = Path.cwd() / "logs"
    folder.mkdir(exist_ok=True)
    base = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    for number in range(1, 1000):
        path = folder / (f"{base}.log" if number == 1 else f"{base}-{number}.log")
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            continue
        return path
    raise FileExistsError(f"{folder}/{base}.log and 999 more")


def run_to_end(run: CompiledRun, log: Path, *, to_screen: bool = True) -> int:
    """Train, and say how it ended. Returns the exit code."""
    code = supervise(worker_command(run), worker_environment(run), log if to_screen else None)
    ending = "\n" + "\n".join(ending_lines(run, log, code)) + "\n"
    if to_screen:
        with log.open("a", encoding="utf-8") as stream:
            stream.write(ending)
    print(ending, end="", flush=True)
    return code


def ending_lines(run: CompiledRun, log: Path, code: int) -> list[str]:
    """Where the results are, or what is left of a run that did not end well."""
    if code == 0:
        files = {
            "model": Path(run.output_dir),
            "log": log,
            "metrics": Path(run.run_dir) / "metrics.jsonl",
            "picture": Path(run.run_dir) / "loss.png",
        }
        shown = [f"  {label:<8} {shorten(path)}" for label, path in files.items() if path.exists()]
        return [f"{run.run_name}: done", *shown, "  try it:", f"    {try_command(run)}"]
    checkpoints = sorted(Path(run.output_dir).glob("checkpoint-*"), key=lambda path: path.stat().st_mtime)
    left = f"the newest checkpoint is {shorten(checkpoints[-1])}" if checkpoints else "no checkpoint was saved"
    how = {EXIT_INTERRUPTED: "interrupted", EXIT_TERMINATED: "stopped by SIGTERM"}.get(
        code, f"failed (exit code {code})"
    )
    return [f"{run.run_name}: {how}; {left}", f"  log      {shorten(log)}"]


def try_command(run: CompiledRun) -> str:
    """A command that lets the user talk to the trained model."""
    question = "[{'role': 'user', 'content': input('you: ')}]" if run.algorithm != "cpt" else "input('text: ')"
    code = f"from transformers import pipeline; print(pipeline('text-generation', '{shorten(Path(run.output_dir))}', max_new_tokens=64)({question}, return_full_text=False)[0]['generated_text'])"
    return f'{shorten(Path(sys.executable))} -c "{code}"'


def shorten(path: Path) -> Path:
    """The path as seen from the current folder, where that is shorter."""
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path
