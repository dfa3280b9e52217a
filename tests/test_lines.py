"""Files of JSON lines: a line is there as a whole, or was cut off and costs no other."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from recipe_engine.lines import append_line


def test_lines_are_added(tmp_path: Path) -> None:
    for number in (1, 2):
        append_line(tmp_path / "lines", {"number": number, "text": "ä\n"})
    assert [json.loads(line)["number"] for line in (tmp_path / "lines").read_text("utf-8").splitlines()] == [1, 2]


def test_one_that_was_cut_off_does_not_take_the_next_with_it(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_text('{"number": 1}\n{"numb')
    append_line(file, {"number": 3})
    assert file.read_text().splitlines() == ['{"number": 1}', '{"numb', '{"number": 3}']


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    """In a process that may write no more than 10 bytes to a file."""
    code = (
        "import resource, signal, sys; from pathlib import Path; from recipe_engine.lines import append_line\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (10, {resource.RLIM_INFINITY}))\n"
        "append_line(Path(sys.argv[1]), {'number': 123456})"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "lines"], capture_output=True, text=True, check=False)
    assert "could not be written as a whole" in done.stderr
    append_line(tmp_path / "lines", {"number": 2})
    assert (tmp_path / "lines").read_text().splitlines()[-1] == '{"number": 2}'


@pytest.mark.skipif(sys.platform != "linux", reason="SIGKILL in the middle of a write is looked for under Linux")
def test_a_killed_writer_leaves_whole_lines(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from recipe_engine.lines import append_line\n"
        "while True: append_line(Path(sys.argv[1]), {'text': 'x' * 3000})"
    )
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", code, tmp_path / "lines"])
        size = (tmp_path / "lines").stat().st_size if (tmp_path / "lines").exists() else 0
        while not (tmp_path / "lines").exists() or (tmp_path / "lines").stat().st_size < size + 10_000:
            assert process.poll() is None
        process.kill()
        process.wait()
        assert all(json.loads(line) for line in (tmp_path / "lines").read_text().splitlines())
