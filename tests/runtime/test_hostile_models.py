"""Models, checkpoints and datasets that hold code: none of it runs unless it was allowed by revision and by flag."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet
from safetensors.torch import load_file
from torch import save

from recipe_engine.checkpoints import newest_whole, seal
from recipe_engine.compile import Options
from recipe_engine.data.errors import DataError
from recipe_engine.data.files import read_rows
from recipe_engine.runtime import builtin_model
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.worker import train
from tests.runtime.support import compiled

Row = dict[str, Any]

CODE = """
import pathlib
pathlib.Path({canary!r}).touch()
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
class Config(LlamaConfig):
    model_type = "code-of-its-own"
class Model(LlamaForCausalLM):
    config_class = Config
class Tokenizer(PreTrainedTokenizerFast):
    pass
"""


class Bomb:
    """A pickle that runs a command when it is read."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.canary}",)


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A file that is there once code has run."""
    return tmp_path / "canary"


def with_code(folder: Path, canary: Path, *, known: bool, scores: bool = False) -> str:
    """A model that brings code along; ``known``: transformers has the class itself and could do without."""
    source = builtin_model.ensure("builtin/tiny-reward" if scores else "builtin/tiny-chat")
    shutil.copytree(source, folder)
    (folder / "canary_code.py").write_text(CODE.format(canary=str(canary)))
    config = json.loads((folder / "config.json").read_text())
    classes = ("AutoModelForCausalLM", "AutoModelForSequenceClassification", "AutoModelForTokenClassification")
    config["auto_map"] = {"AutoConfig": "canary_code.Config"} | dict.fromkeys(classes, "canary_code.Model")
    if not known:
        config["model_type"] = "code-of-its-own"
    (folder / "config.json").write_text(json.dumps(config))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings["auto_map"] = {"AutoTokenizer": [None, "canary_code.Tokenizer"]}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return str(folder)


SAMPLING = {"num_generations": 2, "max_completion_length": 4, "per_device_train_batch_size": 2}
STEPS = {"type": "prm_score", "reward_tokens": ["yes", "no"], "placeholder_token": "?"}
Place = Callable[[str], tuple[str, str, Row]]
PLACES: dict[str, Place] = {
    "the model": lambda name: ("sft", "builtin/conversations", {"model": name}),
    "the tokenizer": lambda name: ("sft", "builtin/conversations", {"model_settings": {"tokenizer_name": name}}),
    "a reference": lambda name: ("dpo", "builtin/preferences", {"training": {"ref_model_name": name}}),
    "a teacher": lambda name: ("gkd", "builtin/conversations", {"training": {"teacher_model": name}}),
    "a process reward model": lambda name: (
        "grpo",
        "builtin/questions",
        {"training": SAMPLING, "rewards": [{**STEPS, "model": name}]},
    ),
    "a reward model": lambda name: (
        "grpo",
        "builtin/questions",
        {"training": SAMPLING, "rewards": [{"type": "reward_model", "model": name}]},
    ),
    "a critic": lambda name: (
        "ppo",
        "builtin/questions",
        {
            "training": {**SAMPLING, "critic_init": name},
            "rewards": [{"type": "length", "unit": "characters", "max": 2}],
        },
    ),
}


@pytest.mark.parametrize("known", [True, False], ids=["a known kind", "an unknown kind"])
@pytest.mark.parametrize("place", PLACES)
def test_code_of_a_local_model_is_not_run(tmp_path: Path, canary: Path, place: str, known: bool) -> None:
    name = with_code(tmp_path / "hostile", canary, known=known, scores=place in {"a reward model", "a critic"})
    algorithm, rows, blocks = PLACES[place](name)
    training = {"max_steps": 1, "per_device_train_batch_size": 2, **blocks.pop("training", {})}
    blocks["data"] = {"max_length": 64, **blocks.get("data", {})}
    run = compiled(tmp_path, algorithm, {"name": rows}, training=training, **blocks)
    try:
        train(run)
    except RunError:
        assert not known or place != "the model"
    assert not canary.exists()


@pytest.mark.parametrize(
    ("pinned", "allowed"), [(True, False), (False, True)], ids=["a pin and no flag", "a flag and no pin"]
)
def test_one_of_pin_and_flag_is_not_enough(tmp_path: Path, canary: Path, pinned: bool, allowed: bool) -> None:
    name = with_code(tmp_path / "hostile", canary, known=False)
    settings = {"trust_remote_code": True, "revision": "a" * 40}
    options = Options(allow_remote_code=allowed)
    run = compiled(
        tmp_path, "sft", {"name": "builtin/conversations"}, model=name, model_settings=settings, options=options
    )
    if not pinned:
        run = run.model_copy(update={"model": run.model.model_copy(update={"revision": "main"})})
    with pytest.raises(RunError):
        train(run)
    assert not canary.exists()


def test_with_both_it_runs_which_shows_that_the_canary_would_sing(tmp_path: Path, canary: Path) -> None:
    name = with_code(tmp_path / "hostile", canary, known=False)
    settings = {"trust_remote_code": True, "revision": "a" * 40}
    run = compiled(
        tmp_path,
        "sft",
        {"name": "builtin/conversations"},
        model=name,
        model_settings=settings,
        options=Options(allow_remote_code=True),
        training={"max_steps": 1},
    )
    train(run)
    assert canary.exists()


def test_pickled_weights_run_nothing(tmp_path: Path, canary: Path) -> None:
    folder = tmp_path / "hostile"
    shutil.copytree(builtin_model.ensure("builtin/tiny-chat"), folder)
    (folder / "model.safetensors").unlink()
    save({"model.embed_tokens.weight": Bomb(canary)}, folder / "pytorch_model.bin")
    run = compiled(tmp_path, "sft", {"name": "builtin/conversations"}, model=str(folder))
    with pytest.raises(Exception, match=r"(?i)weights.only|pickle|unsupported"):
        train(run)
    assert not canary.exists()


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin", "carried_0.pt"])
def test_a_checkpoint_runs_nothing_when_it_is_gone_on_with(
    tmp_path: Path, canary: Path, checkpoint: Path, name: str
) -> None:
    """Its marker is no seal against an attacker, who writes it anew."""
    folder = tmp_path / "out" / checkpoint.name
    shutil.copytree(checkpoint, folder)
    assert (folder / name).is_file()
    save(Bomb(canary), folder / name)
    (folder / "whole.json").unlink()
    seal(folder)
    run = compiled(tmp_path, **ROUNDS).model_copy(update={"checkpoint": str(folder)})
    if name == "training_args.bin":
        train(run)
    else:
        with pytest.raises((pickle.UnpicklingError, RunError)):
            train(run)
    assert not canary.exists()
    pickle.loads(pickle.dumps(Bomb(canary)))
    assert canary.exists()


ROUNDS: Row = {
    "algorithm": "grpo",
    "datasets": {"name": "builtin/questions"},
    "data": {"max_length": 48},
    "rewards": [{"type": "length", "unit": "characters", "max": 2, "slope": 30}],
    "training": {
        "max_steps": 3,
        "save_strategy": "steps",
        "save_steps": 2,
        "per_device_train_batch_size": 4,
        "num_generations": 2,
        "steps_per_generation": 4,
        "max_completion_length": 4,
    },
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint in the middle of a round of samples."""
    run = compiled(tmp_path_factory.mktemp("trained"), **ROUNDS)
    train(run)
    found = Path(run.output_dir) / "checkpoint-2"
    assert newest_whole(Path(run.output_dir)) is not None
    assert load_file(found / "model.safetensors")
    return found


@pytest.mark.parametrize("ending", ["arrow", "parquet"])
def test_extension_types_of_arrow_are_not_unpickled(tmp_path: Path, canary: Path, ending: str) -> None:
    """pyarrow once made Python objects of what a file's schema said (CVE-2023-47248)."""
    metadata = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": pickle.dumps(Bomb(canary)),
    }
    schema = pyarrow.schema([pyarrow.field("text", pyarrow.string(), metadata=metadata)])
    table = pyarrow.table({"text": ["one", "two"]}, schema=schema)
    file = tmp_path / f"rows.{ending}"
    if ending == "arrow":
        with pyarrow.OSFile(str(file), "wb") as sink, pyarrow.ipc.new_stream(sink, schema) as writer:
            writer.write_table(table)
    else:
        parquet.write_table(table, file)
    with suppress(DataError):  # refused as a whole
        assert [row["text"] for row in read_rows(file)] == ["one", "two"]
    assert not canary.exists()


def test_a_pickle_is_no_dataset(tmp_path: Path, canary: Path) -> None:
    file = tmp_path / "rows.pkl"
    file.write_bytes(pickle.dumps(Bomb(canary)))
    with pytest.raises(DataError, match="of no known kind"):
        list(read_rows(file))
    hidden = tmp_path / "rows.jsonl"
    hidden.write_bytes(pickle.dumps(Bomb(canary)))
    with pytest.raises(DataError):
        list(read_rows(hidden))
    assert not canary.exists()
