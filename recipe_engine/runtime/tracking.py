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
from urllib.request import getproxies, proxy_bypass

from recipe_engine.compiled import CompiledRun
from recipe_engine.runtime.errors import RunError

Say = Callable[[str], None]

PUBLIC_SERVER = "https://api.wandb.ai"
CONNECT_SECONDS = 5.0
INIT_SECONDS = 30


def start_wandb(run: CompiledRun, say: Say) -> None:
    """Begin the wandb run, online where a key and the server are there, else offline. First process only.

    Raises:
        RunError: ``WANDB_MODE`` is none that wandb knows.
    """
    # wandb reports its own errors to the server, and at the end of the process waits long for one that is not there.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb

    server = run.wandb.base_url or os.environ.get("WANDB_BASE_URL") or PUBLIC_SERVER
    asked = os.environ.get("WANDB_MODE", "online")
    reason = _why_offline(server) if asked == "online" else None
    mode = "offline" if reason else asked

    def begin(mode: str) -> None:
        wandb.init(
            project=run.wandb.project or os.environ.get("WANDB_PROJECT") or "huggingface",
            entity=run.wandb.entity,
            name=run.wandb.name,
            tags=run.wandb.tags or None,
            group=run.wandb.group,
            notes=run.wandb.notes,
            dir=run.run_dir,
            mode=mode,  # wandb checks what WANDB_MODE says
            config={"recipe": run.recipe_file, "algorithm": run.algorithm},
            settings=wandb.Settings(base_url=server, init_timeout=INIT_SECONDS, silent=True),
        )

    try:
        begin(mode)
    except (wandb.errors.CommError, wandb.errors.UsageError, ValueError) as error:
        if mode != "online":
            raise RunError(f"wandb cannot run in the mode {mode!r}: {error}", hint="WANDB_MODE says so") from error
        reason, mode = f"the server refused: {_first_line(error)}", "offline"
        begin(mode)
    if mode == "offline":
        folder = _offline_folder(Path(run.run_dir))
        say(f"wandb: offline, since {reason or 'WANDB_MODE says so'}; send it later with: wandb sync {folder}")


def _why_offline(server: str) -> str | None:
    if not _has_key(server):
        return "there is no key (set WANDB_API_KEY, or run `wandb login` once)"
    host, port = _first_hop(server)
    try:
        socket.create_connection((host, port), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        return f"{host} cannot be reached ({error})"
    return None


def _first_hop(server: str) -> tuple[str, int]:
    """The host and port to connect to: the server's, or those of the proxy that the environment names for it."""
    parts = urlsplit(server)
    proxy = None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
    if proxy:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return parts.hostname or server, parts.port or (80 if parts.scheme == "http" else 443)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0] or type(error).__name__


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
