"""How large a model is, without loading it and without a network: its files, the Hub's cache, else its name."""

from __future__ import annotations

import json
import math
import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipe_engine.data.location import locate
from recipe_engine.parallel.architecture import Architecture, UnknownShapeError, architecture_of

_TINY_CHAT = {
    "model_type": "qwen3",
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "head_dim": 64,
    "vocab_size": 302,
    "tie_word_embeddings": True,
    "dtype": "float32",
}
"""The embedded models, which are built only when a run needs them."""

_MAX_CONFIG = 1 << 20
_MAX_HEADER = 100 << 20
"""Bytes: the safetensors format allows no larger header."""

_BILLION = 10**9
# `8B`, `0.5B`, `8x7B`, `135M` as a part of its own. `A3B` (weights that are active), `8bit` and `v0.1` are none.
_IN_NAME = re.compile(
    r"(?:^|[-_/\s])(?:(?P<experts>\d+)x)?(?P<number>\d+(?:\.\d+)?)(?P<unit>[bm])(?=$|[-_.\s])", re.IGNORECASE
)
_SHARED = 0.83
"""Share of ``8x7B`` that there is: the experts of Mixtral share all but their feed-forward networks (46.7 of 56)."""

# Billions of weights, and the sizes that models of that size usually have (Qwen2.5, Llama 3, SmolLM).
_USUAL: tuple[tuple[float, dict[str, int]], ...] = tuple(
    (
        billions,
        dict(
            zip(
                (
                    *("hidden_size", "num_hidden_layers", "vocab_size", "num_attention_heads"),
                    *("num_key_value_heads", "head_dim", "intermediate_size"),
                ),
                sizes,
                strict=True,
            )
        ),
    )
    for billions, sizes in (
        (0.135, (576, 30, 49_152, 9, 3, 64, 1536)),
        (0.5, (896, 24, 151_936, 14, 2, 64, 4864)),
        (1.5, (1536, 28, 151_936, 12, 2, 128, 8960)),
        (3.2, (3072, 28, 128_256, 24, 8, 128, 8192)),
        (7.6, (3584, 28, 152_064, 28, 4, 128, 18_944)),
        (8.0, (4096, 32, 128_256, 32, 8, 128, 14_336)),
        (14.8, (5120, 48, 152_064, 40, 8, 128, 13_824)),
        (32.8, (5120, 64, 152_064, 40, 8, 128, 27_648)),
        (70.6, (8192, 80, 128_256, 64, 8, 128, 28_672)),
        (405.0, (16_384, 126, 128_256, 128, 8, 128, 53_248)),
    )
)


@dataclass(frozen=True, slots=True)
class Size:
    """A model's number of weights and its shape, each with how it is known."""

    parameters: int
    shape: Architecture
    origin: str
    """What says so, as a sentence has it: ``the weight files in models/a``, ``its name``."""
    exact: bool
    """Whether both are those of the model itself, not of a usual one of its size."""


def size_of(name: str, revision: str | None = None) -> Size | None:
    """The size of a model that is named as ``model.base_model_name`` is; none where nothing tells."""
    location = locate(name)
    if location.kind == "builtin":
        shape = architecture_of(_TINY_CHAT)
        return Size(shape.parameters, shape, "the embedded model", exact=True)
    folder = Path(location.value) if location.kind == "local" else _cached(name, revision)
    found = _in_folder(folder, name) if folder is not None else None
    return found or _by_name(name)


def weights_in_name(name: str) -> int | None:
    """The number of weights that a model's name tells, such as 8,000,000,000 for ``Llama-3.1-8B``."""
    found = list(_IN_NAME.finditer(os.path.basename(name.rstrip("/"))))
    if not found:
        return None
    match = found[0]
    number = float(match["number"]) * (_BILLION if match["unit"].lower() == "b" else _BILLION / 1000)
    return round(number * (int(match["experts"]) * _SHARED if match["experts"] else 1))


def _by_name(name: str) -> Size | None:
    parameters = weights_in_name(name)
    if not parameters:
        return None
    billions = parameters / _BILLION
    _, usual = min(_USUAL, key=lambda row: abs(math.log(row[0] / billions)))
    tied = {"model_type": "llama", "tie_word_embeddings": billions < 4}
    return Size(parameters, architecture_of({**usual, **tied}), "its name", exact=False)


def _in_folder(folder: Path, name: str) -> Size | None:
    config = _json(folder / "config.json", _MAX_CONFIG)
    if config is None:
        return None
    try:
        shape = architecture_of(config)
    except UnknownShapeError:
        return None
    where = f"the cached files of {name}" if locate(name).kind == "hub" else f"the files in {name}"
    # Packed weights have another number of elements than the model has weights.
    counted = None if "quantization_config" in config else _counted(folder)
    return Size(counted or shape.parameters, shape, where, exact=counted is not None or shape.exact)


def _cached(name: str, revision: str | None) -> Path | None:
    """The folder of a Hub model in the Hub's cache on this machine; none where it is not there."""
    home = os.environ.get("HF_HOME") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "huggingface"
    )
    cache = Path(os.environ.get("HF_HUB_CACHE") or os.path.join(home, "hub"))
    model = cache / f"models--{name.replace('/', '--')}"
    try:
        commit = (model / "refs" / (revision or "main")).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        commit = revision or ""
    folder = model / "snapshots" / commit
    return folder if commit and (folder / "config.json").is_file() else None


def _counted(folder: Path) -> int | None:
    """Elements in the safetensors files of a folder, from their headers; none where a file is missing or unreadable."""
    index = _json(folder / "model.safetensors.index.json", _MAX_HEADER)
    names = set(index["weight_map"].values()) if index and isinstance(index.get("weight_map"), dict) else None
    files = sorted(folder / str(name) for name in names) if names else [folder / "model.safetensors"]
    try:
        return sum(sum(_elements(file)) for file in files)
    except (OSError, ValueError, struct.error):
        return None


def _elements(file: Path) -> Iterator[int]:
    """Elements of each tensor: eight bytes hold the length of a JSON header that has their shapes."""
    with file.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        if length > _MAX_HEADER:
            raise ValueError("no safetensors file")
        header = json.loads(stream.read(length))
    for name, tensor in header.items():
        if name != "__metadata__":
            yield math.prod(tensor["shape"])


def _json(file: Path, most: int) -> dict[str, Any] | None:
    try:
        with file.open("rb") as stream:
            text = stream.read(most + 1)
        found = json.loads(text) if len(text) <= most else None
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
