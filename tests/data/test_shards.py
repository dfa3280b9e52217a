"""Files that are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipe_engine.data.shards import write_whole


def test_what_a_killed_process_left_is_gone_with_the_next_writing(tmp_path: Path) -> None:
    write_whole(tmp_path / "result.json", "first")
    (tmp_path / ".new-result.json").write_text("half of the sec")
    write_whole(tmp_path / "result.json", "second")
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]
    assert (tmp_path / "result.json").read_text() == "second"


def test_text_that_cannot_be_written_leaves_the_old_one_and_nothing_beside_it(tmp_path: Path) -> None:
    write_whole(tmp_path / "result.json", "first")
    with pytest.raises(UnicodeEncodeError):
        write_whole(tmp_path / "result.json", "half of a pair: \ud800")
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]
    assert (tmp_path / "result.json").read_text() == "first"
