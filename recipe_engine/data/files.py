"""Rows of local files, one reader for the linter and for training: what was checked is what is trained on."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from recipe_engine.data.errors import DataError
from recipe_engine.data.json_list import list_values
from recipe_engine.data.location import FILE_SUFFIXES

Row = dict[str, Any]

HELD_OUT = ("test", "validation", "valid", "val", "dev", "eval")
"""Names of splits that are not taken for training unless they are asked for."""
FOLDER_RECORDS = {"dataset_info.json", "dataset_dict.json", "state.json"}
"""What ``datasets`` writes beside the rows of a dataset that it saves (and ``cache-*.arrow``, for its own use)."""

csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # documents stand in single fields


def read_rows(path: Path, split: str = "train") -> Iterator[Row]:
    """The rows of a data file, or of every data file in a folder, in order of their names.

    Raises:
        DataError: the path does not exist, holds no data file, or a row cannot be parsed (file and line are named).
    """
    for file in data_files(path, split):
        try:
            yield from READERS[file.suffix.lower()](file)
        except (OSError, RecursionError) as error:
            raise _unreadable(file, error) from error


def data_files(path: Path, split: str = "train") -> list[Path]:
    """The data files behind a path.

    In a folder a file belongs to a split by its name, ``<split>.*``, ``<split>-*`` or ``<split>_*``, or by the name of
    a folder that it lies in. Where none belongs to ``train``, all that belong to no other split are its.

    Raises:
        DataError: there are none, or they are of several kinds.
    """
    if os.path.isfile(path):  # unlike Path.is_file, it takes any text for a name
        if not _is_data(path):
            known = ", ".join(FILE_SUFFIXES)
            raise DataError("D402", f"{path.name} is of no known kind", hint=f"known endings: {known}")
        if split != "train":
            raise DataError(
                "D404",
                f"a single file has one split, `train`; there is no `{split}`",
                setting="split",
                hint="leave split out, or point at the file of that split",
            )
        return [path]
    if not os.path.isdir(path):
        raise DataError("D401", f"there is no file or folder {path}", hint=_beside(path))
    found = sorted(file for file in path.rglob("*") if _is_data(file) and not _is_hidden(file.relative_to(path)))
    if not found:
        raise DataError("D401", f"the folder {path} holds no data file ({', '.join(FILE_SUFFIXES)})")
    chosen = [file for file in found if _belongs_to(file.relative_to(path), split)]
    if not chosen and split == "train":
        chosen = [file for file in found if not any(_belongs_to(file.relative_to(path), name) for name in HELD_OUT)]
    if not chosen:
        raise DataError("D404", f"no file in {path} belongs to the split `{split}`", setting="split")
    kinds = sorted({file.suffix.lower() for file in chosen})
    if len(kinds) > 1:
        message = f"the folder {path} holds files of several kinds ({', '.join(kinds)})"
        raise DataError("D402", message, hint="name the one that is meant, or give each an entry of its own")
    return chosen


def _is_data(file: Path) -> bool:
    written_by_datasets = file.name in FOLDER_RECORDS or (file.name.startswith("cache-") and file.suffix == ".arrow")
    return file.suffix.lower() in READERS and not written_by_datasets and os.path.isfile(file)


def _is_hidden(relative: Path) -> bool:
    return any(part.startswith(".") for part in relative.parts)


def _belongs_to(relative: Path, split: str) -> bool:
    stem = relative.stem
    return stem == split or stem.startswith((f"{split}-", f"{split}_")) or split in relative.parent.parts


def _beside(path: Path) -> str:
    beside = path.parent.iterdir() if os.path.isdir(path.parent) else ()
    names = [file.name for file in beside if _is_data(file)]
    if names:
        return f"in that folder there are: {', '.join(sorted(names)[:8])}"
    return f"relative paths count from the current folder, {Path.cwd()}"


def _read_json(file: Path) -> Iterator[Row]:
    """A list of objects, or (as many tools write) one object a line."""
    try:
        with file.open(encoding="utf-8-sig") as stream:
            is_list = stream.read(4096).lstrip().startswith("[")
        if is_list:
            with file.open(encoding="utf-8-sig") as stream:
                for number, row in enumerate(list_values(stream), start=1):
                    yield _object(row, f"{file.name}, row {number}")
    except ValueError as error:  # not JSON, not UTF-8, or a number of thousands of digits
        raise _unreadable(file, error) from error
    if not is_list:
        yield from _read_jsonl(file)


def _read_jsonl(file: Path) -> Iterator[Row]:
    with file.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line.decode("utf-8-sig"))
            except ValueError as error:
                raise DataError("D402", f"{file.name}, line {number}: {error}") from error
            yield _object(row, f"{file.name}, line {number}")


def _read_csv(file: Path) -> Iterator[Row]:
    with file.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream, strict=True)
        try:
            header = list(reader.fieldnames or ())
            if len(set(header)) < len(header):
                raise DataError("D402", f"{file.name}: two columns of the header have the same name")
            for row in reader:
                if None in row or None in row.values():
                    message = f"{file.name}, line {reader.line_num}: not {len(header)} fields as in the header"
                    raise DataError("D402", message)
                yield row
        except (csv.Error, UnicodeDecodeError) as error:
            raise DataError("D402", f"{file.name}, after line {reader.line_num}: {error}") from error


def _read_text(file: Path) -> Iterator[Row]:
    """One row a line; empty lines separate nothing and are skipped."""
    try:
        with file.open(encoding="utf-8-sig") as stream:
            for line in stream:
                if line.strip():
                    yield {"text": line.rstrip("\n")}
    except UnicodeDecodeError as error:
        raise _unreadable(file, error) from error


def _read_parquet(file: Path) -> Iterator[Row]:
    pyarrow = _pyarrow()
    from pyarrow import parquet

    try:
        for batch in parquet.ParquetFile(file).iter_batches(batch_size=1024):
            yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise _unreadable(file, error) from error


def _read_arrow(file: Path) -> Iterator[Row]:
    pyarrow = _pyarrow()
    try:
        with pyarrow.memory_map(str(file)) as source:
            try:
                batches: Any = pyarrow.ipc.open_stream(source)
            except pyarrow.ArrowInvalid:  # the other of Arrow's two file layouts
                layout = pyarrow.ipc.open_file(source)
                batches = (layout.get_batch(i) for i in range(layout.num_record_batches))
            for batch in batches:
                yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise _unreadable(file, error) from error


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError as error:
        message = "parquet and arrow files need pyarrow, which is not installed"
        raise DataError("D408", message, hint="install the package's `train` extra") from error
    return pyarrow


def _object(row: Any, place: str) -> Row:
    if not isinstance(row, dict):
        raise DataError("D402", f"{place}: {type(row).__name__} where an object is needed")
    return row


def _unreadable(file: Path, error: Exception) -> DataError:
    return DataError("D402", f"{file.name}: {error}")


READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".json": _read_json,
    ".jsonl": _read_jsonl,
    ".csv": _read_csv,
    ".txt": _read_text,
    ".parquet": _read_parquet,
    ".arrow": _read_arrow,
}
