"""``s3://`` through fsspec. The bucket is a folder: fsspec's local file system under the same addresses.

What is S3's own (credentials, regions, its errors over HTTP) is not tried here, only how it is passed on.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem
from transformers import TrainerControl, TrainerState, TrainingArguments

from recipe_engine.compiled import CompiledRun
from recipe_engine.data import remote
from recipe_engine.data.errors import DataError
from recipe_engine.data.sources import raw_rows
from recipe_engine.recipe.data import DatasetEntry
from recipe_engine.runtime.callbacks.upload import CheckpointUpload, upload_model
from recipe_engine.runtime.model import model_path
from recipe_engine.runtime.sealing import Sealing
from tests.runtime.support import compiled, write_rows


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that stands for ``s3://bucket``."""
    folder = tmp_path / "s3" / "bucket"
    folder.mkdir(parents=True)

    class Folder(LocalFileSystem):  # type: ignore[misc]
        protocol = "s3"

        def __init__(self, **options: Any) -> None:
            super().__init__(auto_mkdir=True)

        @classmethod
        def _strip_protocol(cls, path: str) -> str:
            path = str(path)
            path = str(tmp_path / "s3" / path[5:]) if path.startswith("s3://") else path
            return str(super()._strip_protocol(path))

    monkeypatch.setattr(fsspec, "filesystem", lambda protocol, **options: Folder(**options))
    return folder


def test_a_file_is_copied(bucket: Path, tmp_path: Path) -> None:
    (bucket / "a.txt").write_text("text", encoding="utf-8")
    copy = remote.fetch("s3://bucket/a.txt", tmp_path / "cache")
    assert (copy.name, copy.read_text(encoding="utf-8")) == ("a.txt", "text")
    assert copy == remote.fetched_path("s3://bucket/a.txt", tmp_path / "cache")


@pytest.mark.parametrize("address", ["s3://bucket/model", "s3://bucket/model/"])
def test_a_folder_is_copied_anew_each_time(bucket: Path, tmp_path: Path, address: str) -> None:
    (bucket / "model" / "deep").mkdir(parents=True)
    (bucket / "model" / "old.txt").touch()
    (bucket / "model" / "deep" / "config.json").write_text("{}", encoding="utf-8")
    remote.fetch(address, tmp_path / "cache")
    (bucket / "model" / "old.txt").unlink()
    copy = remote.fetch(address, tmp_path / "cache")
    assert sorted(str(path.relative_to(copy)) for path in copy.rglob("*")) == ["deep", "deep/config.json"]


def test_two_addresses_that_end_alike_have_two_copies(tmp_path: Path) -> None:
    assert remote.fetched_path("s3://a/rows", tmp_path) != remote.fetched_path("s3://b/rows", tmp_path)


def test_what_is_not_there_is_told(bucket: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no s3://bucket/none"):
        remote.fetch("s3://bucket/none", tmp_path / "cache")


def test_rows_and_a_model_are_read_from_a_bucket(bucket: Path, tmp_path: Path) -> None:
    write_rows(bucket / "rows.jsonl", [{"text": "a"}])
    assert list(raw_rows(DatasetEntry(name="s3://bucket/rows.jsonl"), tmp_path / "cache")) == [{"text": "a"}]
    (bucket / "model").mkdir()
    (bucket / "model" / "config.json").write_text("{}", encoding="utf-8")
    run = compiled(tmp_path, "sft", {"name": "d"}, model="s3://bucket/model")
    assert (Path(model_path(run)) / "config.json").is_file()


def test_without_the_package_the_extra_is_named(tmp_path: Path) -> None:
    if "s3fs" in sys.modules or any(Path(folder, "s3fs").is_dir() for folder in sys.path):
        pytest.skip("s3fs is installed")
    with pytest.raises(DataError, match=r"s3:// needs a package") as caught:
        remote.fetch("s3://bucket/rows.jsonl", tmp_path)
    assert caught.value.hint == "install the package's `s3` extra"


def test_region_and_address_of_the_service_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, Any]] = []
    monkeypatch.setattr(fsspec, "filesystem", lambda protocol, **options: given.append(options))
    remote.filesystem("s3://b/k", "eu-west-1", "http://localhost:9000")
    remote.filesystem("s3://b/k", None, None)
    client = {"region_name": "eu-west-1", "endpoint_url": "http://localhost:9000"}
    assert given == [{"client_kwargs": client}, {}]


class TestUploads:
    def run(self, folder: Path, **settings: Any) -> CompiledRun:
        return compiled(folder, "sft", {"name": "d"}, s3={"enabled": True, "bucket": "bucket", **settings})

    def saved_checkpoint(self, run: CompiledRun) -> Path:
        folder = Path(run.output_dir, "checkpoint-2")
        (folder / "deep").mkdir(parents=True)
        (folder / "model.safetensors").write_text("weights", encoding="utf-8")
        (folder / "deep" / "state.json").write_text("{}", encoding="utf-8")
        return folder

    def on_save(self, run: CompiledRun, said: list[str], *, first: bool = True) -> None:
        arguments = TrainingArguments(output_dir=run.output_dir, use_cpu=True)
        state = TrainerState(global_step=2, is_world_process_zero=first)
        CheckpointUpload(run, Sealing(), said.append).on_save(arguments, state, TrainerControl())

    def test_a_checkpoint_is_copied_with_its_folders(self, bucket: Path, tmp_path: Path) -> None:
        run, said = self.run(tmp_path, prefix="/runs/one/"), list[str]()
        local = self.saved_checkpoint(run)
        self.on_save(run, said)
        copy = bucket / "runs" / "one" / "checkpoint-2"
        assert (copy / "model.safetensors").read_text(encoding="utf-8") == "weights"
        assert (copy / "deep" / "state.json").is_file()
        assert local.is_dir()
        assert said == []

    def test_the_local_copy_goes_when_asked(self, bucket: Path, tmp_path: Path) -> None:
        run = self.run(tmp_path, delete_local_after_upload=True)
        local = self.saved_checkpoint(run)
        self.on_save(run, [])
        assert (bucket / "checkpoint-2" / "model.safetensors").is_file()
        assert not local.exists()

    def test_a_failed_upload_is_said_and_keeps_the_local_copy(self, tmp_path: Path, monkeypatch: Any) -> None:
        class NoCredentialsError(Exception):
            """As botocore raises, which is no OSError."""

        botocore = SimpleNamespace(BotoCoreError=NoCredentialsError, ClientError=NoCredentialsError)
        monkeypatch.setitem(sys.modules, "botocore", SimpleNamespace(exceptions=botocore))
        monkeypatch.setitem(sys.modules, "botocore.exceptions", botocore)

        def refuse(*_: object, **__: object) -> None:
            raise NoCredentialsError("Unable to locate credentials")

        monkeypatch.setattr(fsspec, "filesystem", lambda *_, **__: SimpleNamespace(put=refuse))
        run, said = self.run(tmp_path, delete_local_after_upload=True), list[str]()
        local = self.saved_checkpoint(run)
        self.on_save(run, said)
        assert local.is_dir()
        assert said == [
            "s3: checkpoint-2 was not uploaded: s3://bucket/checkpoint-2 cannot be written: "
            "Unable to locate credentials; the local copy is kept"
        ]

    @pytest.mark.parametrize("settings", [{"upload_checkpoints": False}, {"enabled": False}])
    def test_nothing_is_copied_unless_asked(self, bucket: Path, tmp_path: Path, settings: dict[str, bool]) -> None:
        run = self.run(tmp_path, **settings)
        self.saved_checkpoint(run)
        self.on_save(run, [])
        assert list(bucket.iterdir()) == []

    def test_only_the_first_process_copies(self, bucket: Path, tmp_path: Path) -> None:
        run = self.run(tmp_path)
        self.saved_checkpoint(run)
        self.on_save(run, [], first=False)
        assert list(bucket.iterdir()) == []

    def test_the_model_is_copied_without_checkpoints_and_records(self, bucket: Path, tmp_path: Path) -> None:
        run = self.run(tmp_path)
        self.saved_checkpoint(run)
        Path(run.output_dir, "model.safetensors").touch()
        upload_model(run, pytest.fail)
        assert [path.name for path in (bucket / "final").iterdir()] == ["model.safetensors"]
        assert [path.name for path in bucket.iterdir()] == ["final"]
