"""``recipe submit`` up to the scheduler. tests/e2e/test_slurm.py and test_ray.py have real ones."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from .support import BROKEN, VALID, recipe


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sft.yaml").write_text(VALID, encoding="utf-8")


SLURM = ["submit", "--on", "slurm", "--config", "sft.yaml", "--num-gpus", "2"]
RAY = ["submit", "--on", "ray", "--config", "sft.yaml", "--num-gpus", "2"]


def nothing_was_written() -> bool:
    return [path.name for path in Path().iterdir()] == ["sft.yaml"]


def test_a_dry_run_shows_the_script_and_writes_nothing() -> None:
    shown = recipe(*SLURM, "--num-nodes", "4", "--time", "8:00:00", "--dry-run", "training.max_steps=5")
    assert shown.exit_code == 0, shown.output
    for line in ("#SBATCH --nodes=4", "#SBATCH --gpus-per-node=2", "#SBATCH --time=8:00:00", "#SBATCH --requeue"):
        assert line in shown.stdout.splitlines()
    assert "overrides=(training.max_steps=5 launch.nodes=4)" in shown.stdout
    assert nothing_was_written()


def test_a_dry_run_shows_what_rays_driver_would_read() -> None:
    shown = recipe(*RAY, "--num-nodes", "4", "--dry-run", "training.run_name=a'b c")
    assert shown.exit_code == 0, shown.output
    data = json.loads(shown.stdout)
    assert (data["nodes"], data["bundle"]) == (4, {"CPU": 2, "GPU": 2})
    assert data["overrides"] == ["training.run_name=a'b c", "launch.nodes=4"]
    assert data["command"][:5] == [sys.executable, "-P", "-m", "recipe_engine.cli", "train"]
    assert nothing_was_written()


@pytest.mark.parametrize("command", [SLURM, RAY])
def test_mistakes_of_the_recipe_are_found_before_anything_is_submitted(command: list[str]) -> None:
    Path("sft.yaml").write_text(BROKEN, encoding="utf-8")
    refused = recipe(*command)
    assert refused.exit_code == 1
    assert "learning_rte" in refused.stderr
    assert nothing_was_written()


@pytest.mark.parametrize("command", [SLURM, RAY])
def test_what_is_missing_here_is_found_too(command: list[str]) -> None:
    refused = recipe(*command, "model.base_model_name=models/not-trained-yet")
    assert refused.exit_code == 1
    assert "error[T505]" in refused.stderr
    assert nothing_was_written()


def test_without_slurm_it_is_said_where_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    refused = recipe(*SLURM)
    assert refused.exit_code == 1
    assert "error[T515]: there is no sbatch here" in refused.stderr
    assert not Path("models").exists()


@pytest.mark.parametrize("command", [SLURM, RAY, ["train", "--config", "sft.yaml", "--num-gpus", "0"]])
def test_a_dry_run_refuses_an_output_folder_as_the_real_one_would(command: list[str]) -> None:
    folder = Path("models/mine")
    folder.mkdir(parents=True)
    (folder / "thesis.txt").touch()
    for dry in ([], ["--dry-run"]):
        refused = recipe(*command, f"training.output_dir={folder}", *dry)
        assert refused.exit_code == 1, refused.output
        assert "error[T502]" in refused.stderr or not dry
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]
    assert not Path("logs").exists()


@pytest.mark.parametrize(("limit", "said"), [("0", True), ("0:00:00", True), ("UNLIMITED", True), ("1", False)])
def test_a_time_limit_that_slurm_takes_for_none_is_said(limit: str, said: bool) -> None:
    shown = recipe(*SLURM, "--time", limit, "--dry-run")
    assert shown.exit_code == 0
    assert (f"--time {limit}: Slurm takes that for no time limit" in shown.stderr) == said


def test_an_option_of_the_other_scheduler_is_refused() -> None:
    refused = recipe(*RAY, "--partition", "gpu")
    assert "error[T516]: --partition says nothing to ray" in refused.stderr
    refused = recipe(*SLURM, "--address", "http://head:8265")
    assert "error[T516]: --address says nothing to slurm" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--num-nodes", "2"], "T518"),
        (["--num-nodes", "2", "--node-rank", "0"], "where they meet"),
        (["--num-nodes", "2", "--rendezvous", "host:29400"], "which of the 2 machines is this"),
        (["--num-nodes", "2", "--rendezvous", "host", "--node-rank", "1"], "HOST:PORT"),
        (["--node-rank", "1", "--rendezvous", "host:29400"], "for several machines"),
        (["--node-rank", "0"], "--node-rank is for several machines"),
        (["--rendezvous", "host:29400", "--dry-run"], "--rendezvous is for several machines"),
    ],
)
def test_a_start_on_several_machines_has_to_say_which_and_where(arguments: list[str], said: str) -> None:
    refused = recipe("train", "--config", "sft.yaml", "--num-gpus", "0", *arguments)
    assert refused.exit_code == 1
    assert said in refused.stderr
    assert nothing_was_written()
