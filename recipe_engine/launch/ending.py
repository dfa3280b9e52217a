"""What is said when a run has ended: where everything is, and what to do next."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
from pathlib import Path

from recipe_engine.checkpoints import newest_whole
from recipe_engine.compiled import CompiledRun
from recipe_engine.launch.paths import shorten
from recipe_engine.launch.supervise import EXIT_INTERRUPTED, EXIT_TERMINATED

_EXIT_HUNG_UP = 128 + signal.SIGHUP
_EXIT_KILLED = 128 + signal.SIGKILL
EXIT_UNFINISHED = 1
"""Exit code of a run whose worker ended without an error and without a model."""
_TAIL_BYTES = 1 << 16
_WORKER_KILLED = re.compile(rb"exitcode\s*: -9\b")
"""How torch's launcher reports a worker that SIGKILL ended; its own exit code is 1 whatever happened."""
_ERROR = re.compile(rb"^error: (.+)", re.MULTILINE)
"""How a worker says why it cannot go on."""


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
    tail = _tail(log)
    lines = [f"{run.run_name}: {_how(tail, code)}; {_left(run)}"]
    if code == _EXIT_KILLED or _WORKER_KILLED.search(tail):
        lines.append("  the system does so when memory runs out: try a smaller batch, or a smaller data.max_length")
    error = _ERROR.search(tail)
    if error is not None:  # a launcher has written its own traceback below it
        lines.append(f"  error    {error[1].decode(errors='replace')}")
    return [*lines, f"  log      {shorten(log)}"]


def try_command(run: CompiledRun) -> str:
    """A shell command that lets the user talk to the trained model."""
    folder = Path(run.output_dir)
    chat = has_chat_template(folder) and run.algorithm != "cpt"
    prompt = '[{"role": "user", "content": input("you: ")}]' if chat else 'input("text: ")'
    remote_code = ", trust_remote_code=True" if run.model.trust_remote_code else ""
    code = (
        "from transformers import pipeline; "
        f'made = pipeline("text-generation", {_literal(shorten(folder))}{remote_code})'
        f"({prompt}, max_new_tokens=64, return_full_text=False); "
        'print(made[0]["generated_text"])'
    )
    return shlex.join([shorten(sys.executable), "-c", code])


def has_chat_template(folder: Path) -> bool:
    """Whether the saved tokenizer knows how to render messages."""
    settings = folder / "tokenizer_config.json"
    return (folder / "chat_template.jinja").exists() or (
        settings.exists() and '"chat_template"' in settings.read_text(encoding="utf-8")
    )


def _literal(text: str) -> str:
    """Python text in double quotes, so that a shell can quote the whole in single ones."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _how(tail: bytes, code: int) -> str:
    known = {
        EXIT_INTERRUPTED: "interrupted",
        EXIT_TERMINATED: "stopped by SIGTERM",
        _EXIT_HUNG_UP: "stopped, since the terminal was closed",
        _EXIT_KILLED: "killed (SIGKILL)",
    }
    if code in known:
        return known[code]
    if _WORKER_KILLED.search(tail):
        return "one of its processes was killed (SIGKILL), which ended the others"
    if code > 128 and code - 128 in signal.valid_signals():
        return f"crashed ({signal.Signals(code - 128).name})"
    return f"failed (exit code {code})"


def _tail(log: Path) -> bytes:
    with log.open("rb") as stream:
        stream.seek(0, os.SEEK_END)
        stream.seek(max(stream.tell() - _TAIL_BYTES, 0))
        return stream.read()


def _left(run: CompiledRun) -> str:
    newest = newest_whole(Path(run.output_dir))
    return f"the newest checkpoint is {shorten(newest)}" if newest else "no checkpoint was saved"
