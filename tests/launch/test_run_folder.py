from __future__ import annotations

import errno
import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from recipe_engine.compiled import CompiledRun
from recipe_engine.launch.errors import LaunchError
from recipe_engine.launch.lock import holder, lock
from recipe_engine.launch.run_folder import demand_free, demand_writable, write_run_folder
from tests.compile.support import SFT, compiled

from .support import ROOT

HOST = socket.gethostname()
TEXTS = {"recipes/a.yaml": "model: ...\n", "base.yaml": "data: ...\n", "<command line>": "training.seed=1\n"}


def write(run: CompiledRun, overwrite: bool = False) -> Path:
    compiled_file, held = write_run_folder(run, TEXTS, overwrite)
    held.release()
    return compiled_file


def finish(run: CompiledRun) -> Path:
    """Leave what a run leaves that has saved something."""
    write(run)
    folder = Path(run.output_dir)
    for name in ("checkpoint-10", "checkpoint-20"):
        (folder / name).mkdir()
        (folder / name / "model.safetensors").touch()
    for name in ("model.safetensors", "adapter_config.json", "chat_template.jinja", "tokenizer.json", "config.json"):
        (folder / name).touch()
    (folder / "run" / "metrics.jsonl").write_text("{}\n")
    return folder


def refused(run: CompiledRun, overwrite: bool = False) -> LaunchError:
    before = sorted(Path(run.output_dir).rglob("*"))
    with pytest.raises(LaunchError) as caught:
        demand_free(run, overwrite)
    assert sorted(Path(run.output_dir).rglob("*")) == before
    return caught.value


class TestAFreeFolder:
    def test_a_folder_that_is_not_there_is_free_and_is_not_made_by_looking(self, run: CompiledRun) -> None:
        demand_free(run, overwrite=False)
        assert not Path("models").exists()

    def test_so_is_an_empty_one(self, run: CompiledRun) -> None:
        Path(run.output_dir).mkdir(parents=True)
        demand_free(run, overwrite=False)

    def test_so_is_one_where_a_run_failed_before_it_saved_anything(self, run: CompiledRun) -> None:
        write(run)
        (Path(run.run_dir) / "metrics.jsonl").write_text("{}\n")
        (Path(run.output_dir) / "runs" / "host").mkdir(parents=True)  # tensorboard's
        demand_free(run, overwrite=False)

    def test_so_is_one_that_was_killed_in_the_middle_of_its_first_save(self, run: CompiledRun) -> None:
        write(run)
        half = Path(run.output_dir) / ".saving/checkpoint-3"
        half.mkdir(parents=True)
        (half / "model.safetensors").write_bytes(b"cut")
        (Path(run.output_dir) / "README.md").write_text("a model card")
        demand_free(run, overwrite=False)
        write(run)
        assert not half.parent.exists()

    def test_so_is_one_where_a_start_was_killed_early(self, run: CompiledRun) -> None:
        Path(run.run_dir).mkdir(parents=True)
        (Path(run.run_dir) / "lock").touch()
        demand_free(run, overwrite=False)


class TestAFolderInUse:
    def test_an_earlier_run_is_replaced_only_where_that_is_said(self, run: CompiledRun) -> None:
        folder = finish(run)
        error = refused(run)
        assert (error.code, error.message) == ("T502", f"training.output_dir: {folder} holds an earlier run")
        assert "overwrite_output_dir=true" in str(error.hint)
        demand_free(run, overwrite=True)

    def test_an_earlier_run_is_resumed_in_place(self, run: CompiledRun) -> None:
        folder = finish(run)
        resumed = compiled(SFT).model_copy(update={"checkpoint": f"{folder}/checkpoint-20"})
        demand_free(resumed, overwrite=False)
        write(resumed)
        assert (folder / "checkpoint-20/model.safetensors").exists()
        assert (folder / "run/metrics.jsonl").exists()

    @pytest.mark.parametrize("overwrite", [False, True])
    @pytest.mark.parametrize(
        "names",
        [
            ["notes.txt"],
            ["run/notes.txt"],
            ["runs/mine"],
            ["runs/mine", "run/lock"],
            ["checkpoint-10/model.safetensors"],
        ],
    )
    def test_files_of_others_are_never_touched(self, run: CompiledRun, names: list[str], overwrite: bool) -> None:
        for name in names:
            (Path(run.output_dir) / name).parent.mkdir(parents=True, exist_ok=True)
            (Path(run.output_dir) / name).write_text("mine")
        error = refused(run, overwrite)
        assert error.code == "T502"
        assert "holds files that are not of a run" in error.message
        with pytest.raises(LaunchError):
            write(run, overwrite)
        assert [(Path(run.output_dir) / name).read_text() for name in names] == ["mine"] * len(names)

    def test_the_current_folder_itself_is_no_output_folder(self) -> None:
        assert refused(compiled(SFT + "  output_dir: .\n")).code == "T502"

    def test_a_file_of_that_name_is_in_the_way(self, run: CompiledRun) -> None:
        Path("models").mkdir()
        Path(run.output_dir).touch()
        assert refused(run).message == f"training.output_dir: {run.output_dir} is not a folder"

    def test_so_is_a_file_further_up(self, run: CompiledRun) -> None:
        Path("models").touch()
        assert refused(run).message == f"training.output_dir: {Path.cwd()}/models is not a folder"

    def test_so_is_a_link_that_leads_nowhere(self, run: CompiledRun) -> None:
        Path("models").symlink_to("/nowhere/at/all")
        assert refused(run).code == "T502"

    def test_a_folder_that_may_not_be_written_to_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
        with pytest.raises(LaunchError) as caught:
            demand_writable(Path("models/a"), "training.output_dir")
        assert caught.value.code == "T503"


class TestTheLock:
    def test_a_run_that_is_going_on_keeps_others_out_also_those_that_would_replace_it(self, run: CompiledRun) -> None:
        _, held = write_run_folder(run, TEXTS, overwrite=False)
        for overwrite in (False, True):
            error = refused(run, overwrite)
            assert error.code == "T502"
            assert error.message.endswith(f"is in use by a run that is going on (process {os.getpid()} on {HOST})")
            with pytest.raises(LaunchError):
                write_run_folder(run, TEXTS, overwrite)
        held.release()
        demand_free(run, overwrite=False)

    def test_it_is_gone_with_its_process_however_that_ends(self, run: CompiledRun) -> None:
        Path(run.run_dir).mkdir(parents=True)
        code = (
            "import os, sys, time\nfrom recipe_engine.launch.lock import lock\n"
            "from recipe_engine.compiled import CompiledRun\n"
            "held = lock(CompiledRun.model_validate_json(sys.argv[1]))\nheld.name_holder(os.getpid())\n"
            "print('held', flush=True)\ntime.sleep(300)"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code, run.model_dump_json()],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        ) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == b"held\n"
            assert f"(process {other.pid} on {HOST})" in refused(run).message
            other.kill()
        demand_free(run, overwrite=False)

    def test_a_machine_that_shares_the_folder_is_named(self, run: CompiledRun) -> None:
        _, held = write_run_folder(run, TEXTS, overwrite=False)
        os.pwrite(held.descriptor, b"4711 node-17\n", 0)
        os.ftruncate(held.descriptor, 13)
        assert refused(run).message.endswith("(process 4711 on node-17)")
        found = holder(Path(run.run_dir))
        assert found is not None
        assert (found.pid, found.host, found.is_here) == (4711, "node-17", False)
        held.release()
        assert holder(Path(run.run_dir)) is None

    def test_a_file_system_without_locks_keeps_nobody_out_and_is_told_from_others(
        self, run: CompiledRun, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _, held = write_run_folder(run, TEXTS, overwrite=False)
        assert held.exclusive
        held.release()

        def no_locks(*_: object) -> None:
            raise OSError(errno.ENOLCK, "No locks available")  # no such file system can be made here

        monkeypatch.setattr(fcntl, "flock", no_locks)
        assert not lock(run).exclusive

    def test_of_two_that_start_at_once_one_gets_the_folder(self, run: CompiledRun) -> None:
        demand_free(run, overwrite=False)
        demand_free(run, overwrite=False)
        _, held = write_run_folder(run, TEXTS, overwrite=False)
        with pytest.raises(LaunchError, match="in use"):
            write_run_folder(run, TEXTS, overwrite=False)
        held.release()

    def test_the_slower_one_does_not_replace_what_the_faster_one_has_trained(self, run: CompiledRun) -> None:
        demand_free(run, overwrite=False)
        folder = finish(run)
        with pytest.raises(LaunchError, match="holds an earlier run"):
            write(run)
        assert (folder / "model.safetensors").exists()
        lock(run).release()  # nobody holds it

    def test_it_outlives_the_clearing_of_the_folder(self, run: CompiledRun) -> None:
        finish(run)
        _, held = write_run_folder(run, TEXTS, overwrite=True)
        assert "in use" in refused(run, overwrite=True).message
        held.release()


class TestWriting:
    def test_the_compiled_run_and_the_recipe_as_it_was_read_are_written(self, run: CompiledRun) -> None:
        file = write(run)
        assert file == Path(run.run_dir) / "compiled.json"
        assert CompiledRun.model_validate_json(file.read_text(encoding="utf-8")) == run
        recipe = Path(run.run_dir) / "recipe"
        assert {path.name: path.read_text() for path in recipe.iterdir()} == {
            "0-a.yaml": "model: ...\n",
            "1-base.yaml": "data: ...\n",
            "2-overrides.txt": "training.seed=1\n",
        }

    def test_nothing_half_written_stays(self, run: CompiledRun) -> None:
        write(run)
        assert sorted(path.name for path in Path(run.run_dir).iterdir()) == [
            "compiled.json",
            "inputs.json",
            "lock",
            "recipe",
        ]

    def test_replacing_removes_the_earlier_model_and_records_and_nothing_else(self, run: CompiledRun) -> None:
        folder = finish(run)
        mine = [folder / "notes.txt", folder / "checkpoint-best" / "x", folder / "config.json.bak"]
        for path in mine:
            path.parent.mkdir(exist_ok=True)
            path.touch()
        elsewhere = Path("elsewhere")
        elsewhere.mkdir()
        (elsewhere / "model.safetensors").touch()
        (folder / "checkpoint-30").symlink_to(elsewhere.absolute())
        write(run, overwrite=True)
        left = {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_relative_to(folder / "run")}
        assert left == {"notes.txt", "checkpoint-best", "checkpoint-best/x", "config.json.bak"}
        assert (elsewhere / "model.safetensors").exists()
        assert not (folder / "run/metrics.jsonl").exists()
