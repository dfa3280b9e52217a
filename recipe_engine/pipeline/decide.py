"""Whether a stage has to run: what stands in its folder, held against what it would be made of now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from recipe_engine.checkpoints import whole_checkpoints
from recipe_engine.compiled_stage import ROWS
from recipe_engine.data.shards import whole_shards
from recipe_engine.pipeline.basis import basis_of, settings_of
from recipe_engine.pipeline.folders import MANIFEST, MODEL
from recipe_engine.pipeline.instances import Instance
from recipe_engine.pipeline.manifest import (
    Basis,
    Manifest,
    Stamp,
    changes,
    look_at_outputs,
    read_begun,
    read_manifest,
)
from recipe_engine.pipeline.resolve import Work

Act = Literal["skip", "go on", "begin", "replace"]
"""``replace`` is to begin where a result stands, or much of one, that other settings have made."""


@dataclass(frozen=True)
class Decision:
    """What is to be done with a stage, and why."""

    act: Act
    why: str
    changed: tuple[str, ...] = ()
    manifest: Manifest | None = None
    """Of a stage that is skipped, with its files as they are now."""
    basis: Basis | None = None
    files: Mapping[str, Stamp] | None = None


def decide(work: Work, instance: Instance, manifests: Mapping[str, Manifest]) -> Decision:
    """What to do with an instance whose inputs are all complete."""
    folder = work.folder(instance)
    manifest, begun = read_manifest(folder), read_begun(folder)
    basis, files = basis_of(work, instance, manifests, manifest.files if manifest is not None else {})
    if manifest is not None:
        if manifest.hash != basis.hash:
            changed = tuple(changes(manifest.basis, basis))
            return Decision(
                "replace",
                f"its result was made with {_what_differs(manifest.basis, basis)}",
                changed,
                None,
                basis,
                files,
            )
        if manifest.model_removed:
            return Decision("skip", "complete and unchanged", (), manifest, basis, files)
        looked = look_at_outputs(folder, manifest)
        if looked.missing:
            return Decision("begin", f"{looked.missing[0]} of its result is missing", (), None, basis, files)
        if looked.other:
            return Decision(
                "replace",
                f"{looked.other[0]} of its result was changed since, or cannot be read",
                (),
                None,
                basis,
                files,
            )
        manifest = manifest.model_copy(update={"outputs": manifest.outputs | looked.touched, "files": files})
        return Decision("skip", "complete and unchanged", (), manifest, basis, files)
    if Path(folder, MANIFEST).exists():
        return Decision(
            "replace", "its manifest cannot be read: damaged, or of another version", (), None, basis, files
        )
    if begun is None:
        return Decision("begin", "it has not run yet", (), None, basis, files)
    if begun.hash == basis.hash:
        return Decision("go on", f"it was begun, and did not end{_so_far(folder)}", (), None, basis, files)
    why = f"it was begun with {_what_differs(begun, basis)}"
    if _so_far(folder):
        return Decision("replace", f"{why}{_so_far(folder)}", tuple(changes(begun, basis)), None, basis, files)
    return Decision("begin", f"{why}, and had made nothing yet", (), None, basis, files)


def _what_differs(before: Basis, now: Basis) -> str:
    settings, inputs = before.settings != now.settings, before.inputs != now.inputs
    return "other settings and inputs" if settings and inputs else "other inputs" if inputs else "other settings"


def changed_settings(work: Work, instance: Instance) -> list[str]:
    """How the settings of an instance differ from those that its complete result was made with; whatever it reads."""
    manifest = read_manifest(work.folder(instance))
    if manifest is None:
        return []
    return changes(
        Basis(settings=manifest.basis.settings, inputs={}), Basis(settings=settings_of(work, instance), inputs={})
    )


def _so_far(folder: str) -> str:
    """What a stage that did not end has to go on from."""
    rows = Path(folder, ROWS)
    shards = sum(len(whole_shards(split)) for split in rows.iterdir() if split.is_dir()) if rows.is_dir() else 0
    checkpoints = whole_checkpoints(Path(folder, MODEL)) if Path(folder, MODEL).is_dir() else []
    if checkpoints:
        return f": {checkpoints[-1].name} stands"
    return f": {shards} whole shard{'s' if shards > 1 else ''} stand{'' if shards > 1 else 's'}" if shards else ""
