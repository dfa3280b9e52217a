"""What is left out of rows, and under which reason it is counted; splits, order and parquet."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest
from pyarrow import parquet

from tests.pipeline.stage import Row, prepared, rows_file, rows_of, run, start


def texts(*words: str) -> list[Row]:
    return [{"text": word} for word in words]


class TestRepeats:
    def test_are_dropped_whatever_their_case_and_space(self, tmp_path: Path) -> None:
        made = prepared(tmp_path, texts("One two", "one  TWO", "three"), {"do": "dedup"})
        assert made["rows"] == texts("One two", "three")
        assert made["dropped"] == {"repeated": 1}

    def test_are_told_exactly_if_asked_for(self, tmp_path: Path) -> None:
        step = {"do": "dedup", "ignore_case_and_space": False}
        assert len(prepared(tmp_path, texts("One", "one", "One"), step)["rows"]) == 2

    def test_are_rows_with_one_prompt_whatever_is_answered(self, tmp_path: Path) -> None:
        def row(answer: str) -> Row:
            return {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": answer}]}

        other: Row = {"messages": [{"role": "user", "content": "other"}, {"role": "assistant", "content": "a"}]}
        assert len(prepared(tmp_path, [row("a"), row("b"), other], {"do": "dedup"})["rows"]) == 2

    def test_are_told_by_columns_and_keys_in_them(self, tmp_path: Path) -> None:
        rows = [{"text": str(i), "extra_info": {"index": i % 2}} for i in range(4)]
        assert len(prepared(tmp_path, rows, {"do": "dedup", "columns": ["extra_info.index"]})["rows"]) == 2

    def test_of_an_evaluation_leak(self, tmp_path: Path) -> None:
        held_out = rows_file(tmp_path, [{"prompt": "Two?"}], "eval.jsonl")
        rows: list[Row] = [{"prompt": "one?"}, {"prompt": "two?"}]
        made = prepared(tmp_path, rows, {"do": "no_leakage", "against": [held_out]})
        assert made["rows"] == [{"prompt": "one?"}]
        assert made["dropped"] == {"in the rows of an evaluation": 1}


class TestLength:
    @pytest.mark.parametrize(("unit", "kept"), [("characters", ["abc def", "abcdefg"]), ("words", ["abc def", "a b"])])
    def test_is_counted_in_characters_or_words(self, tmp_path: Path, unit: str, kept: list[str]) -> None:
        bounds = {"at_least": 7, "at_most": 7} if unit == "characters" else {"at_least": 2, "at_most": 2}
        made = prepared(tmp_path, texts("abc def", "abcdefg", "a b", "a"), {"do": "length", "unit": unit, **bounds})
        assert made["rows"] == texts(*kept)
        assert sum(made["dropped"].values()) == 2

    def test_is_counted_in_tokens_of_a_tokenizer(self, tmp_path: Path) -> None:
        from tokenizers import Tokenizer, models, pre_tokenizers

        tokenizer = Tokenizer(models.WordLevel({"a": 0, "?": 1}, unk_token="?"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        tokenizer.save(str(tmp_path / "tokenizer.json"))
        step = {"do": "length", "unit": "tokens", "tokenizer": str(tmp_path), "at_most": 2}
        assert prepared(tmp_path, texts("a b", "a b c"), step)["rows"] == texts("a b")

    def test_of_a_conversation_is_that_of_its_messages(self, tmp_path: Path) -> None:
        row = {"messages": [{"role": "user", "content": "abc"}, {"role": "assistant", "content": "de"}]}
        assert prepared(tmp_path, [row], {"do": "length", "at_least": 5, "at_most": 5})["rows"] == [row]

    def test_tokens_need_a_tokenizer_that_is_there(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        source = rows_file(tmp_path, texts("a"))
        for step, why in (
            ({"do": "length", "unit": "tokens"}, "names no tokenizer"),
            ({"do": "length", "unit": "tokens", "tokenizer": "./none"}, "cannot be read"),
        ):
            assert start(tmp_path / "out", "prepare", {"rows": source, "steps": [step]}) == 1
            assert why in capsys.readouterr().err


class TestLanguage:
    def test_is_that_of_a_column_by_name_or_code(self, tmp_path: Path) -> None:
        rows = [{"text": "a", "language": "English"}, {"text": "b", "language": "de"}, {"text": "c", "language": "en"}]
        made = prepared(tmp_path, rows, {"do": "language", "keep": ["en"], "column": "language"})
        assert [row["text"] for row in made["rows"]] == ["a", "c"]
        assert made["dropped"] == {"language de": 1}

    def test_is_found_from_the_text(self, tmp_path: Path) -> None:
        pytest.importorskip("py3langid", reason="the prepare extra is not installed")
        rows = texts(
            "The weather was fine this morning, so we walked along the river until noon.",
            "Das Wetter war heute Morgen gut, also gingen wir bis zum Mittag am Fluss entlang.",
        )
        made = prepared(tmp_path, rows, {"do": "language", "keep": ["en"]})
        assert made["rows"] == rows[:1]
        assert made["dropped"] == {"language de": 1}

    def test_needs_its_package(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "py3langid", None)
        settings = {"rows": rows_file(tmp_path, texts("a")), "steps": [{"do": "language", "keep": ["en"]}]}
        assert start(tmp_path / "out", "prepare", settings) == 1
        assert "needs the package py3langid" in capsys.readouterr().err


def test_a_sample_is_the_first_rows_or_a_seeded_share(tmp_path: Path) -> None:
    rows = texts(*(str(number) for number in range(1000)))
    assert prepared(tmp_path / "first", rows, {"do": "sample", "first": 3})["rows"] == rows[:3]
    share = prepared(tmp_path / "share", rows, {"do": "sample", "share": 0.3})
    assert 240 < len(share["rows"]) < 360
    assert share["dropped"] == {"not drawn": 1000 - len(share["rows"])}
    assert prepared(tmp_path / "again", rows, {"do": "sample", "share": 0.3})["rows"] == share["rows"]


class TestColumns:
    def test_are_renamed_kept_left_out_and_filled_in(self, tmp_path: Path) -> None:
        rows: list[Row] = [{"q": "why", "extra": {"n": 3}, "x": 1, "y": 2}]
        step = {
            "do": "columns",
            "rename": {"q": "question", "extra.n": "count"},
            "keep": ["question", "count", "x"],
            "leave_out": ["x"],
            "fill": {"text": "{question}? ({count})"},
        }
        made = prepared(tmp_path, rows, step)["rows"]
        assert made == [{"question": "why", "count": 3, "text": "why? (3)"}]

    @pytest.mark.parametrize(
        ("step", "why"),
        [
            ({"rename": {"none": "a"}}, "column `none` is missing"),
            ({"fill": {"a": "{b"}}, "the template of `a`"),
            ({"fill": {"a": "{b}"}}, "column `b` is missing"),
        ],
    )
    def test_that_are_not_there_are_named(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], step: Row, why: str
    ) -> None:
        settings = {"rows": rows_file(tmp_path, texts("a")), "steps": [{"do": "columns", **step}]}
        assert start(tmp_path / "out", "prepare", settings) == 1
        assert why in capsys.readouterr().err


VERL: Row = {
    "data_source": "gsm8k",
    "prompt": [{"role": "user", "content": "2+2?"}],
    "ability": "math",
    "reward_model": {"style": "rule", "ground_truth": "4"},
    "extra_info": {"index": 0, "split": "train"},
}


class TestVerl:
    def test_rows_become_flat_and_verls_again(self, tmp_path: Path) -> None:
        flat = prepared(tmp_path / "in", [VERL], {"do": "from_verl"})["rows"]
        expected = {"data_source": "gsm8k", "prompt": VERL["prompt"], "ability": "math", "answer": "4"}
        assert flat == [{**expected, "index": 0, "split": "train"}]
        assert prepared(tmp_path / "out", flat, {"do": "to_verl"})["rows"] == [VERL]

    def test_parquet_goes_in_and_out(self, tmp_path: Path) -> None:
        out = tmp_path / "first"
        settings = {"rows": rows_file(tmp_path, [VERL] * 3), "output": "parquet"}
        assert run(out, "prepare", settings).rows_out == 3
        (file,) = (out / "rows/train").glob("*.parquet")
        assert parquet.read_table(file).to_pylist() == [VERL] * 3
        assert prepared(tmp_path / "next", [], {"do": "from_verl"}, datasets=[{"name": str(file)}])["rows"]

    def test_rows_without_an_answer_are_scored_by_a_model(self, tmp_path: Path) -> None:
        rows: list[Row] = [{"prompt": "hello", "data_source": "chat"}]
        (made,) = prepared(tmp_path, rows, {"do": "to_verl", "split": "val"})["rows"]
        assert made["reward_model"] == {"style": "model", "ground_truth": None}
        assert made["extra_info"] == {"index": 0, "split": "val"}


PAIRS: list[Row] = [{"prompt": f"question {i // 2}", "n": i} for i in range(2000)]
"""Two rows a prompt."""


class TestSplits:
    def test_are_shares_of_prompts_that_share_none(self, tmp_path: Path) -> None:
        made = prepared(tmp_path, PAIRS, splits={"eval": 0.1, "test": 0.2})
        out = tmp_path / "out"
        prompts = {name: {row["prompt"] for row in rows_of(out, name)} for name in ("train", "eval", "test")}
        assert sum(map(len, prompts.values())) == 1000
        assert 70 < len(prompts["eval"]) < 130
        assert 150 < len(prompts["test"]) < 250
        assert made["result"].splits == {name: 2 * len(found) for name, found in prompts.items()}

    def test_are_shuffled_whole_by_the_seed(self, tmp_path: Path) -> None:
        rows = prepared(tmp_path / "a", PAIRS, shuffle=True)["rows"]
        assert rows != PAIRS
        assert Counter(row["n"] for row in rows) == Counter(range(2000))
        early = sum(row["n"] < 1000 for row in rows[:1000])
        assert 400 < early < 600
        assert rows == prepared(tmp_path / "b", PAIRS, shuffle=True)["rows"]


def test_parquet_has_one_type_a_column(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = rows_file(tmp_path, [{"a": 1}, {"a": "text"}])
    assert start(tmp_path / "out", "prepare", {"rows": source, "output": "parquet"}) == 1
    assert "do not fit into one table" in capsys.readouterr().err
    assert not list((tmp_path / "out/rows/train").glob("part-*"))
