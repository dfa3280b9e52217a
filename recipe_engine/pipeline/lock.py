"""One run of a pipeline at a time."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

from recipe_engine.launch.errors import LaunchError
from recipe_engine.launch.lock import Holder, Lock, holder, lock_folder
from recipe_engine.launch.paths import shorten

WAIT_SECONDS = 120.0
"""How long the stages of a pipeline whose own process was killed are waited for: they save, and end."""
_POLL_SECONDS = 0.2


def take(output_dir: Path, say: Callable[[str], None], setting: str = "output_dir") -> Lock:
    """Take the lock of a pipeline's folder.

    Every stage's process holds it too, so that what a killed pipeline left behind has ended before another begins.
    ``setting`` is what names the folder.

    Raises:
        LaunchError: the pipeline is going on.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    said = False
    while True:
        try:
            held = lock_folder(output_dir, f"{setting}: {shorten(output_dir)}")
        except LaunchError:
            who = holder(output_dir)
            if (who is not None and _is_alive(who)) or time.monotonic() > deadline:
                raise
            if not said:
                say("waiting for the stages of a run that was killed to end")
                said = True
            time.sleep(_POLL_SECONDS)
            continue
        held.name_holder(os.getpid())
        return held


def _is_alive(who: Holder) -> bool:
    """Whether the process that took a lock lives. Of one on another machine nothing is known: it is taken to live."""
    if not who.pid:
        return False
    if who.host not in {"", socket.gethostname()}:
        return True
    try:
        os.kill(who.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
