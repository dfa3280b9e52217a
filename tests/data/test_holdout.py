from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipe_engine.data.mixture import held_out_of, held_out_rows


@pytest.mark.parametrize(
    ("rows", "holdout", "taken"),
    [
        ([20, 20], 0.25, [5, 5]),
        ([20, 20], 7, [4, 3]),
        ([90, 10], 5, [4, 1]),  # 4.5 and 0.5: the first of equal rests
        ([97, 3], 0.1, [10, 0]),
        ([10, 25, 65], 0.1, [1, 2, 7]),  # 1, 2.5 and 6.5: one of the two rests
        ([3], 1, [1]),
        ([], 0.5, []),
    ],
)
def test_each_dataset_gives_its_share_of_the_whole(rows: list[int], holdout: float, taken: list[int]) -> None:
    assert sum(held_out_of(rows, holdout)) == sum(taken)
    assert all(abs(one - other) <= 1 for one, other in zip(held_out_of(rows, holdout), taken, strict=True))


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=6), st.floats(0.01, 0.99) | st.integers(1, 100))
def test_shares_add_up_and_are_rounded_to_the_nearer_side(rows: list[int], holdout: float) -> None:
    wanted = held_out_rows(sum(rows), holdout)
    taken = held_out_of(rows, holdout)
    assert sum(taken) == wanted
    shares = [wanted * of_one / sum(rows) for of_one in rows]
    assert all(abs(one - share) < 1 for one, share in zip(taken, shares, strict=True))
    above = [share - one for one, share in zip(taken, shares, strict=True) if one > share]
    below = [share - one for one, share in zip(taken, shares, strict=True) if one < share]
    # Who was rounded up had no smaller rest than who was rounded down.
    assert not above or not below or min(above) + 1 >= max(below) - 1e-9
