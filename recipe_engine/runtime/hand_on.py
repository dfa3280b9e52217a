"""A trained model as the next stage of a pipeline loads it: whole, and checked to load."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from recipe_engine.algorithms import algorithm
from recipe_engine.compiled import CompiledRun
from recipe_engine.data.thinking_file import write_thinking
from recipe_engine.runtime.errors import RunError

HANDED_ON = "handed_on"
ADAPTER = "adapter_config.json"


def hand_on(run: CompiledRun, whole: Path, say: Callable[[str], None]) -> None:
    """Merge what was trained into ``whole`` where it is an adapter, and load the whole model once.

    Raises:
        RunError: it cannot be loaded, or weights are missing in it.
    """
    saved = Path(run.output_dir)
    sequence = algorithm(run.algorithm).task == "sequence_classification"
    model_class: Any = AutoModelForSequenceClassification if sequence else AutoModelForCausalLM
    if (saved / ADAPTER).is_file():
        _merge(run, saved, whole, sequence)
        say(f"the adapter is merged into {whole}")
    elif saved != whole:
        raise RunError(f"{saved} holds no adapter to merge: the model was saved whole")
    _demand_loads(run, model_class, whole)
    Path(run.run_dir, HANDED_ON).touch()


def _merge(run: CompiledRun, adapter: Path, whole: Path, sequence: bool) -> None:
    """Merge into a copy of the base model in its own type: an adapter trained on 4-bit weights too."""
    from peft import AutoPeftModelForCausalLM, AutoPeftModelForSequenceClassification

    model_class: Any = AutoPeftModelForSequenceClassification if sequence else AutoPeftModelForCausalLM
    arguments = {"num_labels": 1} if sequence else {}
    code = run.allow_remote_code and run.model.trust_remote_code
    beside = whole.with_name(f".{whole.name}")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        model = model_class.from_pretrained(
            str(adapter), torch_dtype="auto", trust_remote_code=code, **arguments
        ).merge_and_unload(safe_merge=True)
        model.save_pretrained(str(beside))
        AutoTokenizer.from_pretrained(str(adapter), trust_remote_code=code).save_pretrained(str(beside))
    except (OSError, ValueError) as error:
        raise RunError(f"the adapter cannot be merged: {error}") from error
    if run.thinking is not None:
        write_thinking(beside, run.thinking)
    shutil.rmtree(whole, ignore_errors=True)
    beside.rename(whole)


def _demand_loads(run: CompiledRun, model_class: Any, whole: Path) -> None:
    code = run.allow_remote_code and run.model.trust_remote_code
    try:
        model, found = model_class.from_pretrained(
            str(whole), torch_dtype="auto", trust_remote_code=code, output_loading_info=True
        )
        AutoTokenizer.from_pretrained(str(whole), trust_remote_code=code)
    except (OSError, ValueError, RuntimeError) as error:
        raise RunError(f"the trained model cannot be loaded: {error}") from error
    missing = sorted(found["missing_keys"])
    if missing or found["mismatched_keys"]:
        raise RunError(f"the trained model lacks weights: {', '.join(missing[:5]) or found['mismatched_keys']}")
    bad = [name for name, weight in model.named_parameters() if not torch.isfinite(weight).all()]
    if bad:
        raise RunError(f"the trained model holds weights that are no numbers: {', '.join(bad[:5])}")
