"""Weights & Biases, so that a missing key or network never stops a training.

Raw wandb ends the run without a key, and with a key but no network it hangs for two minutes and then ends it.
"""

from __future__ import annotations

import netrc
import os
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from recipe_engine.compiled import CompiledRun

Say = Callable[[str], None]

PUBLIC_SERVER = "https://api.wandb.ai"
CONNECT_SECONDS = 5.0
INIT_SECONDS = 30


def start_wandb(run: CompiledRun, say: Say) -> None:
    """Begin the wandb run, online where a key and the server are there, else offline. First process only."""
    import wandb

    server = run.wandb.base_url or os.environ.get("WANDB_BASE_URL") or PUBLIC_SERVER
    reason = _why_offline(server)
    mode = os.environ.get("WANDB_MODE") or ("offline" if reason else "online")

    def begin(mode: str) -> None:
        wandb.init(
            project=run.wandb.project or os.environ.get("WANDB_PROJECT") or "huggingface",
            entity=run.wandb.entity,
            name=run.wandb.name,
            tags=run.wandb.tags or None,
            group=run.wandb.group,
            notes=run.wandb.notes,
            dir=run.run_dir,
            mode=mode,  # type: ignore[arg-type]  # wandb checks what WANDB_MODE says
            config={"recipe": run.recipe_file, "algorithm": run.algorithm},
            settings=wandb.Settings(base_url=server, init_timeout=INIT_SECONDS, silent=True),
        )

    if mode == "online":
        try:
            begin("online")
        except (wandb.errors.CommError, wandb.errors.UsageError) as error:
            reason, mode = f"the server refused: {str(error).splitlines()[0]}", "offline"
    if mode != "online":
        begin(mode)
    if mode == "offline":
        say(
            f"wandb: offline, since {reason or 'WANDB_MODE says so'}; send it later with: wandb sync {_offline_folder(Path(run.run_dir))}"
        )


def _why_offline(server: str) -> str | None:
    if not _has_key(server):
        return "there is no key (set WANDB_API_KEY, or run `wandb login` once)"
    parts = urlsplit(server)
    port = parts.port or (80 if parts.scheme == "http" else 443)
    try:
        socket.create_connection((parts.hostname or server, port), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        return f"{parts.hostname} cannot be reached ({error})"
    return None


def _has_key(server: str) -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return netrc.netrc().authenticators(urlsplit(server).hostname or server) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def _offline_folder(folder: Path) -> str:
    runs = sorted(folder.glob("wandb/offline-run-*"))
    return str(runs[-1] if runs else folder)
