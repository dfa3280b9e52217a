"""Which rows a prepare stage reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipeline.stage import rows_file, rows_of, run


@pytest.mark.parametrize(
    ("part", "numbers"),
    [
        ((0, 2), [0, 1]),
        ((3, 5), [3, 4]),
        ((4, 7), [4, 0, 1]),
        ((5, 7), [0, 1]),
        ((13, 15), [3, 4]),
        ((3, 15), [3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4]),
    ],
)
def test_a_slice_counts_on_around_the_end_of_all_its_datasets(
    part: tuple[int, int], numbers: list[int], tmp_path: Path
) -> None:
    first = rows_file(tmp_path, [{"number": number} for number in range(3)], "first.jsonl")
    second = rows_file(tmp_path, [{"number": number} for number in (3, 4, 99)], "second.jsonl")
    datasets = [{"name": first}, {"name": second, "max_samples": 2}]
    result = run(tmp_path / "out", "prepare", {"datasets": datasets}, slice=part)
    assert [row["number"] for row in rows_of(tmp_path / "out")] == numbers
    assert (result.rows_in, result.rows_out) == (len(numbers), len(numbers))
