"""How large a model is, from files that lie here or from its name."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from recipe_engine.parallel.size import size_of, weights_in_name

CONFIG = {
    "model_type": "llama",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 100,
    "dtype": "bfloat16",
}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


def weights(file: Path, *shapes: list[int]) -> None:
    """A safetensors file: a header with shapes, and nothing behind it."""
    header = {str(n): {"dtype": "BF16", "shape": shape, "data_offsets": [0, 0]} for n, shape in enumerate(shapes)}
    text = json.dumps({**header, "__metadata__": {"format": "pt"}}).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text)


def folder(path: str, **config: object) -> Path:
    made = Path(path)
    made.mkdir(parents=True)
    (made / "config.json").write_text(json.dumps({**CONFIG, **config}), encoding="utf-8")
    return made


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("meta-llama/Llama-3.1-8B", 8),
        ("meta-llama/Meta-Llama-3-70B-Instruct", 70),
        ("Qwen/Qwen2.5-0.5B", 0.5),
        ("Qwen/Qwen2.5-1.5B-Instruct", 1.5),
        ("google/gemma-3-4b-it", 4),
        ("HuggingFaceTB/SmolLM2-135M", 0.135),
        ("Qwen/Qwen3-30B-A3B", 30),
        ("mistralai/Mixtral-8x7B-v0.1", 46.48),
        ("models/llama3-8B-thinking", 8),
        ("org/some_7b", 7),
    ],
)
def test_a_name_may_tell(name: str, billions: float) -> None:
    assert weights_in_name(name) == round(billions * 1e9)


@pytest.mark.parametrize(
    "name", ["microsoft/phi-2", "org/model-8bit", "org/model-v0.1", "org/A3B", "org/b", "70b/model"]
)
def test_a_name_without_a_size_tells_nothing(name: str) -> None:
    assert weights_in_name(name) is None
    assert size_of(name) is None


def test_a_name_is_no_exact_size_and_says_so() -> None:
    size = size_of("Qwen/Qwen2.5-32B")
    assert size is not None
    assert (size.exact, size.origin, size.shape.layers) == (False, "its name", 64)


def test_the_files_of_a_folder_are_counted_from_their_headers() -> None:
    weights(folder("model-8B") / "model.safetensors", [10, 20], [5])
    size = size_of("./model-8B")
    assert size is not None
    assert (size.parameters, size.exact, size.origin) == (205, True, "the files in ./model-8B")


def test_all_shards_are_counted() -> None:
    made = folder("model")
    weights(made / "a.safetensors", [10])
    weights(made / "b.safetensors", [7])
    index = {"weight_map": {"x": "a.safetensors", "y": "b.safetensors", "z": "a.safetensors"}}
    (made / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    size = size_of("./model")
    assert size is not None
    assert size.parameters == 17


@pytest.mark.parametrize("broken", [b"", b"\x00" * 8, struct.pack("<Q", 2**60), b"\xff" * 40])
def test_where_weights_cannot_be_read_the_config_counts(broken: bytes) -> None:
    (folder("model") / "model.safetensors").write_bytes(broken)
    size = size_of("./model")
    assert size is not None
    assert size.parameters in {size.shape.parameters}
    assert size.origin == "the files in ./model"


def test_packed_weights_are_not_counted_by_their_elements() -> None:
    weights(folder("model", quantization_config={"bits": 4}) / "model.safetensors", [3])
    size = size_of("./model")
    assert size is not None
    assert size.parameters == size.shape.parameters


def test_a_model_in_the_hubs_cache_is_looked_up_there() -> None:
    snapshot = folder("hub/models--org--model/snapshots/abc")
    refs = snapshot.parents[1] / "refs"
    refs.mkdir()
    (refs / "main").write_text("abc")
    size = size_of("org/model")
    assert size is not None
    assert (size.parameters, size.origin) == (size.shape.parameters, "the cached files of org/model")
    assert size_of("org/model", "other") is None
    assert size_of("org/model", "abc") is not None


def test_a_folder_that_is_not_there_yet_goes_by_its_name() -> None:
    size = size_of("./models/mine-3B")
    assert size is not None
    assert size.parameters == 3_000_000_000
