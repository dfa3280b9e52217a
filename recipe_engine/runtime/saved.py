"""What training left is what transformers loads: looked at by its headers, whatever held the weights in training."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import transformers
from safetensors import safe_open
from transformers.integrations.deepspeed import unset_hf_deepspeed_config
from transformers.utils import logging

from recipe_engine.runtime.errors import RunError

Shapes = dict[str, tuple[int, ...]]


def check_saved(folder: Path, model: Any) -> None:
    """Check that ``folder`` holds the whole of a trained model, or of its adapters, as ordinary safetensors.

    Only headers are read, so that it takes no memory and a moment for a model of any size.

    Raises:
        RunError: no weights were saved, or a tensor of theirs is missing, empty or of another shape.
    """
    shapes = saved_shapes(folder)
    if not shapes:
        raise RunError(f"training ended, and no weights were saved in {folder}")
    empty = next((name for name, shape in shapes.items() if 0 in shape), None)
    if empty is not None:
        raise RunError(f"training ended, and {folder} holds nothing of {empty}: its shape is {shapes[empty]}")
    if (folder / "adapter_config.json").is_file():
        _demand(folder, dict(_adapters_of(model)), shapes)
    else:
        _demand_loadable(folder)


def saved_shapes(folder: Path) -> Shapes:
    """The tensors in the safetensors of a folder, by name.

    Raises:
        RunError: a file is cut off, or one that the index names is missing.
    """
    shapes: Shapes = {}
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, framework="pt") as tensors:
                shapes |= {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118
        except Exception as error:  # safetensors' own error is no subclass of a narrower one
            raise RunError(f"training ended, and {file} cannot be read: {error}") from error
    for index in folder.glob("*.safetensors.index.json"):
        missing = json.loads(index.read_text(encoding="utf-8"))["weight_map"].keys() - shapes.keys()
        if missing:
            raise RunError(f"training ended, and {folder} lacks {min(missing)}, which {index.name} names")
    return shapes


def _demand(folder: Path, expected: Shapes, found: Shapes) -> None:
    for name, shape in expected.items():
        if found.get(name) != shape:
            told = f"its shape is {found[name]}" if name in found else "it is not there"
            raise RunError(f"training ended, and {folder} should hold {name} of shape {shape}: {told}")


def _adapters_of(model: Any) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The weights of the adapter that is trained, by the name that PEFT saves each under."""
    for name, parameter in model.named_parameters():
        if re.search(r"\.lora_(?:A|B)\.default\.", name):
            yield name.replace(".default.", "."), tuple(getattr(parameter, "ds_shape", parameter.shape))


def _demand_loadable(folder: Path) -> None:
    """Have transformers load the model onto no device: it compares every tensor with the architecture."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    architecture = getattr(transformers, (config.get("architectures") or [""])[0], None)
    if architecture is None or config.get("auto_map"):
        return  # of a model that brings its own code: its tensors were looked at
    unset_hf_deepspeed_config()  # training is over, and its stage 3 would take every model that is loaded in parts
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        _, told = architecture.from_pretrained(folder, device_map="meta", output_loading_info=True)
    except (RuntimeError, ValueError, OSError) as error:
        raise RunError(f"training ended, and the model in {folder} does not load: {error}") from error
    finally:
        logging.set_verbosity(before)
    for kind in ("missing_keys", "mismatched_keys", "unexpected_keys"):
        if told[kind]:
            raise RunError(f"training ended, and the model in {folder} has {kind}: {sorted(map(str, told[kind]))[:3]}")
