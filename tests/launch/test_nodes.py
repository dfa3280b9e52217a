"""What launchers of several machines say to each other, over real connections on this one."""

from __future__ import annotations

import json
import re
import signal
import socket
import stat
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest

from recipe_engine.compiled import CompiledRun
from recipe_engine.launch import first_node, handshake, other_node
from recipe_engine.launch.asked import AskedToEnd
from recipe_engine.launch.companions import Outcome
from recipe_engine.launch.errors import LaunchError
from recipe_engine.launch.first_node import FirstNode
from recipe_engine.launch.nodes import place_of
from recipe_engine.launch.other_node import OtherNode
from tests.compile.support import SFT, compiled

T = TypeVar("T")

KILLED = Outcome(137, "process 1 (77) was killed by SIGKILL", passing=True)
LOST = Outcome(75, "process 0 (12) ended with exit code 75", passing=True)
STOPPED = Outcome(143)
BUG = Outcome(1, "process 1 (77) ended with exit code 1")


@pytest.fixture
def run() -> CompiledRun:
    found = compiled(SFT, "launch.nodes=3", "launch.start_minutes=0.5")
    Path(found.run_dir).mkdir(parents=True)
    return found


class Machines:
    """Launchers of one run, each with what it said, and a thread in which it does what a launcher does."""

    def __init__(self, run: CompiledRun) -> None:
        self.run = run
        self.port = _free_port()
        self.said: list[str] = []
        self.exit = ExitStack()
        self.pool = self.exit.enter_context(ThreadPoolExecutor(8))
        self.first: FirstNode | None = None

    def hurry(self) -> None:
        """Let them wait for one another for 1.8 seconds only: one will not come."""
        launch = self.run.launch.model_copy(update={"start_minutes": 0.03})
        self.run = self.run.model_copy(update={"launch": launch})

    def zero(self) -> FirstNode:
        self.first = FirstNode(self.run, "127.0.0.1", self.port, self.said.append)
        self.exit.callback(self.first.close)
        return self.first

    def other(self, node: int, run: CompiledRun | None = None) -> OtherNode:
        made = OtherNode(run or self.run, node, "127.0.0.1", self.port, self.said.append)
        self.exit.callback(made.close)
        return made

    def do(self, work: Callable[[], T]) -> Future[T]:
        return self.pool.submit(work)

    def met(self) -> tuple[FirstNode, OtherNode, OtherNode]:
        """Three machines in an attempt."""
        zero, one, two = self.zero(), self.other(1), self.other(2)
        meetings = [self.do(machine.meet) for machine in (zero, one, two)]
        found = [meeting.result(20) for meeting in meetings]
        assert len({(meeting.address, meeting.port) for meeting in found}) == 1
        return zero, one, two

    def agreed(self, machines: tuple[Any, ...], *outcomes: Outcome) -> Outcome:
        """What the machines agree on; it is the same for each."""
        found = [self.do(lambda m=m, o=o: m.agree(o)) for m, o in zip(machines, outcomes, strict=True)]
        results = [one.result(20) for one in found]
        assert results == [results[0]] * len(results)
        return results[0]


@pytest.fixture
def machines(run: CompiledRun) -> Iterator[Machines]:
    made = Machines(run)
    with made.exit:
        yield made


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _until(happened: Callable[[], T | None]) -> T:
    deadline = time.monotonic() + 20
    while not (found := happened()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


class TestMeeting:
    def test_all_are_told_one_address_and_port_and_each_its_interface(self, machines: Machines) -> None:
        zero, one, two = machines.met()
        assert [machine.node for machine in (zero, one, two)] == [0, 1, 2]
        assert "machine 1" in " ".join(machines.said)

    def test_each_attempt_has_a_port_of_its_own(self, machines: Machines) -> None:
        trio = machines.zero(), machines.other(1), machines.other(2)
        ports = set()
        for _ in range(3):
            meetings = [machines.do(machine.meet) for machine in trio]
            found = [meeting.result(20) for meeting in meetings]
            assert {meeting.interface for meeting in found} == {"lo"}
            ports.add(found[0].port)
            machines.agreed(trio, LOST, LOST, LOST)
        assert len(ports) == 3

    def test_a_machine_that_starts_before_the_first_waits_for_it(self, machines: Machines) -> None:
        early = [machines.do(machines.other(node).meet) for node in (1, 2)]
        time.sleep(0.5)
        meeting = machines.zero().meet()
        assert {one.result(20) for one in early} == {meeting}

    def test_a_machine_that_does_not_come_is_named(self, machines: Machines) -> None:
        machines.hurry()
        zero, one = machines.zero(), machines.do(machines.other(1).meet)
        with pytest.raises(LaunchError, match=r"machine 2 did not come within 0\.03 minutes"):
            zero.meet()
        zero.close()
        with pytest.raises(LaunchError, match=r"machine 0 ended the run: machine 2 did not come"):
            one.result(20)

    def test_a_first_machine_that_is_not_there_is_said(self, machines: Machines) -> None:
        machines.hurry()
        with pytest.raises(LaunchError, match=r"not to be reached at 127\.0\.0\.1:\d+ within 0\.03 minutes: .*refused"):
            machines.other(1).meet()

    def test_a_port_that_another_program_has_is_an_error(self, machines: Machines) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", machines.port))
            taken.listen()
            with pytest.raises(LaunchError, match="cannot be listened at"):
                machines.zero()


class TestWhoIsLetIn:
    def test_the_secret_is_readable_by_its_user_alone_and_gone_afterwards(self, machines: Machines) -> None:
        zero = machines.zero()
        token = Path(machines.run.run_dir, handshake.TOKEN)
        assert stat.S_IMODE(token.stat().st_mode) == 0o600
        zero.close()
        assert not token.exists()

    def test_a_machine_that_does_not_share_the_folder_is_told_so_on_both_sides(
        self, machines: Machines, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        machines.hurry()
        monkeypatch.setattr(other_node, "LOOK_SECONDS", 0.1)
        zero = machines.zero()
        elsewhere = machines.run.model_copy(update={"run_dir": str(Path("elsewhere/run").absolute())})
        waiting = machines.do(zero.meet)
        with pytest.raises(LaunchError, match=r"machine 1 \(.*\) does not see the folder of machine 0's run") as error:
            machines.other(1, elsewhere).meet()
        assert "file system that all machines share" in (error.value.hint or "")
        with pytest.raises(
            LaunchError, match=r"did not come .*machine 1 \(.*\) does not see the folder .*elsewhere/run"
        ):
            waiting.result(20)
        (line,) = (line for line in machines.said if "does not see the folder" in line and "it looked in" in line)
        assert "Another launcher may come: it is waited for 0.03 minutes in all" in line

    def test_a_secret_of_another_run_does_not_do(self, machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
        machines.hurry()
        monkeypatch.setattr(other_node, "LOOK_SECONDS", 0.1)
        monkeypatch.setattr(handshake, "name_of", lambda _: "same")
        zero = machines.zero()
        own = Path("own/run").absolute()
        own.mkdir(parents=True)
        handshake.write_token(own)
        waiting = machines.do(zero.meet)
        with pytest.raises(LaunchError, match="not to be reached"):
            machines.other(1, machines.run.model_copy(update={"run_dir": str(own)})).meet()
        with pytest.raises(LaunchError, match="did not come"):
            waiting.result(20)
        assert "a connection that is not of this run was refused" in " ".join(machines.said)

    def test_a_first_machine_without_the_secret_is_not_believed(self, machines: Machines) -> None:
        machines.hurry()
        token = handshake.write_token(Path(machines.run.run_dir))
        with socket.create_server(("127.0.0.1", machines.port)) as impostor:
            waiting = machines.do(machines.other(1).meet)
            for _ in range(2):  # it is not taken for an answer: the other connects again
                connection, _address = impostor.accept()
                with connection:
                    connection.settimeout(10)
                    name = handshake.name_of(token)
                    connection.sendall(json.dumps({"kind": "challenge", "nonce": "1", "token": name}).encode() + b"\n")
                    hello = connection.makefile().readline()
                    assert token not in hello
                    connection.sendall(json.dumps({"kind": "welcome", "proof": "x"}).encode() + b"\n")
                    connection.sendall(b'{"kind":"go","address":"10.0.0.1","port":1}\n')
            with pytest.raises(LaunchError, match="not to be reached"):
                waiting.result(20)

    @pytest.mark.parametrize(
        ("override", "named"),
        [
            ("training.learning_rate=0.1", "training.learning_rate"),
            ("data.max_length=64", "data.max_length"),
            ("launch.cpu_processes=2", "processes"),
        ],
    )
    def test_another_recipe_is_refused_by_the_name_of_what_differs(
        self, machines: Machines, override: str, named: str
    ) -> None:
        zero = machines.zero()
        differing = compiled(SFT, "launch.nodes=3", "launch.start_minutes=0.5", override)
        waiting = machines.do(zero.meet)
        said = f"{re.escape(named)} is not the same on machine 1 as on machine 0"
        with pytest.raises(LaunchError, match=said):
            machines.other(1, differing).meet()
        with pytest.raises(LaunchError, match=said):
            waiting.result(2)  # of the 30 seconds that it would wait: this cannot become right
        assert not any("Another launcher may come" in line for line in machines.said)

    def test_another_version_of_the_engine_is_refused(self, machines: Machines) -> None:
        zero = machines.zero()
        waiting = machines.do(zero.meet)
        with pytest.raises(LaunchError, match="engine is not the same"):
            machines.other(1, machines.run.model_copy(update={"engine": "0.0.1"})).meet()
        with pytest.raises(LaunchError, match="engine is not the same"):
            waiting.result(20)

    def test_a_second_machine_of_one_rank_is_refused_and_the_others_go_on(self, machines: Machines) -> None:
        zero = machines.zero()
        meetings = [machines.do(zero.meet), machines.do(machines.other(1).meet)]
        _until(lambda: any("machine 1" in line and "is there" in line for line in machines.said))
        with pytest.raises(LaunchError, match=r"machine 1 \(.*\) is there already.*--node-rank of its own"):
            machines.other(1).meet()
        meetings.append(machines.do(machines.other(2).meet))
        assert len({meeting.result(20).port for meeting in meetings}) == 1

    def test_a_rank_that_there_is_not_is_refused(self, machines: Machines) -> None:
        machines.hurry()
        zero = machines.zero()
        waiting = machines.do(zero.meet)
        with pytest.raises(LaunchError, match="there is no machine 7: the 3 of the run are 0 to 2"):
            machines.other(7).meet()
        with pytest.raises(LaunchError, match="did not come"):
            waiting.result(20)
        assert sum("Another launcher may come" in line for line in machines.said) == 1

    @pytest.mark.parametrize(
        "sent",
        [
            b"GET / HTTP/1.1\r\n\r\n",
            b"\0" * (1 << 20),
            b'{"kind":' + b"[" * 100_000 + b"\n",
            b'{"kind":"hello"}\n',
            b'{"kind":"outcome","code":0,"reason":"","passing":false,"checkpoint":null}\n',
            b'{"kind":"over","signal":15,"reason":""}\n',
            b'{"kind":"hello","node":1,"host":"h","nonce":"n","proof":"\\ud800","settings":{}}\n',
            b'{"kind":"hello","node":1,"host":"\\u001b[2J","nonce":"n","proof":"0","settings":{}}\n',
            b'{"kind":"blind","node":1,"host":"h\\nerror: forged","folder":"\\u001b]0;x"}\n',
            b"[]\n",
            b"",
        ],
    )
    def test_strangers_change_nothing(self, machines: Machines, sent: bytes) -> None:
        zero = machines.zero()
        waiting = machines.do(zero.meet)
        with socket.create_connection(("127.0.0.1", machines.port)) as stranger:
            try:
                stranger.sendall(sent)
            except OSError:
                assert len(sent) > 1000  # it was hung up on
            meetings = [waiting, *(machines.do(machines.other(node).meet) for node in (1, 2))]
            assert len({meeting.result(20).port for meeting in meetings}) == 1
        assert all(line.isprintable() for line in machines.said)

    def test_many_strangers_keep_nobody_out(self, machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(first_node, "HANDSHAKE_SECONDS", 1.0)
        zero = machines.zero()
        waiting = machines.do(zero.meet)
        with ExitStack() as strangers:
            for _ in range(100):
                strangers.enter_context(socket.create_connection(("127.0.0.1", machines.port)))
            meetings = [waiting, *(machines.do(machines.other(node).meet) for node in (1, 2))]
            assert len({meeting.result(20).port for meeting in meetings}) == 1


class TestAgreeing:
    def test_a_finished_run_is_finished(self, machines: Machines) -> None:
        assert machines.agreed(machines.met(), Outcome(0), Outcome(0), LOST) == Outcome(0)

    def test_all_begin_again_after_a_killed_process_and_know_where_it_was(self, machines: Machines) -> None:
        agreed = machines.agreed(machines.met(), Outcome(75, "x", passing=True, checkpoint="c-6"), KILLED, LOST)
        assert (agreed.code, agreed.passing, agreed.checkpoint) == (137, True, "c-6")
        assert re.fullmatch(r"machine 1 \(.*\): process 1 \(77\) was killed by SIGKILL", agreed.reason)

    def test_a_mistake_is_not_begun_again_for_the_connections_that_it_broke(self, machines: Machines) -> None:
        agreed = machines.agreed(machines.met(), LOST, LOST, BUG)
        assert (agreed.code, agreed.passing) == (1, False)
        assert agreed.reason.startswith("machine 2 (")

    @pytest.mark.parametrize("outcomes", [(STOPPED, STOPPED, LOST), (LOST, KILLED, STOPPED), (BUG, STOPPED, LOST)])
    def test_a_stop_is_a_stop_whatever_else_broke_by_it(
        self, machines: Machines, outcomes: tuple[Outcome, ...]
    ) -> None:
        assert machines.agreed(machines.met(), *outcomes) == STOPPED

    def test_the_end_of_one_machines_processes_ends_those_of_the_others(self, machines: Machines) -> None:
        zero, one, two = machines.met()
        assert zero.lost() is one.lost() is two.lost() is None
        ended = machines.do(lambda: one.agree(KILLED))
        reason = _until(zero.lost)
        assert "machine 1" in reason
        mine = machines.do(lambda: zero.agree(Outcome(75, reason, passing=True)))
        assert _until(two.lost) == reason
        theirs = machines.do(lambda: two.agree(Outcome(75, reason, passing=True)))
        assert mine.result(20) == ended.result(20) == theirs.result(20)

    def test_a_stopped_machine_gives_the_others_time_to_save(
        self, machines: Machines, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        zero, one, _two = machines.met()
        machines.do(lambda: one.agree(STOPPED))
        deadline = time.monotonic() + 0.5
        while time.monotonic() < deadline:
            assert zero.lost() is None
            time.sleep(0.02)
        monkeypatch.setattr(first_node, "STOP_SECONDS", 0.0)
        assert "has stopped, and machine 0 has not" in _until(zero.lost)

    def test_a_dead_launcher_is_waited_for_anew(self, machines: Machines) -> None:
        zero, one, two = machines.met()
        one.close()
        assert re.search(r"machine 1 \(.*\) is gone", _until(zero.lost))
        agreed = machines.agreed((zero, two), LOST, LOST)
        assert agreed.passing
        assert "is gone" in agreed.reason
        again = [machines.do(machine.meet) for machine in (zero, two, machines.other(1))]
        assert len({meeting.result(20).port for meeting in again}) == 1

    def test_a_launcher_that_came_back_early_does_not_take_an_old_word_for_a_new_one(self, machines: Machines) -> None:
        zero, one, two = machines.met()
        one.close()
        _until(zero.lost)
        back = machines.other(1)
        again = machines.do(back.meet)
        _until(lambda: zero.lost() and 1 in zero._members and zero._members[1].ready)
        old = machines.agreed((zero, two), LOST, LOST)
        meetings = [again, machines.do(zero.meet), machines.do(two.meet)]
        assert len({meeting.result(20).port for meeting in meetings}) == 1
        assert machines.agreed((zero, back, two), Outcome(0), Outcome(0), Outcome(0)) == Outcome(0) != old

    def test_a_dead_first_launcher_ends_the_processes_of_the_others(self, machines: Machines) -> None:
        zero, one, two = machines.met()
        for member in zero._members.values():
            member.wire.close()  # as when it is killed: nothing is said
        zero._members.clear()
        zero._listener.close()
        assert _until(one.lost).startswith("machine 0 is gone")
        assert two.agree(LOST).passing
        zero.close()
        revived = machines.zero()
        again = [machines.do(machine.meet) for machine in (revived, one, two)]
        assert len({meeting.result(20).port for meeting in again}) == 1

    def test_a_machine_that_is_asked_to_end_while_all_wait_ends_all(self, machines: Machines) -> None:
        zero, one, two = machines.zero(), machines.other(1), machines.other(2)
        waiting, other = machines.do(zero.meet), machines.do(one.meet)
        _until(lambda: 1 in zero._members)  # one that comes later finds nobody there
        two._connect(time.monotonic() + 20).send("over", signal=int(signal.SIGTERM), reason="")
        with pytest.raises(AskedToEnd) as asked:
            waiting.result(20)
        assert asked.value.number == signal.SIGTERM
        zero.close()
        with pytest.raises(AskedToEnd):
            other.result(20)


class TestPlaces:
    def test_one_machine_has_no_place(self) -> None:
        assert place_of(compiled(SFT), None, None) is None
        for node, rendezvous in ((1, None), (0, None), (None, "host:29400"), (None, "")):
            with pytest.raises(LaunchError, match="is for several machines, and the recipe has one"):
                place_of(compiled(SFT), node, rendezvous)

    @pytest.mark.parametrize(
        ("node", "rendezvous", "said"),
        [
            (None, "host:1", "which of the 3 machines is this"),
            (0, None, "where they meet"),
            (3, "host:1", "the 3 machines are 0 to 2"),
            (-1, "host:1", "the 3 machines are 0 to 2"),
            (0, "host", "HOST:PORT"),
            (0, "", "HOST:PORT"),
            (0, "host:0", "ports are 1 to 65535"),
            (0, "host:99999", "ports are 1 to 65535"),
            (0, "host:1234567", "ports are 1 to 65535"),
            (0, "a b:1", "HOST:PORT"),
        ],
    )
    def test_what_is_missing_is_said(
        self, run: CompiledRun, node: int | None, rendezvous: str | None, said: str
    ) -> None:
        with pytest.raises(LaunchError, match=said):
            place_of(run, node, rendezvous)

    def test_the_recipe_may_say_where(self) -> None:
        place = place_of(compiled(SFT, "launch.nodes=2", "launch.rendezvous=host:29400"), 1, None)
        assert place is not None
        assert (place.node, place.host, place.port) == (1, "host", 29400)
