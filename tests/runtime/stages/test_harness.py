"""Tasks of lm-evaluation-harness, where its extra is installed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.stages.harness import task_name
from tests.runtime.stages.support import carried_out, result_in

TASK = """\
task: {name}
dataset_path: json
dataset_kwargs:
  data_files: {{test: {file}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: right
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
"""


@pytest.fixture
def task(tmp_path: Path) -> str:
    """A task of four questions, beside the pipeline. Its name begins with that of its file, not of a known task."""
    rows = [{"question": f"{n} and", "choices": [" one", " two", " three"], "right": n % 3} for n in range(4)]
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "mine.yaml").write_text(TASK.format(name="mine_of_four", file=tmp_path / "questions.jsonl"))
    return "mine.yaml"


def test_the_name_of_a_task_is_read_from_its_file(task: str, tmp_path: Path) -> None:
    assert task_name(tmp_path / task) == "mine_of_four"
    (tmp_path / "tagged.yaml").write_text("doc_to_text: !function utils.text\ntask: other\n")
    assert task_name(tmp_path / "tagged.yaml") == "other"
    with pytest.raises(RunError, match="there is no file"):
        task_name(tmp_path / "none.yaml")


def test_a_task_of_ones_own_is_measured_for_both_models(task: str, tmp_path: Path) -> None:
    pytest.importorskip("lm_eval")
    stage = {"kind": "evaluate", "model": "builtin/tiny-chat", "base": "builtin/tiny-chat", "tasks": [task]}
    with pytest.raises(RunError, match="may name Python code"):
        carried_out(tmp_path, stage)
    carried_out(tmp_path, stage, allow_reward_code=True)
    summary = json.loads((tmp_path / "summary.json").read_text())
    accuracy = summary["candidate"]["tasks"]["mine_of_four"]["acc"]
    assert accuracy in {0.0, 0.25, 0.5, 0.75, 1.0}
    assert summary["base"]["tasks"] == summary["candidate"]["tasks"]
    assert summary["difference"]["tasks"]["mine_of_four"]["acc"] == 0.0
    assert result_in(tmp_path)["rows_out"] == 0
    with pytest.raises(RunError, match="knows no no_such_task"):
        carried_out(tmp_path / "none", {**stage, "tasks": ["no_such_task"]})
