"""Kept answers: each is there as a whole, or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from recipe_engine.runtime.generation.ledger import Ledger, entries


def test_answers_are_found_again_by_what_was_asked(tmp_path: Path) -> None:
    first = Ledger(tmp_path / "kept.jsonl")
    first.add(("a", 0, 0), {"text": "ä\n"})
    first.add(("a", 1, 0), {"text": "b"})
    second = Ledger(tmp_path / "kept.jsonl")  # while the first still stands, as of a process that was killed
    assert {key: entry["text"] for key, entry in second.known.items()} == {("a", 0, 0): "ä\n", ("a", 1, 0): "b"}
    assert [entry["text"] for entry in entries(tmp_path / "kept.jsonl")] == ["ä\n", "b"]
    assert entries(tmp_path / "none.jsonl") == []
    first.close()
    second.close()


def test_a_line_that_was_cut_off_is_asked_for_again(tmp_path: Path) -> None:
    file = tmp_path / "kept.jsonl"
    file.write_text('{"key": ["a", 0, 0], "text": "x"}\n{"key": ["a", 1, 0], "te')
    ledger = Ledger(file)
    assert list(ledger.known) == [("a", 0, 0)]
    ledger.add(("a", 1, 0), {"text": "y"})
    ledger.close()
    assert [entry["text"] for entry in entries(file)] == ["x", "y"]


def test_a_full_disk_leaves_no_part_of_an_answer(tmp_path: Path) -> None:
    """In a process that may write no more than 100 bytes to a file."""
    code = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from recipe_engine.runtime.generation.ledger import Ledger\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "ledger = Ledger(Path(sys.argv[1]))\n"
        "ledger.add(('a', 0, 0), {'text': 'short'})\n"
        "try:\n"
        "    ledger.add(('a', 1, 0), {'text': 'long' * 50})\n"
        "except OSError:\n"
        "    ledger.add(('a', 2, 0), {'text': 'short'})\n"
        "    print('told')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "kept")], capture_output=True, text=True, check=True
    )
    assert done.stdout == "told\n"
    assert [entry["key"][1] for entry in entries(tmp_path / "kept")] == [0, 2]
