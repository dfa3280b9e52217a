from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recipe_engine.data.errors import DataError
from recipe_engine.data.files import data_files, read_rows

ROWS = [{"text": "Wasser kocht bei 100 °C", "n": 1}, {"text": "zwei\nZeilen", "n": 2}]


def write(file: Path, content: str | bytes) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def jsonl(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def error_of(path: Path, split: str = "train") -> DataError:
    with pytest.raises(DataError) as caught:
        list(read_rows(path, split))
    return caught.value


def arrow_table() -> Any:
    return pytest.importorskip("pyarrow").Table.from_pylist(ROWS)


class TestJson:
    def test_a_list_of_objects_is_rows(self, tmp_path: Path) -> None:
        assert list(read_rows(write(tmp_path / "a.json", json.dumps(ROWS, indent=2)))) == ROWS

    def test_a_list_may_begin_with_a_bom_and_much_space(self, tmp_path: Path) -> None:
        text = "\ufeff" + "\n" * 5000 + json.dumps(ROWS)
        assert list(read_rows(write(tmp_path / "a.json", text.replace("\n" * 5000, "\n" * 50)))) == ROWS

    def test_one_object_a_line_is_rows_too(self, tmp_path: Path) -> None:
        assert list(read_rows(write(tmp_path / "a.json", jsonl(ROWS)))) == ROWS

    def test_an_element_that_is_no_object_is_named_by_its_number(self, tmp_path: Path) -> None:
        error = error_of(write(tmp_path / "a.json", '[{"text": "a"}, 3]'))
        assert (error.code, error.message) == ("D402", "a.json, row 2: int where an object is needed")

    @pytest.mark.parametrize(
        "content",
        [b'[{"text": "a"', b'[{"text": "\xff"}]', b"[" * 100_000, b'[{"n": ' + b"1" * 5000 + b"}]"],
        ids=["cut off", "not UTF-8", "nested too deep", "a number of 5,000 digits"],
    )
    def test_what_cannot_be_read_is_an_error_with_the_file(self, tmp_path: Path, content: bytes) -> None:
        error = error_of(write(tmp_path / "a.json", content))
        assert error.code == "D402"
        assert error.message.startswith("a.json: ")


class TestJsonLines:
    def test_a_bom_and_blank_lines_are_skipped(self, tmp_path: Path) -> None:
        lines = "\ufeff" + jsonl(ROWS[:1]) + "\n   \n" + jsonl(ROWS[1:])
        assert list(read_rows(write(tmp_path / "a.jsonl", lines))) == ROWS

    def test_unusual_line_separators_inside_a_string_end_no_line(self, tmp_path: Path) -> None:
        row = {"text": "a\u2028b\u0085c"}
        assert list(read_rows(write(tmp_path / "a.jsonl", json.dumps(row, ensure_ascii=False)))) == [row]

    @pytest.mark.parametrize(
        "line", [b'{"text": "a', b'{"text": "\xff"}', b"[" * 100_000], ids=["cut off", "not UTF-8", "nested"]
    )
    def test_a_bad_line_is_named_by_its_number_with_blank_lines_counted(self, tmp_path: Path, line: bytes) -> None:
        error = error_of(write(tmp_path / "a.jsonl", b'{"text": "a"}\n\n' + line + b"\n"))
        assert error.code == "D402"
        assert error.message.startswith("a.jsonl")
        assert line[0] == ord("[") or "line 3" in error.message

    def test_a_line_that_is_no_object_is_named(self, tmp_path: Path) -> None:
        assert error_of(write(tmp_path / "a.jsonl", "[1]\n")).message == (
            "a.jsonl, line 1: list where an object is needed"
        )

    def test_good_rows_before_a_bad_one_are_given_first(self, tmp_path: Path) -> None:
        rows = read_rows(write(tmp_path / "a.jsonl", jsonl(ROWS) + "{"))
        assert [next(rows), next(rows)] == ROWS
        with pytest.raises(DataError, match="line 3"):
            next(rows)


class TestCsv:
    def test_quotes_line_breaks_and_a_bom_are_understood(self, tmp_path: Path) -> None:
        file = write(tmp_path / "a.csv", '\ufefftext,n\r\n"a ""b"", c",1\r\n"two\nlines",2\r\n')
        assert list(read_rows(file)) == [{"text": 'a "b", c', "n": "1"}, {"text": "two\nlines", "n": "2"}]

    @pytest.mark.parametrize("row", ["1,2,3", "1"], ids=["too many", "too few"])
    def test_a_row_with_other_fields_than_the_header_is_named(self, tmp_path: Path, row: str) -> None:
        error = error_of(write(tmp_path / "a.csv", f"a,b\n1,2\n{row}\n"))
        assert (error.code, error.message) == ("D402", "a.csv, line 3: not 2 fields as in the header")

    def test_a_quote_that_is_not_closed_is_named_with_the_line_before_its_row(self, tmp_path: Path) -> None:
        assert "after line 2" in error_of(write(tmp_path / "a.csv", 'a,b\n1,2\n"3,4\n5,6\n')).message

    def test_two_columns_of_one_name_are_refused(self, tmp_path: Path) -> None:
        assert "same name" in error_of(write(tmp_path / "a.csv", "a,a\n1,2\n")).message

    def test_a_field_longer_than_the_csv_modules_limit_is_read(self, tmp_path: Path) -> None:
        (row,) = read_rows(write(tmp_path / "a.csv", "text\n" + "x" * 300_000 + "\n"))
        assert len(row["text"]) == 300_000

    def test_text_that_is_not_utf_8_is_refused(self, tmp_path: Path) -> None:
        assert error_of(write(tmp_path / "a.csv", b"a\n\xff\n")).code == "D402"


class TestText:
    def test_each_line_is_a_row_and_blank_ones_are_skipped(self, tmp_path: Path) -> None:
        file = write(tmp_path / "a.txt", "\ufeffone\r\n\n  \ntwo")
        assert list(read_rows(file)) == [{"text": "one"}, {"text": "two"}]

    def test_text_that_is_not_utf_8_is_refused(self, tmp_path: Path) -> None:
        assert error_of(write(tmp_path / "a.txt", b"\xff")).code == "D402"


class TestTables:
    def test_parquet_is_read(self, tmp_path: Path) -> None:
        from pyarrow import parquet

        parquet.write_table(arrow_table(), tmp_path / "a.parquet")
        assert list(read_rows(tmp_path / "a.parquet")) == ROWS

    @pytest.mark.parametrize("layout", ["stream", "file"])
    def test_both_layouts_of_arrow_are_read(self, tmp_path: Path, layout: str) -> None:
        import pyarrow

        table, file = arrow_table(), tmp_path / "a.arrow"
        new = pyarrow.ipc.new_stream if layout == "stream" else pyarrow.ipc.new_file
        with new(str(file), table.schema) as writer:
            writer.write_table(table)
        assert list(read_rows(file)) == ROWS

    @pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
    @pytest.mark.parametrize("content", [b"", b"not a table"])
    def test_what_is_no_table_is_refused(self, tmp_path: Path, name: str, content: bytes) -> None:
        error = error_of(write(tmp_path / name, content))
        assert error.code == "D402"
        assert error.message.startswith(name)


class TestFolders:
    def test_all_files_of_a_folder_are_read_in_order_of_their_names(self, tmp_path: Path) -> None:
        write(tmp_path / "b.jsonl", jsonl(ROWS[1:]))
        write(tmp_path / "a.jsonl", jsonl(ROWS[:1]))
        assert list(read_rows(tmp_path)) == ROWS

    @pytest.mark.parametrize("name", ["test.jsonl", "test-00000-of-00001.jsonl", "test_small.jsonl", "test/a.jsonl"])
    def test_a_split_is_told_by_the_name_of_a_file_or_folder(self, tmp_path: Path, name: str) -> None:
        write(tmp_path / "train.jsonl", jsonl(ROWS))
        held_out = write(tmp_path / name, jsonl(ROWS[:1]))
        assert data_files(tmp_path, "test") == [held_out]
        assert data_files(tmp_path, "train") == [tmp_path / "train.jsonl"]

    @pytest.mark.parametrize("name", ["test.jsonl", "validation-0.jsonl", "eval/a.jsonl"])
    def test_held_out_files_are_never_taken_for_training(self, tmp_path: Path, name: str) -> None:
        rows = write(tmp_path / "rows.jsonl", jsonl(ROWS))
        write(tmp_path / name, jsonl(ROWS))
        assert data_files(tmp_path) == [rows]

    def test_a_dataset_that_the_datasets_library_saved_is_read(self, tmp_path: Path) -> None:
        datasets = pytest.importorskip("datasets")
        whole = datasets.Dataset.from_list(ROWS)
        datasets.DatasetDict({"train": whole, "test": whole.select([0])}).save_to_disk(tmp_path / "saved")
        whole.save_to_disk(tmp_path / "one")
        assert list(read_rows(tmp_path / "saved", "train")) == ROWS
        assert list(read_rows(tmp_path / "saved", "test")) == ROWS[:1]
        assert list(read_rows(tmp_path / "one")) == ROWS

    def test_hidden_files_are_not_data(self, tmp_path: Path) -> None:
        rows = write(tmp_path / "rows.jsonl", jsonl(ROWS))
        write(tmp_path / ".cache" / "meta.json", "{}")
        write(tmp_path / ".hidden.jsonl", "{}")
        assert data_files(tmp_path) == [rows]

    def test_files_of_several_kinds_are_refused_and_named(self, tmp_path: Path) -> None:
        write(tmp_path / "rows.jsonl", jsonl(ROWS))
        write(tmp_path / "LICENSE.txt", "Do what you like.")
        error = error_of(tmp_path)
        assert (error.code, "(.jsonl, .txt)" in error.message) == ("D402", True)

    def test_a_split_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        write(tmp_path / "train.jsonl", jsonl(ROWS))
        error = error_of(tmp_path, "test")
        assert (error.code, error.setting) == ("D404", "split")

    def test_a_folder_without_data_is_refused(self, tmp_path: Path) -> None:
        write(tmp_path / "notes.md", "#")
        assert error_of(tmp_path).code == "D401"


class TestNames:
    def test_endings_may_be_in_capitals(self, tmp_path: Path) -> None:
        assert list(read_rows(write(tmp_path / "A.JSONL", jsonl(ROWS)))) == ROWS

    def test_a_missing_file_is_met_with_the_files_that_lie_there(self, tmp_path: Path) -> None:
        write(tmp_path / "rows.jsonl", "")
        error = error_of(tmp_path / "row.jsonl")
        assert (error.code, error.hint) == ("D401", "in that folder there are: rows.jsonl")

    def test_a_missing_folder_is_met_with_the_current_one(self, tmp_path: Path) -> None:
        assert str(Path.cwd()) in str(error_of(tmp_path / "no" / "row.jsonl").hint)

    def test_a_file_of_another_kind_is_met_with_the_known_endings(self, tmp_path: Path) -> None:
        error = error_of(write(tmp_path / "a.xlsx", ""))
        assert error.code == "D402"
        assert ".parquet" in str(error.hint)

    def test_a_single_file_has_no_other_split_than_train(self, tmp_path: Path) -> None:
        assert error_of(write(tmp_path / "a.jsonl", jsonl(ROWS)), "test").setting == "split"

    def test_a_file_that_may_not_be_read_is_an_error_with_its_name(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = write(tmp_path / "a.jsonl", jsonl(ROWS))

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)
        assert "Permission denied" in error_of(file).message
