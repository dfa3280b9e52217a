from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import pytest

from recipe_engine.data.errors import DataError
from recipe_engine.data.sources import raw_rows
from recipe_engine.recipe.data import DatasetEntry
from tests.runtime.support import write_rows


def test_a_local_file_is_read_where_it_lies(tmp_path: Path) -> None:
    name = write_rows(tmp_path / "rows.jsonl", [{"text": "a"}])
    assert list(raw_rows(DatasetEntry(name=name), tmp_path / "cache")) == [{"text": "a"}]
    assert not (tmp_path / "cache").exists()


def test_an_embedded_dataset_is_made(tmp_path: Path) -> None:
    assert next(raw_rows(DatasetEntry(name="builtin/text"), tmp_path / "cache"))["text"]


def test_a_hub_dataset_is_asked_for_with_all_that_the_recipe_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def load(*place: object, **which: object) -> datasets.Dataset:
        asked.append((place, which))
        return datasets.Dataset.from_list([{"text": "a"}])

    monkeypatch.setattr(datasets, "load_dataset", load)
    entry = DatasetEntry(name="org/name", subset="main", split="train[:10]", revision="abc")
    assert list(raw_rows(entry, tmp_path)) == [{"text": "a"}]
    assert asked == [(("org/name", "main"), {"split": "train[:10]", "revision": "abc"})]


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError("Couldn't reach 'org/name' on the Hub\nat length"),
        datasets.exceptions.DatasetNotFoundError("Couldn't reach 'org/name' on the Hub"),
        ValueError("Couldn't reach 'org/name' on the Hub"),
    ],
)
def test_what_the_hub_does_not_give_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(DataError) as caught:
        list(raw_rows(DatasetEntry(name="org/name"), tmp_path))
    assert caught.value.message == "`org/name` cannot be loaded from the Hub: Couldn't reach 'org/name' on the Hub"
    assert "HF_HOME" in str(caught.value.hint)
