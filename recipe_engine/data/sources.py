"""Raw rows of a dataset, wherever it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recipe_engine.data.check import local_rows
from recipe_engine.data.errors import DataError
from recipe_engine.data.files import read_rows
from recipe_engine.data.location import locate
from recipe_engine.data.remote import fetch
from recipe_engine.recipe.data import DatasetEntry


def raw_rows(entry: DatasetEntry, cache: Path) -> Iterator[dict[str, Any]]:
    """The rows of a dataset, as its file or the Hub holds them.

    Raises:
        DataError: it cannot be read.
    """
    rows = local_rows(entry)
    if rows is not None:
        return rows
    if locate(entry.name).kind == "remote":
        folder = fetch(entry.name, cache, region=entry.s3_region, endpoint_url=entry.s3_endpoint_url)
        return read_rows(folder, entry.split)
    return _hub_rows(entry)


def _hub_rows(entry: DatasetEntry) -> Iterator[dict[str, Any]]:
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError

    try:
        dataset = load_dataset(entry.name, entry.subset, split=entry.split, revision=entry.revision)
    except (DatasetsError, OSError, ValueError) as error:
        # The library's own errors name configurations and splits; a network failure is an OSError.
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        hint = "a Hub dataset needs a network, or a copy in the cache (HF_HOME); a local file is named by its path"
        raise DataError("D401", f"`{entry.name}` cannot be loaded from the Hub: {reason}", hint=hint) from error
    return iter(dataset)
