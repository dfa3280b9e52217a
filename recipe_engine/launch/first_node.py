"""The first of several machines: it listens for the others, and says what all of them do."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from recipe_engine.compiled import CompiledRun
from recipe_engine.diagnostics.visible import visible
from recipe_engine.launch import handshake
from recipe_engine.launch.asked import AskedToEnd
from recipe_engine.launch.companions import Meeting, Outcome
from recipe_engine.launch.errors import LaunchError
from recipe_engine.launch.interfaces import interface_of, what_is_used
from recipe_engine.launch.listening import free_port, listen
from recipe_engine.launch.outcomes import as_fields, combined, gone, is_stop, of_message, reason_of
from recipe_engine.launch.wire import Message, Wire

HANDSHAKE_SECONDS = 90.0
"""How long a connection may take to prove that it is a companion's: caches of network file systems take their time."""
STOP_SECONDS = 60.0
"""How long the processes here go on after those of another machine have saved and stopped, as all agreed to do."""
END_SECONDS = 60.0
"""How long another machine may take to end its processes once it was told to."""

_MOST_GUESTS = 64
_MOST_NOTICES = 20
_POLL_SECONDS = 0.2


@dataclass
class _Guest:
    """A connection that has not proved anything yet."""

    wire: Wire
    nonce: str = field(default_factory=handshake.draw)
    since: float = field(default_factory=time.monotonic)


@dataclass
class _Member:
    """Another machine of the run."""

    wire: Wire
    name: str
    ready: bool = False


class FirstNode:
    """The launcher of machine 0, as a companion of the others."""

    node = 0

    def __init__(self, run: CompiledRun, host: str, port: int, say: Callable[[str], None]) -> None:
        """Listen.

        Raises:
            LaunchError: the address cannot be listened at.
        """
        self._run = run
        self._say = say
        self._digests = handshake.digests(run)
        self._token = handshake.write_token(Path(run.run_dir))
        self._listener = listen(host, port, _MOST_GUESTS, say)
        self._guests: list[_Guest] = []
        self._members: dict[int, _Member] = {}
        self._names = {0: "machine 0"}
        self._outcomes: dict[int, Outcome] = {}
        """How the present attempt ended, of those machines where it has, in that order."""
        self._stopped: float | None = None
        """When the first of them said that it was stopped, on the monotonic clock."""
        self._in_attempt: set[int] = set()
        self._wrong: LaunchError | None = None
        self._notices: dict[str, None] = {}
        self._met = False
        self._signal = 0
        self._over = "machine 0 has ended the run"

    def meet(self) -> Meeting:
        """Wait until every machine is there and ready; then name them the port of this attempt.

        Raises:
            LaunchError: one does not come in time, or runs something else.
            AskedToEnd: another machine was asked to end.
        """
        with self._telling_of_signals():
            return self._meet()

    def _meet(self) -> Meeting:
        self._outcomes, self._in_attempt, self._stopped = {}, set(), None
        others = range(1, self._run.nodes)
        limit = time.monotonic() + self._run.launch.start_minutes * 60
        waiting = True
        while awaited := [node for node in others if not (node in self._members and self._members[node].ready)]:
            if waiting:
                self._say(f"waiting for {_counted(awaited)} of {self._run.nodes}")
                waiting = False
            self._pump(_POLL_SECONDS)
            if self._wrong is not None:
                raise self._ended_by(self._wrong)
            if time.monotonic() > limit:
                raise self._ended_by(self._not_there(awaited))
        address = self._members[1].wire.address
        port, interface = free_port(address), interface_of(address)
        for member in self._members.values():
            member.ready = False
            member.wire.send("go", address=address, port=port)
        self._in_attempt = set(others)
        if not self._met:
            self._say(f"machine 0: {what_is_used(address)}")
        self._met = True
        return Meeting(address, port, interface)

    def lost(self) -> str | None:
        """Why the processes here should be ended: those of another machine have failed, or the machine is gone."""
        self._pump(0)
        for node, outcome in self._outcomes.items():
            if is_stop(outcome):
                if self._stopped is not None and time.monotonic() - self._stopped > STOP_SECONDS:
                    return f"{self._names[node]} has stopped, and machine 0 has not"
            elif outcome.code != 0:
                return reason_of(outcome, self._names[node])
        return None

    def agree(self, outcome: Outcome) -> Outcome:
        """Wait until the processes of every machine have ended, and say what all make of it."""
        with self._telling_of_signals():
            return self._agree(outcome)

    def _agree(self, outcome: Outcome) -> Outcome:
        self._outcomes[0] = outcome
        if is_stop(outcome):
            self._wait_for_outcomes(STOP_SECONDS)
        elif outcome.code == 0:
            self._wait_for_outcomes(self._run.launch.grace_minutes * 60)
        self._tell_to_end(outcome)
        self._wait_for_outcomes(END_SECONDS)
        for node in self._in_attempt - set(self._outcomes):
            self._lose(node)
        agreed = combined(self._outcomes, self._names)
        for member in self._members.values():
            member.wire.send("agreed", **as_fields(agreed))
        self._in_attempt = set()
        return agreed

    def close(self) -> None:
        """Tell those that wait that the run is over, and forget the secret."""
        for member in self._members.values():
            member.wire.send("over", signal=self._signal, reason=self._over)
        for wire in self._wires():
            wire.close()
        self._listener.close()
        handshake.remove_token(Path(self._run.run_dir))

    @contextmanager
    def _telling_of_signals(self) -> Iterator[None]:
        try:
            yield
        except AskedToEnd as error:
            self._signal = error.number  # for when the others are told that the run is over
            raise

    def _tell_to_end(self, outcome: Outcome) -> None:
        for node in self._in_attempt - set(self._outcomes):
            if node in self._members:
                self._members[node].wire.send("end", reason=reason_of(outcome, self._names[0]))

    def _wait_for_outcomes(self, seconds: float) -> None:
        limit = time.monotonic() + seconds
        while self._in_attempt - set(self._outcomes) and time.monotonic() < limit:
            self._pump(_POLL_SECONDS)

    def _pump(self, seconds: float) -> None:
        """Wait for something to come, at most so long, and take it."""
        waiting = select.poll()  # select takes no more than a thousand
        waiting.register(self._listener, select.POLLIN)
        for wire in self._wires():
            waiting.register(wire, select.POLLIN)
        waiting.poll(seconds * 1000)
        self._let_in()
        for guest in list(self._guests):
            self._hear_guest(guest)
        for node, member in list(self._members.items()):
            for message in member.wire.receive():
                self._hear_member(node, member, message)
            if member.wire.closed:
                self._lose(node)

    def _wires(self) -> list[Wire]:
        return [*(guest.wire for guest in self._guests), *(member.wire for member in self._members.values())]

    def _let_in(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return  # nobody is there, or has left again
        if len(self._guests) >= _MOST_GUESTS:
            connection.close()
            return
        guest = _Guest(Wire(connection))
        guest.wire.send("challenge", nonce=guest.nonce, token=handshake.name_of(self._token))
        self._guests.append(guest)

    def _hear_guest(self, guest: _Guest) -> None:
        late = time.monotonic() - guest.since > HANDSHAKE_SECONDS
        for message in guest.wire.receive()[:1]:
            self._guests.remove(guest)
            if message["kind"] == "hello":
                self._greet(guest, message)
            elif message["kind"] == "blind":
                # Whoever says so has proved nothing, and so cannot end the run: it is said here, and waited for on.
                self._notice(
                    f"machine {message['node']} ({message['host']}) does not see the folder {self._run.run_dir} of "
                    f"this run: it looked in {message['folder']}. All machines need it on a file system they share. "
                    f"{self._waited_on()}"
                )
                guest.wire.close()
            else:
                guest.wire.close()
            return
        if late or guest.wire.closed:
            guest.wire.close()
            self._guests.remove(guest)

    def _greet(self, guest: _Guest, hello: Message) -> None:
        node, nonce, wire = hello["node"], hello["nonce"], guest.wire
        name = f"machine {node} ({hello['host'][:64]})"
        if not handshake.is_proof(hello["proof"], self._token, "hello", guest.nonce, nonce, str(node)):
            wire.close()  # no companion: there is nothing to tell it
            self._notice(f"a connection that is not of this run was refused ({hello['host'][:64]})")
            return
        why = self._why_not(node, hello)
        if why is not None:
            wire.send("refused", why=why)
            wire.close()
            self._notice(f"{name} was refused: {why}{'' if self._wrong else f'. {self._waited_on()}'}")
            return
        self._members[node] = _Member(wire, name)
        self._names[node] = visible(name)
        wire.send("welcome", proof=handshake.proof(self._token, "welcome", nonce, guest.nonce))
        self._say(f"{self._names[node]} is there")

    def _why_not(self, node: int, hello: Message) -> str | None:
        if not 0 < node < self._run.nodes:
            return f"there is no machine {node}: the {self._run.nodes} of the run are 0 to {self._run.nodes - 1}"
        if node in self._members:
            return f"{self._members[node].name} is there already: give each machine a --node-rank of its own"
        differs = handshake.first_difference(self._digests, hello["settings"])
        if differs is None:
            return None
        why = f"{visible(differs)} is not the same on machine {node} as on machine 0"
        hint = "give each machine the same recipe, overrides and options, and the same version of recipe-engine"
        self._wrong = LaunchError("T517", why, hint)
        return f"{why}: {hint}"

    def _hear_member(self, node: int, member: _Member, message: Message) -> None:
        if message["kind"] == "ready":
            member.ready = True
        elif message["kind"] == "outcome" and node in self._in_attempt:
            outcome = of_message(message)
            self._outcomes.setdefault(node, outcome)
            if is_stop(outcome) and self._stopped is None:
                self._stopped = time.monotonic()
        elif message["kind"] == "over":
            self._say(f"{self._names[node]} was asked to end")
            member.wire.close()
            if node in self._in_attempt:
                self._outcomes.setdefault(node, Outcome(128 + message["signal"]))
            else:
                raise AskedToEnd(message["signal"])

    def _lose(self, node: int) -> None:
        if node in self._in_attempt:
            self._outcomes.setdefault(node, gone(self._names[node]))
        if (member := self._members.pop(node, None)) is not None:
            member.wire.close()

    def _not_there(self, awaited: list[int]) -> LaunchError:
        said = f" ({next(reversed(self._notices))})" if self._notices else ""
        message = f"{_counted(awaited)} did not come within {self._run.launch.start_minutes:g} minutes{said}"
        hint = "start the same command there, with its own --node-rank; launch.start_minutes says how long is waited"
        return LaunchError("T517", message, hint)

    def _waited_on(self) -> str:
        if self._in_attempt:
            return "The run goes on"
        minutes = self._run.launch.start_minutes
        return f"Another launcher may come: it is waited for {minutes:g} minutes in all, or end it with Ctrl-C"

    def _ended_by(self, error: LaunchError) -> LaunchError:
        self._over = error.message
        return error

    def _notice(self, text: str) -> None:
        """Say something that a stranger may have caused: each thing once, and not for ever."""
        text = visible(text)
        if text not in self._notices and len(self._notices) < _MOST_NOTICES:
            self._notices[text] = None
            self._say(text)


def _counted(nodes: list[int]) -> str:
    names = ", ".join(map(str, nodes))
    return f"machine {names}" if len(nodes) == 1 else f"machines {names}"
