"""Which checkpoint a run goes on from, and which changes of its recipe it may bear."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from recipe_engine.checkpoints import RECORDS, left_out, newest_whole, seal, whole_checkpoints
from recipe_engine.compile import Options
from recipe_engine.compiled import CompiledRun
from recipe_engine.launch.errors import LaunchError
from recipe_engine.launch.resume import recipe_of, resumption
from recipe_engine.launch.run_folder import demand_free, write_run_folder
from tests.compile.support import GRPO, SFT, compiled


def checkpoint(run: CompiledRun, step: int, *, whole: bool = True, optimizer: str = "optimizer.pt") -> Path:
    folder = Path(run.output_dir) / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / "trainer_state.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    if optimizer:
        (folder / optimizer).parent.mkdir(exist_ok=True)
        (folder / optimizer).write_bytes(b"moments")
    if whole:
        seal(folder)
    return folder


@pytest.fixture
def started() -> CompiledRun:
    """A run that was started and stopped, with two whole checkpoints and a part of a third."""
    run = compiled(SFT)
    write_run_folder(run, {"recipe.yaml": SFT}, overwrite=False)[1].release()
    for step in (20, 100):
        checkpoint(run, step)
    checkpoint(run, 120, whole=False)
    return run


class TestWholeness:
    def test_steps_are_numbers_and_half_written_ones_do_not_count(self, started: CompiledRun) -> None:
        names = [path.name for path in whole_checkpoints(Path(started.output_dir))]
        assert names == ["checkpoint-20", "checkpoint-100"]

    @pytest.mark.parametrize("damage", ["cut", "missing", "marker"])
    def test_a_damaged_one_does_not_count(self, started: CompiledRun, damage: str) -> None:
        newest = newest_whole(Path(started.output_dir))
        assert newest is not None
        if damage == "cut":
            (newest / "model.safetensors").write_bytes(b"w")
        elif damage == "missing":
            (newest / "trainer_state.json").unlink()
        else:
            (newest / "whole.json").write_text("[")
        assert newest_whole(Path(started.output_dir)) == newest.parent / "checkpoint-20"


class TestWhatIsLeftOut:
    """What lies there later than the checkpoint that is gone on from is not skipped without a word."""

    def of(self, run: CompiledRun) -> list[str]:
        output = Path(run.output_dir)
        return left_out(output, newest_whole(output))

    def test_is_named_with_its_reason(self, started: CompiledRun) -> None:
        (Path(started.output_dir) / "checkpoint-100/model.safetensors").write_bytes(b"w")
        checkpoint(started, 110, optimizer="")
        assert left_out(Path(started.output_dir), Path("checkpoint-20")) == [
            "checkpoint-100 is left out: model.safetensors has 1 bytes, 7 were written",
            "checkpoint-110 is left out: it holds the model alone",
            "checkpoint-120 is left out: it has no whole.json, which is written last",
        ]

    def test_earlier_ones_are_not(self, started: CompiledRun) -> None:
        (Path(started.output_dir) / "checkpoint-20/model.safetensors").unlink()
        shutil.rmtree(Path(started.output_dir) / "checkpoint-120")
        assert self.of(started) == []

    def test_where_nothing_is_left_to_go_on_from_the_refusal_lists_it(self, started: CompiledRun) -> None:
        for step in (20, 100):
            (Path(started.output_dir) / f"checkpoint-{step}/trainer_state.json").unlink()
        assert resumption(started) is None
        with pytest.raises(LaunchError) as caught:
            demand_free(started, overwrite=False)
        assert "checkpoint-100 is left out: trainer_state.json is missing, 2 bytes were written" in caught.value.lines


class TestAuto:
    def test_an_unfinished_run_goes_on(self, started: CompiledRun) -> None:
        found = resumption(started)
        assert found is not None
        assert found.run.checkpoint == f"{started.output_dir}/checkpoint-100"
        assert found.changes == ()

    def test_a_finished_run_does_not(self, started: CompiledRun) -> None:
        Path(started.run_dir, "finished").touch()
        assert resumption(started) is None

    def test_an_empty_folder_does_not(self) -> None:
        assert resumption(compiled(SFT)) is None

    def test_never_does_not(self, started: CompiledRun) -> None:
        assert resumption(compiled(SFT, "training.resume=never")) is None

    @pytest.mark.parametrize(
        "override",
        [
            "training.logging_steps=1",
            "training.save_steps=7",
            "training.report_to=tensorboard",
            "wandb.tags=[a]",
            "data.dataset_num_proc=2",
        ],
    )
    def test_what_a_run_is_watched_by_may_change_without_a_word(self, started: CompiledRun, override: str) -> None:
        found = resumption(compiled(SFT, override))
        assert found is not None
        assert found.changes == ()

    @pytest.mark.parametrize("override", ["training.warmup_steps=3", "training.max_steps=9"])
    def test_what_changes_the_rest_of_the_run_is_said(self, started: CompiledRun, override: str) -> None:
        found = resumption(compiled(SFT, override))
        assert found is not None
        assert [change.name for change in found.changes] == [override.partition("=")[0]]

    @pytest.mark.parametrize(
        "override",
        [
            "model.base_model_name=other/model",
            "model.use_lora=true",
            "data.max_length=99",
            "data.datasets[0].name=builtin/text",
            "training.per_device_train_batch_size=3",
            "training.seed=7",
            "training.loss_type=dft",
        ],
    )
    def test_what_makes_it_another_run_is_refused_unless_it_is_named(self, started: CompiledRun, override: str) -> None:
        with pytest.raises(LaunchError) as caught:
            resumption(compiled(SFT, override))
        assert caught.value.code == "T512"
        (line,) = caught.value.lines
        name = line.split(":")[0].strip()
        assert override.startswith(name)
        found = resumption(compiled(SFT, override, f"training.resume_changes=[{name}]"))
        assert found is not None
        assert [change.name for change in found.changes] == [name]

    @pytest.mark.parametrize("name", ["training.learning_rate", "training.weight_decay", "training.adam_beta2"])
    def test_what_the_checkpoint_brings_along_cannot_change(self, started: CompiledRun, name: str) -> None:
        for overrides in ([f"{name}=0.5"], [f"{name}=0.5", f"training.resume_changes=[{name}]"]):
            with pytest.raises(LaunchError, match="the settings of its optimizer") as caught:
                resumption(compiled(SFT, *overrides))
            assert [line.partition(":")[0] for line in caught.value.lines] == [name]

    def test_changed_rows_are_refused_unless_they_are_named(self) -> None:
        rows = Path("rows.jsonl")
        rows.write_text('{"messages": [{"role": "user", "content": "a"}]}\n')
        text = SFT.replace("builtin/conversations", "rows.jsonl")
        run = compiled(text)
        write_run_folder(run, {"recipe.yaml": text}, overwrite=False)[1].release()
        checkpoint(run, 20)
        assert resumption(compiled(text)) is not None
        rows.write_text('{"messages": [{"role": "user", "content": "b"}]}\n')
        with pytest.raises(LaunchError, match=r"rows\.jsonl: 'what it held at the start' -> 'something else'"):
            resumption(compiled(text))
        assert resumption(compiled(text, "training.resume_changes=[rows.jsonl]")) is not None

    def test_another_algorithm_is_refused(self, started: CompiledRun) -> None:
        with pytest.raises(LaunchError, match="algorithm: 'sft' -> 'grpo'"):
            resumption(compiled(GRPO))

    def test_a_compiled_file_that_cannot_be_read_is_told(self, started: CompiledRun) -> None:
        Path(started.run_dir, "compiled.json").write_text("{")
        with pytest.raises(LaunchError, match="it is not known what was trained there"):
            resumption(started)


class TestWhatItIsComparedWith:
    """Each checkpoint says what it was trained by: a start with another recipe that failed since changes nothing."""

    def test_it_is_the_recipe_of_the_checkpoint(self, started: CompiledRun) -> None:
        newest = Path(started.output_dir) / "checkpoint-100"
        for record in RECORDS:
            shutil.copy(Path(started.run_dir, record), newest)
        other = compiled(
            SFT, "data.max_length=99", f"training.resume={newest}", "training.resume_changes=[data.max_length]"
        )
        write_run_folder(resumed(other), {"recipe.yaml": SFT}, overwrite=False)[1].release()  # and that start fails
        found = resumption(compiled(SFT))
        assert found is not None
        assert found.changes == ()
        assert recipe_of(newest, other).data.max_length == started.data.max_length

    def test_so_it_is_for_one_of_another_folder(self, started: CompiledRun) -> None:
        named = f"training.resume={started.output_dir}/checkpoint-100"
        found = resumption(compiled(SFT, named, "training.output_dir=models/other"))
        assert found is not None
        assert "nothing is compared" in found.note
        for record in RECORDS:
            shutil.copy(Path(started.run_dir, record), Path(started.output_dir) / "checkpoint-100")
        found = resumption(compiled(SFT, named, "training.output_dir=models/other"))
        assert found is not None
        assert (found.note, found.changes) == ("", ())
        with pytest.raises(LaunchError, match=r"data\.max_length: 512 -> 99"):
            resumption(compiled(SFT, named, "training.output_dir=models/other", "data.max_length=99"))


def resumed(run: CompiledRun) -> CompiledRun:
    found = resumption(run)
    assert found is not None
    return found.run


class TestAPath:
    def test_it_is_taken(self, started: CompiledRun) -> None:
        found = resumption(compiled(SFT, "training.resume=models/recipe/checkpoint-20"))
        assert found is not None
        assert found.run.checkpoint == f"{started.output_dir}/checkpoint-20"

    def test_one_of_another_program_has_no_marker(self, started: CompiledRun) -> None:
        assert resumption(compiled(SFT, "training.resume=models/recipe/checkpoint-120")) is not None

    @pytest.mark.parametrize(
        ("name", "message"), [("checkpoint-9", "there is no folder"), ("run", "holds no checkpoint")]
    )
    def test_what_is_none_is_told(self, started: CompiledRun, name: str, message: str) -> None:
        with pytest.raises(LaunchError, match=message) as caught:
            resumption(compiled(SFT, f"training.resume=models/recipe/{name}"))
        assert caught.value.code == "T511"

    def test_a_damaged_one_is_told(self, started: CompiledRun) -> None:
        (Path(started.output_dir) / "checkpoint-20/model.safetensors").unlink()
        with pytest.raises(LaunchError, match="damaged"):
            resumption(compiled(SFT, "training.resume=models/recipe/checkpoint-20"))


class TestStrategies:
    """What one strategy saves, another reads only where both write the same files."""

    def begun(self, *overrides: str, gpus: int = 8) -> None:
        run = compiled(SFT, *overrides, options=Options(gpus=gpus))
        _, lock = write_run_folder(run, {"recipe.yaml": SFT}, overwrite=False)
        lock.release()
        checkpoint(run, 20)

    def goes_on(self, *overrides: str, gpus: int = 8) -> list[str]:
        resumed = resumption(compiled(SFT, *overrides, options=Options(gpus=gpus)))
        assert resumed is not None
        return [change.name for change in resumed.changes]

    def test_one_process_and_several_with_the_model_read_the_same(self) -> None:
        self.begun(gpus=1)
        assert {"strategy", "gpus", "processes"} <= set(self.goes_on(gpus=2))

    @pytest.mark.parametrize("now", ["ddp", "zero2", "fsdp2"])
    def test_another_strategy_is_refused_in_words(self, now: str) -> None:
        self.begun("launch.strategy=zero3")
        with pytest.raises(LaunchError) as caught:
            self.goes_on(f"launch.strategy={now}")
        assert caught.value.code == "T512"
        assert f"was saved under the strategy zero3, whose files {now} cannot read" in caught.value.message

    def test_deepspeed_needs_as_many_processes_as_wrote(self) -> None:
        self.begun("launch.strategy=zero2")
        with pytest.raises(LaunchError, match="was saved by 8 processes under zero2") as caught:
            self.goes_on("launch.strategy=zero2", gpus=4)
        assert str(caught.value.hint).startswith("start with --num-gpus 8;")

    def test_where_another_number_of_processes_makes_it_another_strategy_the_number_is_named(self) -> None:
        self.begun("launch.strategy=zero2", "launch.cpu_processes=2", gpus=0)
        with pytest.raises(LaunchError, match=r"saved by 2 processes, .* zero2; with 1 process it is single") as caught:
            self.goes_on("launch.strategy=zero2", gpus=0)
        assert str(caught.value.hint).startswith("write launch.cpu_processes: 2;")

    def test_on_several_machines_their_number_is_named_too(self) -> None:
        self.begun("launch.strategy=zero3", "launch.nodes=2", gpus=4)
        with pytest.raises(LaunchError) as caught:
            self.goes_on("launch.strategy=zero3", gpus=4)
        assert str(caught.value.hint).startswith("start with --num-gpus 4, and --num-nodes 2;")

    def test_fsdp2_writes_whole_tensors_for_any_number(self) -> None:
        self.begun("launch.strategy=fsdp2")
        assert {"gpus", "processes"} <= set(self.goes_on("launch.strategy=fsdp2", gpus=4))

    @pytest.mark.parametrize(
        "override", ["launch.restarts=9", "launch.hang_minutes=5", "launch.gpu_memory_gib=40", "launch.strategy=ddp"]
    )
    def test_how_a_run_is_watched_over_changes_nothing(self, override: str) -> None:
        self.begun()
        assert self.goes_on(override) == []


class TestACheckpointOfTheModelAlone:
    """``save_only_model`` leaves nothing to go on from, and going on with a new optimizer would be silent."""

    @pytest.mark.parametrize(
        "override", ["training.save_only_model=true", "training.resume=models/recipe/checkpoint-20"]
    )
    def test_is_refused_with_the_way_out(self, override: str) -> None:
        run = compiled(SFT, "training.save_only_model=true")
        write_run_folder(run, {"recipe.yaml": SFT}, overwrite=False)[1].release()
        checkpoint(run, 20, optimizer="")
        with pytest.raises(LaunchError, match="holds the model alone") as caught:
            resumption(compiled(SFT, override))
        assert caught.value.code == "T511"
        assert "model.base_model_name=models/recipe/checkpoint-20" in str(caught.value.hint)

    @pytest.mark.parametrize(
        "optimizer", ["optimizer.pt", "optimizer.bin", "optimizer_0/0.distcp", "global_step20/x.pt"]
    )
    def test_each_way_of_saving_an_optimizer_is_known(self, optimizer: str) -> None:
        run = compiled(SFT)
        write_run_folder(run, {"recipe.yaml": SFT}, overwrite=False)[1].release()
        checkpoint(run, 20, optimizer=optimizer)
        assert resumption(compiled(SFT)) is not None
