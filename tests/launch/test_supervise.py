"""Supervision, with real processes and real signals."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from recipe_engine.launch.asked import ONE_WISH_SECONDS

from .support import Supervised, is_running, stop, supervised, wait_for

WAITING = "start('time.sleep(300)').wait()"
STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.signal(signal.SIGINT, signal.SIG_IGN)\n"


@pytest.fixture(autouse=True)
def _nothing_is_left(tmp_path: Path) -> Iterator[None]:
    yield
    file = tmp_path / "pids"
    left = [int(line) for line in file.read_text().split()] if file.exists() else []
    running = [pid for pid in left if is_running(pid)]
    for pid in running:
        stop(pid)
    assert running == []


class TestOutput:
    def test_output_and_errors_go_to_the_screen_and_to_the_log(self, tmp_path: Path) -> None:
        made = supervised(tmp_path, "print('out', flush=True); print('err', file=sys.stderr)")
        assert made.end() == (0, b"out\nerr\n")
        assert made.log == "out\nerr\n"

    def test_a_traceback_is_in_the_log(self, tmp_path: Path) -> None:
        made = supervised(tmp_path, "raise ValueError('no such thing')")
        code, _ = made.end()
        assert code == 1
        assert made.log.startswith("Traceback (most recent call last):\n")
        assert made.log.endswith("ValueError: no such thing\n")

    def test_the_last_line_is_in_the_log_also_where_it_is_not_finished(self, tmp_path: Path) -> None:
        made = supervised(tmp_path, "print('the end', end='')")
        assert made.end() == (0, b"the end")
        assert made.log == "the end\n"

    def test_much_output_is_neither_lost_nor_reordered(self, tmp_path: Path) -> None:
        made = supervised(tmp_path, "for i in range(100_000): print(i)")
        code, out = made.end()
        assert code == 0
        assert out.split() == [str(i).encode() for i in range(100_000)]
        assert made.log.encode() == out

    def test_bytes_that_are_no_text_pass(self, tmp_path: Path) -> None:
        made = supervised(tmp_path, r"sys.stdout.buffer.write(b'\xff\xfe\n')")
        assert made.end() == (0, b"\xff\xfe\n")
        assert (tmp_path / "log").read_bytes() == b"\xff\xfe\n"

    def test_without_a_log_the_output_is_the_supervisors_own(self, tmp_path: Path) -> None:
        made = supervised(tmp_path, "print('out')", log=False)
        assert made.end() == (0, b"out\n")
        assert not (tmp_path / "log").exists()

    def test_the_command_has_no_input_to_wait_for(self, tmp_path: Path) -> None:
        made = supervised(tmp_path, "print(repr(sys.stdin.read()))")
        assert made.end() == (0, b"''\n")

    def test_the_environment_is_exactly_the_given_one_and_a_mark(self, tmp_path: Path) -> None:
        made = supervised(tmp_path, "print(os.environ['GIVEN'])", environment={"GIVEN": "a b;$(c)"})
        assert made.end() == (0, b"a b;$(c)\n")


class TestABrokenScreen:
    def test_a_run_goes_on_without_its_reader_and_the_log_gets_all(self, tmp_path: Path) -> None:
        code = "print('first', flush=True); time.sleep(0.5)\nfor i in range(50): print(i, flush=True)\nprint('last')"
        made = supervised(tmp_path, code)
        assert made.process.stdout is not None
        assert made.process.stdout.readline() == b"first\n"
        made.process.stdout.close()
        assert made.process.wait(timeout=30) == 0
        assert made.log.split() == ["first", *map(str, range(50)), "last"]

    def test_a_full_disk_under_the_log_is_told_and_does_not_end_the_run(self, tmp_path: Path) -> None:
        (tmp_path / "log").symlink_to("/dev/full")
        made = supervised(tmp_path, "print('a', flush=True); time.sleep(0.3); print('b')")
        assert made.end() == (0, b"a\nthe log cannot be written any more: No space left on device\nb\n")


class TestExitCodes:
    @pytest.mark.parametrize("code", [0, 1, 3, 77])
    def test_an_exit_code_is_passed_on(self, tmp_path: Path, code: int) -> None:
        assert supervised(tmp_path, f"sys.exit({code})").end()[0] == code

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
    def test_a_command_that_a_signal_ended_says_which(self, tmp_path: Path, number: signal.Signals) -> None:
        assert supervised(tmp_path, f"os.kill(os.getpid(), {int(number)}); time.sleep(300)").end()[0] == 128 + number


class TestSignals:
    @pytest.mark.parametrize(
        ("number", "code"),
        [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGQUIT, 131)],
    )
    def test_a_signal_ends_every_process(self, tmp_path: Path, number: signal.Signals, code: int) -> None:
        made = supervised(tmp_path, WAITING)
        made.signal(number, processes=2)
        assert made.end()[0] == code
        assert [pid for pid in made.pids if is_running(pid)] == []

    def test_a_command_may_use_a_signal_to_end_well_and_yet_it_was_stopped(self, tmp_path: Path) -> None:
        code = "signal.signal(signal.SIGTERM, lambda *_: (print('saved', flush=True), sys.exit(0)))\n"
        code += "tell()\ntime.sleep(300)"
        made = supervised(tmp_path, code)
        made.signal(signal.SIGTERM, processes=2)
        assert made.end() == (143, b"saved\n")

    def test_a_process_in_a_session_of_its_own_ends_too(self, tmp_path: Path) -> None:
        made = supervised(tmp_path, "start('time.sleep(300)', start_new_session=True).wait()")
        made.signal(signal.SIGTERM, processes=2)
        assert made.end()[0] == 143
        assert [pid for pid in made.pids if is_running(pid)] == []

    def test_one_that_ignores_signals_is_killed_after_a_while(self, tmp_path: Path) -> None:
        made = supervised(tmp_path, f"{STUBBORN}tell()\ntime.sleep(300)", grace=1.0)
        made.signal(signal.SIGTERM, processes=2)
        began = time.monotonic()
        assert made.end()[0] == 143
        assert time.monotonic() - began > 0.8

    def test_the_second_signal_kills_at_once(self, tmp_path: Path) -> None:
        code = f"{STUBBORN}start({STUBBORN!r} + 'tell(); time.sleep(300)', start_new_session=True).wait()"
        made = supervised(tmp_path, code, grace=300)
        made.signal(signal.SIGINT, processes=3)
        time.sleep(ONE_WISH_SECONDS + 0.2)
        assert made.process.poll() is None
        made.process.send_signal(signal.SIGINT)
        assert made.end()[0] == 130
        assert [pid for pid in made.pids if is_running(pid)] == []

    def test_two_at_once_are_one_wish(self, tmp_path: Path) -> None:
        """As Slurm sends them to a job that is preempted."""
        code = "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.5), print('saved', flush=True), sys.exit(0)))\n"
        made = supervised(tmp_path, f"{code}tell()\ntime.sleep(300)")
        made.signal(signal.SIGTERM, processes=2)
        time.sleep(0.1)
        made.process.send_signal(signal.SIGTERM)
        assert made.end() == (143, b"saved\n")

    def test_a_hang_up_that_is_ignored_stays_ignored_by_all(self, tmp_path: Path) -> None:
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup leaves it
        try:
            made = supervised(
                tmp_path, "os.kill(os.getppid(), signal.SIGHUP); os.kill(os.getpid(), signal.SIGHUP); print('on')"
            )
        finally:
            signal.signal(signal.SIGHUP, before)
        assert made.end() == (0, b"on\n")

    def test_an_interrupt_reaches_a_command_that_a_script_put_into_the_background(self, tmp_path: Path) -> None:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell without job control leaves it after `&`
        try:
            made = supervised(tmp_path, "time.sleep(300)")
        finally:
            signal.signal(signal.SIGINT, before)
        made.signal(signal.SIGINT)
        assert made.end()[0] == 130


class TestWhatIsLeftBehind:
    def test_a_child_that_outlives_the_command_is_ended_and_not_waited_for(self, tmp_path: Path) -> None:
        made = supervised(
            tmp_path, "start('time.sleep(300)')\nwhile len(open('pids').read().split()) < 2: time.sleep(0.01)"
        )
        began = time.monotonic()
        assert made.end()[0] == 0
        assert time.monotonic() - began < 20
        assert len(made.pids) == 2

    def test_so_is_one_in_a_session_of_its_own(self, tmp_path: Path) -> None:
        code = "start('time.sleep(300)', start_new_session=True)\n"
        made = supervised(tmp_path, code + "while len(open('pids').read().split()) < 2: time.sleep(0.01)")
        assert made.end()[0] == 0
        assert len(made.pids) == 2

    def test_a_killed_launcher_takes_its_workers_along(self, tmp_path: Path) -> None:
        made = supervised(tmp_path, "start('time.sleep(300)', start_new_session=True).wait()")
        wait_for(lambda: len(made.pids) == 2)
        os.kill(made.pids[0], signal.SIGKILL)
        assert made.end()[0] == 137

    def test_another_run_of_the_same_user_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        other = supervised(tmp_path / "other", WAITING)
        wait_for(lambda: len(other.pids) == 2)
        made = supervised(tmp_path, WAITING)
        made.signal(signal.SIGTERM, processes=2)
        assert made.end()[0] == 143
        assert [is_running(pid) for pid in other.pids] == [True, True]
        other.signal(signal.SIGTERM)
        assert other.end()[0] == 143


class TestInATerminal:
    def run(self, folder: Path, code: str, *, rows: int = 24, columns: int = 80) -> tuple[Supervised, bytes]:
        """Supervise in a terminal of the given size. Returns what it showed."""
        import fcntl
        import struct
        import termios

        shown, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        made = supervised(folder, code, stdout=terminal)
        os.close(terminal)
        out = b""
        while select.select([shown], [], [], 30)[0]:
            try:
                block = os.read(shown, 65536)
            except OSError:  # the other side is closed
                break
            if not block:
                break
            out += block
        made.process.wait(timeout=30)
        os.close(shown)
        return made, out

    def test_the_command_sees_a_terminal_of_the_same_size(self, tmp_path: Path) -> None:
        code = "print(sys.stdout.isatty(), sys.stderr.isatty(), sys.stdin.isatty(), *os.get_terminal_size(2))"
        made, out = self.run(tmp_path, code, rows=33, columns=101)
        assert out.split() == [b"True", b"True", b"False", b"101", b"33"]
        assert made.process.returncode == 0

    def test_a_bar_is_drawn_on_the_screen_and_leaves_one_line_in_the_log(self, tmp_path: Path) -> None:
        code = (
            "for i in range(101): sys.stderr.write(f'\\r\\x1b[32m{i}%|####|\\x1b[0m'); sys.stderr.flush()\n"
            "print('\\r\\x1b[Kstep 1/2  loss 3.5'); sys.stderr.write('\\r50%\\r100%\\n'); print('done')"
        )
        made, out = self.run(tmp_path, code)
        assert b"\r\x1b[32m7%|####|" in out
        assert made.log == "step 1/2  loss 3.5\n100%\ndone\n"

    def test_ctrl_c_interrupts(self, tmp_path: Path) -> None:
        main, terminal = pty.openpty()
        process = subprocess.Popen(
            ["setsid", "--ctty", *supervised_command(tmp_path, "tell(); time.sleep(300)")],
            cwd=tmp_path,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
        )
        os.close(terminal)
        made = Supervised(process, tmp_path)
        wait_for(lambda: len(made.pids) >= 2)
        os.write(main, b"\x03")
        wait_for(lambda: process.poll() is not None)
        os.close(main)
        assert process.returncode == 130
        assert [pid for pid in made.pids if is_running(pid)] == []


def supervised_command(folder: Path, code: str) -> list[str]:
    import sys

    from .support import _SUPERVISE, ROOT, prelude

    environment = ["env", f"PYTHONPATH={ROOT}"]
    return [
        *environment,
        sys.executable,
        "-c",
        _SUPERVISE,
        str(folder / "log"),
        "30",
        sys.executable,
        "-c",
        prelude(code),
    ]
