"""Weights & Biases, so that a missing key or network never stops a training.

Raw wandb ends the run without a key, and with a key but no network it hangs for two minutes and then ends it.
"""

from __future__ import annotations

import netrc
import os
import shlex
import socket
import sys
import threading
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
"""How long the server may take to answer at the start; ``WANDB_INIT_TIMEOUT`` says otherwise."""
FINISH_SECONDS = 60
"""How long a run that has ended may take to send what is left; ``WANDB_FINISH_TIMEOUT`` says otherwise."""
_GRACE_SECONDS = 10.0
"""After this much more wandb's own process is no longer waited for."""


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
            settings=wandb.Settings(base_url=server, silent=True, finish_timeout_raises=True, **_limits()),
        )

    try:
        begin(mode)
    except (wandb.errors.CommError, wandb.errors.UsageError, ValueError) as error:
        if mode != "online":
            raise RunError(f"wandb cannot run in the mode {mode!r}: {error}", hint="WANDB_MODE says so") from error
        reason, mode = f"the server refused: {_first_line(error)}", "offline"
        begin(mode)
    sync = f"wandb sync {shlex.quote(_folder())}"
    if mode == "offline":
        say(f"wandb: offline, since {reason or 'WANDB_MODE says so'}; send it later with: {sync}")
    elif mode == "online":
        say(f"wandb: {server}; should it fail from now on, send what is missing with: {sync}")


def end_wandb(code: int, say: Say) -> bool:
    """Send what is left of the run that ``start_wandb`` began, for a bounded time, and how training ended.

    Returns false where wandb's own process is dead or stuck: its exit handlers would wait for it, or fail.
    """
    wandb = sys.modules.get("wandb")
    if wandb is None or wandb.run is None:
        return True
    sync = f"send it with: wandb sync {shlex.quote(_folder())}"
    failures: list[Exception] = []

    def finish() -> None:
        try:
            wandb.finish(exit_code=code)
        except Exception as error:  # noqa: BLE001 # whatever it is, training has ended as it has
            failures.append(error)

    thread = threading.Thread(target=finish, daemon=True)
    thread.start()
    thread.join(_limits()["finish_timeout"] + _GRACE_SECONDS)
    if thread.is_alive():
        say(f"wandb: its own process does not answer, and not all was sent; {sync}")
        return False
    for failure in failures:
        late = isinstance(failure, TimeoutError)
        what = (
            "the server did not take all of the run in time" if late else f"not all was sent ({_first_line(failure)})"
        )
        say(f"wandb: {what}; {sync}")
        return late
    return True


def _limits() -> dict[str, float]:
    """What wandb waits for, at most: in seconds."""
    return {
        "init_timeout": float(os.environ.get("WANDB_INIT_TIMEOUT") or INIT_SECONDS),
        "finish_timeout": float(os.environ.get("WANDB_FINISH_TIMEOUT") or FINISH_SECONDS),
    }


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


def _folder() -> str:
    """Where wandb keeps what it was told, whether or not that was sent."""
    import wandb

    return str(Path(wandb.run.dir).parent) if wandb.run is not None else "wandb"
