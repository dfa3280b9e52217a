"""One of several machines, but the first: it connects to that, and does what all of them do."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from recipe_engine.compiled import CompiledRun
from recipe_engine.launch import handshake
from recipe_engine.launch.asked import AskedToEnd
from recipe_engine.launch.companions import Meeting, Outcome
from recipe_engine.launch.errors import LaunchError
from recipe_engine.launch.interfaces import interface_of, what_is_used
from recipe_engine.launch.outcomes import as_fields, gone, of_message
from recipe_engine.launch.wire import Message, Wire

LOOK_SECONDS = 60.0
"""How long the secret is looked for in the run's folder: a network file system shows a new file that late."""

_RETRY_SECONDS = 1.0
_POLL_SECONDS = 0.2
_CONNECT_SECONDS = 10.0
_MARGIN_SECONDS = 60.0
"""The first machine knows better why something takes too long: it may say so first."""
_FIRST = "machine 0"


class OtherNode:
    """The launcher of a machine that is not the first."""

    def __init__(self, run: CompiledRun, node: int, host: str, port: int, say: Callable[[str], None]) -> None:
        self.node = node
        self._run = run
        self._host = host
        self._port = port
        self._say = say
        self._wire: Wire | None = None
        self._heard: list[Message] = []

    def meet(self) -> Meeting:
        """Connect to the first machine where there is no connection, and wait for its word.

        Raises:
            LaunchError: it is not there in time, refuses this machine, or has ended the run.
            AskedToEnd: the first machine was asked to end.
        """
        limit = time.monotonic() + self._run.launch.start_minutes * 60
        with self._telling_of_signals():
            while True:
                wire = self._wire if self._wire is not None and not self._wire.closed else self._connect(limit)
                wire.send("ready")
                go = self._wait_for("go", limit + _MARGIN_SECONDS)
                if go is not None:
                    return Meeting(go["address"], go["port"], interface_of(wire.address))
                if time.monotonic() > limit + _MARGIN_SECONDS:
                    raise LaunchError("T517", f"{_FIRST} did not begin in time", "its log says why")

    def lost(self) -> str | None:
        """Why the processes here should be ended: the first machine says so, or is gone."""
        self._listen(0)
        end = self._take("end")
        if end is not None:
            return str(end["reason"])
        return gone(_FIRST).reason if self._wire is None or self._wire.closed else None

    def agree(self, outcome: Outcome) -> Outcome:
        """Tell how it ended here, and be told what all machines make of it."""
        if self._wire is None:
            return gone(_FIRST)
        self._wire.send("outcome", **as_fields(outcome))
        with self._telling_of_signals():
            agreed = self._wait_for("agreed", None)
        self._take("end")
        if agreed is not None:
            return of_message(agreed)
        # Without its word, what was seen here holds, unless that was but the end of the first machine.
        return outcome if outcome.code == 0 or not outcome.passing else gone(_FIRST)

    def close(self) -> None:
        """The run is over."""
        if self._wire is not None:
            self._wire.close()

    @contextmanager
    def _telling_of_signals(self) -> Iterator[None]:
        try:
            yield
        except AskedToEnd as error:
            if self._wire is not None and not self._wire.closed:
                self._wire.send("over", signal=error.number, reason="")
            raise

    def _connect(self, limit: float) -> Wire:
        """A connection over which both sides have proved that they belong to the run."""
        self._say(f"machine {self.node}: connecting to {_FIRST} at {self._host}:{self._port}")
        self._heard.clear()
        why = ""
        while time.monotonic() < limit:
            try:
                wire = Wire(socket.create_connection((self._host, self._port), timeout=_CONNECT_SECONDS))
            except OSError as error:
                why = error.strerror or str(error)
                time.sleep(_RETRY_SECONDS)
                continue
            self._wire = wire
            if self._is_welcome(wire):
                self._say(f"machine {self.node}: {what_is_used(wire.address)}")
                return wire
            why = "the connection was closed"
            wire.close()
            time.sleep(_RETRY_SECONDS)
        message = (
            f"{_FIRST} was not to be reached at {self._host}:{self._port} within "
            f"{self._run.launch.start_minutes:g} minutes: {why}"
        )
        hint = "is it started, with --node-rank 0, and is there no firewall between? See launch.start_minutes"
        raise LaunchError("T517", message, hint)

    def _is_welcome(self, wire: Wire) -> bool:
        challenge = self._wait_for("challenge", time.monotonic() + _CONNECT_SECONDS)
        if challenge is None:
            return False
        token, nonce, host = self._token(challenge["token"]), handshake.draw(), socket.gethostname()
        if token is None:
            wire.send("blind", node=self.node, host=host, folder=self._run.run_dir)
            raise LaunchError(
                "T517",
                f"machine {self.node} ({host}) does not see the folder of machine 0's run: its secret is not in "
                f"{self._run.run_dir}",
                "put training.output_dir on a file system that all machines share, and start each from the same folder "
                "or name it by its whole path",
            )
        proof = handshake.proof(token, "hello", challenge["nonce"], nonce, str(self.node))
        settings = handshake.digests(self._run)
        wire.send("hello", node=self.node, host=host, nonce=nonce, proof=proof, settings=settings)
        welcome = self._wait_for("welcome", time.monotonic() + _CONNECT_SECONDS)
        return welcome is not None and handshake.is_proof(welcome["proof"], token, "welcome", nonce, challenge["nonce"])

    def _token(self, name: str) -> str | None:
        """The secret by that name; none where the run's folder does not hold it."""
        limit = time.monotonic() + min(LOOK_SECONDS, self._run.launch.start_minutes * 30)
        while True:
            token = handshake.read_token(Path(self._run.run_dir))
            if token is not None and handshake.name_of(token) == name:
                return token
            if time.monotonic() > limit:
                return None
            time.sleep(_RETRY_SECONDS)

    def _wait_for(self, kind: str, limit: float | None) -> Message | None:
        """The next message of a kind; none where the connection ends, or it is too late.

        Raises:
            LaunchError: the first machine refuses this one, or has ended the run.
            AskedToEnd: the first machine was asked to end.
        """
        while True:
            if (found := self._take(kind)) is not None:
                return found
            if (refused := self._take("refused")) is not None:
                raise LaunchError("T517", f"{_FIRST} refused this machine: {refused['why']}")
            if (over := self._take("over")) is not None:
                if over["signal"]:
                    raise AskedToEnd(over["signal"])
                raise LaunchError("T517", f"{_FIRST} ended the run: {over['reason']}")
            late = limit is not None and time.monotonic() > limit
            if late or self._wire is None or self._wire.closed:
                return None
            self._listen(_POLL_SECONDS)

    def _listen(self, seconds: float) -> None:
        if self._wire is None or self._wire.closed:
            return
        waiting = select.poll()
        waiting.register(self._wire, select.POLLIN)
        waiting.poll(seconds * 1000)
        for message in self._wire.receive():
            if message["kind"] == "go":
                self._heard.clear()  # of the attempt before, which this launcher may not have seen
            self._heard.append(message)

    def _take(self, kind: str) -> Message | None:
        found = next((message for message in self._heard if message["kind"] == kind), None)
        if found is not None:
            self._heard.remove(found)
        return found
