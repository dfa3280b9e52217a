"""Files of JSON lines: a line is there as a whole, or was cut off and costs no other."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from recipe_engine.lines import append_line, read_lines


def test_lines_are_added(tmp_path: Path) -> None:
    for number in (1, 2):
        append_line(tmp_path / "lines", {"number": number, "text": "ä\n"})
    assert [json.loads(line)["number"] for line in (tmp_path / "lines").read_text("utf-8").splitlines()] == [1, 2]


def test_one_that_was_cut_off_does_not_take_the_next_with_it(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_text('{"number": 1}\n{"numb')
    append_line(file, {"number": 3})
    assert file.read_text().splitlines() == ['{"number": 1}', '{"numb', '{"number": 3}']
    assert [line["number"] for line in read_lines(file)] == [1, 3]


def test_what_is_no_object_and_what_is_not_there_are_no_lines(tmp_path: Path) -> None:
    (tmp_path / "lines").write_text('3\n{"number": 1}\n')
    assert read_lines(tmp_path / "lines") == [{"number": 1}]
    assert read_lines(tmp_path / "none") == []


def test_what_cannot_be_read_is_not_taken_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "lines").mkdir()
    with pytest.raises(OSError, match="lines"):
        read_lines(tmp_path / "lines")


def test_what_unicode_takes_for_the_end_of_a_line_is_none(tmp_path: Path) -> None:
    append_line(tmp_path / "lines", {"text": "a\u2028b\x85c"})
    assert read_lines(tmp_path / "lines") == [{"text": "a\u2028b\x85c"}]


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


def test_a_killed_writer_loses_at_most_the_line_that_it_was_writing(tmp_path: Path) -> None:
    """SIGKILL can end a write between two pages of memory."""
    file, kills = tmp_path / "lines", 5
    code = (
        "import itertools, sys; from pathlib import Path; from recipe_engine.lines import append_line, read_lines\n"
        "for n in itertools.count(): append_line(Path(sys.argv[1]), {'n': n, 'text': 'x' * 3000})"
    )
    for _ in range(kills):
        size = file.stat().st_size if file.exists() else 0
        process = subprocess.Popen([sys.executable, "-c", code, file])
        while not file.exists() or file.stat().st_size < size + 10_000:
            assert process.poll() is None
        process.kill()
        process.wait()
    numbers, cut = [], 0
    for line in file.read_text().splitlines():
        try:
            numbers.append(json.loads(line)["n"])
        except ValueError:
            cut += 1
    assert cut <= kills
    assert numbers.count(0) == kills
    assert all(after in {before + 1, 0} for before, after in pairwise(numbers))
