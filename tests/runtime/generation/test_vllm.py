"""The rows of vLLM, where it is installed (the extra ``vllm``, or vLLM's CPU build), are those of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.runtime.stages.support import Row, carried_out, questions, rows_in

pytest.importorskip("vllm", reason="vLLM is not installed")

TEXTS = ["Last digit: 517", "x", "Smallest digit: 4218 of them all, and more words", "Say 12345", "Last digit: 5"]
VLLM = {"type": "vllm", "torch_dtype": "float32", "gpu_memory_utilization": 0.05, "max_model_len": 256}
HF = {"type": "hf"}


def made(folder: Path, engine: Row, texts: list[str] = TEXTS, **sampling: Any) -> list[Row]:
    rows = questions(folder, texts)
    sampling = {"temperature": 0.0, "max_tokens": 24, **sampling}
    stage = {"kind": "generate", "model": "builtin/tiny-chat", "rows": rows, "sampling": sampling, "engine": engine}
    carried_out(folder, stage)
    return rows_in(folder)


def test_greedy_rows_are_those_of_transformers(tmp_path: Path) -> None:
    wanted = made(tmp_path / "hf", HF)
    assert made(tmp_path / "vllm", VLLM) == wanted
    stop = wanted[0]["completion"][3:5]
    stopped = made(tmp_path / "hf-stop", HF, stop=[stop])
    assert stopped[0]["completion"] == wanted[0]["completion"][:3]
    assert made(tmp_path / "vllm-stop", VLLM, stop=[stop]) == stopped


def test_samples_are_each_their_own_and_the_same_again(tmp_path: Path) -> None:
    first = made(tmp_path / "one", VLLM, n=4, temperature=1.0)
    assert len({row["completion"] for row in first}) > 10
    assert [row["sample_idx"] for row in first] == [0, 1, 2, 3] * len(TEXTS)
    assert {row["finish_reason"] for row in first} <= {"stop", "length"}
    assert made(tmp_path / "two", VLLM, n=4, temperature=1.0) == first
