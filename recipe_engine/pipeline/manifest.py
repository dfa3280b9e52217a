"""What a stage was made of and has made: written last, so that a stage with a manifest is complete."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipe_engine.compiled_stage import ROWS, StageResult
from recipe_engine.data.shards import whole_shards, write_whole
from recipe_engine.launch.inputs import digest
from recipe_engine.pipeline.folders import BEGUN, MANIFEST
from recipe_engine.recipe.base import Block

FORMAT = 1
SUMMARY = "summary.json"

_OF_A_MODEL = (".safetensors", ".json", ".jinja", ".model", ".txt", ".bin")
_NOT_OF_A_MODEL = frozenset({"training_args.bin"})
_BLOCK = 1 << 20


class Basis(Block):
    """What a stage is made of. Two with the same basis make the same."""

    settings: dict[str, Any]
    """Its settings by their dotted names, with ``$names`` as they were written."""
    inputs: dict[str, str]
    """What it reads, each with what tells its content."""

    @property
    def hash(self) -> str:
        """One word for all of it."""
        text = json.dumps([self.settings, self.inputs], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


class Stamp(Block):
    """A file as it was when its content was read: one that has not been touched need not be read again."""

    size: int
    time: int = 0
    """Of the last change, in nanoseconds."""
    inode: int = 0
    """Another one was put in its place where it differs."""
    digest: str

    def is_of(self, status: os.stat_result) -> bool:
        """Whether a file has not been touched since."""
        return (self.size, self.time, self.inode) == (status.st_size, status.st_mtime_ns, status.st_ino)


class Manifest(Block):
    """A complete stage."""

    format: int = FORMAT
    engine: str
    versions: dict[str, str]
    key: str
    """Which stage, in a loop of which iteration."""
    kind: str
    hash: str
    """Of the basis."""
    basis: Basis
    files: dict[str, Stamp]
    """Files from outside of the pipeline that it read."""
    outputs: dict[str, Stamp]
    """Files that it has made, by their place in its folder."""
    made: dict[str, str]
    """What others read of it: ``rows/train`` and so on, ``model``, ``summary``; each with what tells its content."""
    result: StageResult
    seed: int
    started: float
    ended: float
    """Seconds since 1970."""
    model_removed: bool = False
    """Whether its model was removed since, as ``keep_models`` says."""


def read_manifest(folder: str) -> Manifest | None:
    """The manifest of a stage's folder; none where there is none, or one that is damaged or of another version."""
    try:
        text = Path(folder, MANIFEST).read_text(encoding="utf-8")
        return Manifest.model_validate_json(text)
    except (OSError, ValueError):
        return None


def read_begun(folder: str) -> Basis | None:
    """What a stage was begun with; none where it was not."""
    try:
        return Basis.model_validate_json(Path(folder, BEGUN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write_json(file: Path, block: Block) -> None:
    """Write a block so that a reader sees all of it or none."""
    write_whole(file, block.model_dump_json(indent=1) + "\n")


def outputs_of(folder: Path, model: Path | None) -> tuple[dict[str, Stamp], dict[str, str]]:
    """The files that a stage has made, and one digest for each thing that others read of it."""
    outputs: dict[str, Stamp] = {}
    made: dict[str, str] = {}
    rows = folder / ROWS
    for split in sorted(path for path in rows.iterdir() if path.is_dir()) if rows.is_dir() else ():
        whole = hashlib.sha256()
        for file in sorted(path for path in split.iterdir() if path.is_file() and not path.name.startswith(".")):
            one = _digest_whole(file, whole)
            outputs[str(file.relative_to(folder))] = _stamp(file, one)
        made[f"{ROWS}/{split.name}"] = whole.hexdigest()
    summary = folder / SUMMARY
    if summary.is_file():
        outputs[SUMMARY] = _stamp(summary, digest(summary))
        made["summary"] = outputs[SUMMARY].digest
    if model is not None:
        found = {file.name: digest(file) for file in files_of_model(model)}
        for name, one in found.items():
            file = model / name
            outputs[str(file.relative_to(folder))] = _stamp(file, one)
        made["model"] = hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()
    return outputs, made


def files_of_model(model: Path) -> list[Path]:
    """The files by which a saved model is known: weights, configuration, tokenizer."""
    return sorted(
        path
        for path in model.iterdir()
        if path.is_file() and path.name.endswith(_OF_A_MODEL) and path.name not in _NOT_OF_A_MODEL
    )


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found of the files that a complete stage has made."""

    missing: list[str]
    other: list[str]
    """Those that hold something else than they did or cannot be read, and shards that were added."""
    touched: dict[str, Stamp]
    """Those that hold the same and were touched, moved or copied: as they are now."""


def look_at_outputs(folder: str, manifest: Manifest) -> Looked:
    """Look whether the files that a complete stage has made are as they were.

    A file of the size, the time and the inode that it had is not read. Any other is, and compared by its content.
    """
    found = Looked([], [], {})
    for name, before in manifest.outputs.items():
        file = Path(folder, name)
        try:
            status = file.stat()
            if before.is_of(status):
                continue
            same = status.st_size == before.size and _digest_of(name, file) == before.digest
        except FileNotFoundError:
            found.missing.append(name)
            continue
        except OSError:
            same = False
        if same:
            found.touched[name] = _stamp(file, before.digest)
        else:
            found.other.append(name)
    for split in Path(folder, ROWS).glob("*/"):
        names = (f"{ROWS}/{split.name}/{shard.name}" for shard in whole_shards(split).values())
        found.other.extend(name for name in names if name not in manifest.outputs)
    return found


def _digest_of(name: str, file: Path) -> str:
    return _digest_whole(file) if name.startswith(f"{ROWS}/") else digest(file)


def stamped(file: Path, known: Mapping[str, Stamp]) -> Stamp:
    """A file's stamp; its content is only read where the file was touched since ``known``."""
    before = known.get(str(file))
    return before if before is not None and before.is_of(file.stat()) else _stamp(file, digest(file))


def _stamp(file: Path, digest: str) -> Stamp:
    status = file.stat()
    return Stamp(size=status.st_size, time=status.st_mtime_ns, inode=status.st_ino, digest=digest)


def files_below(path: Path) -> Iterator[Path]:
    """A file itself; of a folder every file at any depth that is not hidden."""
    if path.is_file():
        yield path
    elif path.is_dir():
        for parent, folders, names in os.walk(path):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            yield from (Path(parent, name) for name in sorted(names) if not name.startswith("."))


def flat(tree: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a tree by its dotted name. Empty lists and mappings are values too."""
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            yield from flat(value, f"{name}.{key}" if name else str(key))
    elif isinstance(tree, list) and tree:
        for index, value in enumerate(tree):
            yield from flat(value, f"{name}[{index}]")
    else:
        yield name, tree


def changes(before: Basis, now: Basis) -> list[str]:
    """What differs between two bases, each as one line."""
    found = []
    for name in dict.fromkeys([*before.settings, *now.settings]):
        old, new = before.settings.get(name), now.settings.get(name)
        if old != new:
            found.append(f"{name}: {_shown(old)} -> {_shown(new)}")
    for name in dict.fromkeys([*before.inputs, *now.inputs]):
        if name not in now.inputs:
            found.append(f"{name} is not read any more")
        elif name not in before.inputs:
            found.append(f"{name} is read")
        elif before.inputs[name] != now.inputs[name]:
            found.append(f"{name} holds something else")
    return found


def _digest_whole(file: Path, also: Any = None) -> str:
    own = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            own.update(block)
            if also is not None:
                also.update(block)
    return own.hexdigest()


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
