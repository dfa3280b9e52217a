"""What is left of a checkpoint once its files are written goes on in a thread, beside training."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class Sealing(TrainerCallback):
    """Does a piece of work at a time, and raises what it raised as soon as training looks: after the next step.

    Only the process that saves has any. The work may not wait for other processes: its thread could meet them in
    another order than training does.
    """

    def __init__(self) -> None:
        self._work: Future[None] | None = None

    def begin(self, work: Callable[[], None]) -> None:
        """Begin with it, once what was begun before has ended."""
        self.wait()
        executor = ThreadPoolExecutor(1, "sealing")
        self._work = executor.submit(work)
        executor.shutdown(wait=False)  # the thread ends with its work

    def wait(self) -> None:
        """Wait until the work that was begun has ended, and raise what it raised. Signals are handled meanwhile."""
        if self._work is not None:
            wait([self._work])
            work, self._work = self._work, None
            work.result()

    def wait_and_say(self, say: Callable[[str], None]) -> None:
        """Wait while another error ends training: one of the work is said, and does not take its place."""
        try:
            self.wait()
        except Exception as error:  # noqa: BLE001 # whatever it is, it is not what ended training
            say(f"error: {error}")

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self._work is not None and self._work.done():
            self.wait()
