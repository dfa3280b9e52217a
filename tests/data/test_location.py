from __future__ import annotations

from pathlib import Path

import pytest

from recipe_engine.data.location import locate


@pytest.mark.parametrize("name", ["/data/rows", "./rows", "../rows", "~/rows", "rows.jsonl", "a/b/ROWS.CSV", "."])
def test_what_looks_like_a_path_is_local_whether_it_exists_or_not(name: str) -> None:
    location = locate(name)
    assert location.kind == "local"
    assert Path(location.value).is_absolute()


def test_a_home_folder_is_written_out() -> None:
    assert locate("~/rows").value == str(Path.home() / "rows")


def test_a_name_that_exists_here_is_local_and_hides_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert locate("organisation/name").kind == "hub"
    (tmp_path / "organisation" / "name").mkdir(parents=True)
    assert locate("organisation/name").value == str(tmp_path / "organisation" / "name")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("builtin/chat", "builtin"), ("s3://bucket/rows.jsonl", "remote"), ("Anthropic/hh-rlhf", "hub"), ("gpt2", "hub")],
)
def test_other_names_are_given_back_as_they_are(name: str, kind: str) -> None:
    location = locate(name)
    assert (location.kind, location.value) == (kind, name)
