from __future__ import annotations

import shlex
from pathlib import Path

from recipe_engine.launch.ending import try_command
from tests.runtime.support import compiled


def test_a_reward_model_is_tried_by_scoring_an_answer(tmp_path: Path) -> None:
    run = compiled(tmp_path, "reward_model", {"name": "builtin/preferences"})
    _, _, code = shlex.split(try_command(run))
    compile(code, "try it", "exec")
    assert "text-classification" in code
    assert "text-generation" not in code
