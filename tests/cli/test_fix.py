from __future__ import annotations

import stat
from pathlib import Path

import pytest

from .support import VALID, recipe

FIXABLE = VALID + '  learning_rte: "1e-5"\n'
FIXED = VALID + "  learning_rate: 1e-5\n"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, data: bytes | str) -> Path:
    file = Path(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data.encode() if isinstance(data, str) else data)
    return file


def test_fixes_are_applied_until_none_is_left_and_each_is_told() -> None:
    file = write("a.yaml", FIXABLE)
    result = recipe("fix", "a.yaml")
    assert file.read_text() == FIXED
    assert (result.exit_code, result.stdout) == (
        0,
        "a.yaml:8:3: mended R201: write learning_rate\n"
        "a.yaml:8:18: mended R203: write 1e-5\n"
        "2 findings mended in 1 file; now no findings; 1 file checked\n",
    )


def test_what_remains_is_shown_and_exits_with_1() -> None:
    write("a.yaml", FIXABLE + "  seed: many\n")
    result = recipe("fix", "a.yaml")
    assert result.exit_code == 1
    assert "a.yaml:9:9: error[R203]" in result.stdout
    assert result.stdout.endswith("2 findings mended in 1 file; now 1 error in 1 file; 1 file checked\n")


def test_a_dry_run_shows_a_diff_and_changes_nothing() -> None:
    file = write("a.yaml", FIXABLE)
    result = recipe("fix", "a.yaml", "--dry-run")
    assert file.read_text() == FIXABLE
    assert result.exit_code == 1
    assert result.stdout.splitlines()[:2] == ["--- a/a.yaml", "+++ b/a.yaml"]
    assert '-  learning_rte: "1e-5"\n+  learning_rate: "1e-5"\n' in result.stdout
    assert result.stderr == "1 finding would be mended in 1 file\n"


def test_with_nothing_to_mend_a_file_is_not_touched() -> None:
    file = write("a.yaml", VALID)
    before = file.stat()
    assert recipe("fix", "a.yaml").stdout == "0 findings mended in 0 files; now no findings; 1 file checked\n"
    assert recipe("fix", "a.yaml", "--dry-run").exit_code == 0
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["without", "with"])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_line_breaks_and_byte_order_mark_stay(newline: bytes, mark: bytes) -> None:
    file = write("a.yaml", mark + FIXABLE.encode().replace(b"\n", newline))
    assert recipe("fix", "a.yaml").exit_code == 0
    assert file.read_bytes() == mark + FIXED.encode().replace(b"\n", newline)


def test_the_files_mode_and_the_link_to_it_stay() -> None:
    file = write("real/a.yaml", FIXABLE)
    file.chmod(0o640)
    Path("link.yaml").symlink_to("real/a.yaml")
    assert recipe("fix", "link.yaml").exit_code == 0
    assert Path("link.yaml").is_symlink()
    assert file.read_text() == FIXED
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert [other.name for other in Path("real").iterdir()] == ["a.yaml"], "nothing is left beside it"


def test_a_parent_is_changed_only_if_it_is_named() -> None:
    parent = write("_base.yaml", FIXABLE)
    write("a.yaml", "extends: _base.yaml\n")
    assert recipe("fix", "a.yaml").exit_code == 1
    assert parent.read_text() == FIXABLE
    assert recipe("fix", ".").exit_code == 1
    assert parent.read_text() == FIXABLE
    assert recipe("fix", "a.yaml", "_base.yaml").exit_code == 0
    assert parent.read_text() == FIXED


def test_what_is_wrong_in_a_parents_text_is_not_mended_in_the_child() -> None:
    write("_base.yaml", VALID + "  seed: 010\n")
    child = write("a.yaml", "extends: _base.yaml\ntraining:\n  learning_rate: 1e-5\n" + "  # more lines\n" * 9)
    before = child.read_text()
    assert "0 findings mended" in recipe("fix", "a.yaml").stdout
    assert child.read_text() == before


def test_a_file_that_cannot_be_replaced_is_left_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    file = write("a.yaml", FIXABLE)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    result = recipe("fix", "a.yaml")
    assert (result.exit_code, result.stderr) == (
        1,
        "recipe fix: a.yaml cannot be replaced: No space left on device\n",
    )
    assert file.read_text() == FIXABLE
    assert [other.name for other in Path().iterdir()] == ["a.yaml"]


def test_a_diff_shows_neither_secrets_nor_control_characters() -> None:
    write("a.yaml", FIXABLE + "  # hf_abcdefghijklmnopqrstuvwxyz\n  # \u202eabc\n")
    result = recipe("fix", "a.yaml", "--dry-run")
    assert "abcdefghijklmnop" not in result.stdout
    assert "\u202e" not in result.stdout


def test_other_programs_files_are_not_changed() -> None:
    write("r/a.yaml", VALID)
    other = write("r/compose.yaml", "services: {web: 1}\nport: 010\n")
    assert recipe("fix", "r").exit_code == 0
    assert other.read_text().endswith("010\n")
