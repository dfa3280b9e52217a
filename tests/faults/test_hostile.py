"""One run that carries what an attacker, or carelessness, could put everywhere: keys, commands, forged lines."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from recipe_engine.runtime import builtin_model
from tests.faults.support import ROOT, command
from tests.runtime.rewards.server import serving as scoring
from tests.wandb_server import serving

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="names files as Linux allows")

EVIL = "-a b; touch pwned $(touch pwned) `touch pwned` 'c' \"d\" & | > pwned * ~ ${HOME} é\u202e"
"""A name that is a command to any shell that is asked to read it."""
FORGED = "\n::error file=forged.py::forged\n\x1b[2J\x1b]0;forged\x07\r##[error]forged %0A::error::forged"
SECRETS = {
    "WANDB_API_KEY": "c0ffee" * 6 + "beef",
    "HF_TOKEN": "hf_Qx7Lp2Vn9Rt4Kw8Zb3Mc6Hd1Js",
    "AWS_ACCESS_KEY_ID": "AKIAQX7LP2VN9RT4KW8Z",
    "AWS_SECRET_ACCESS_KEY": "Vn9Rt4Kw8Zb3Mc6Hd1Js5Qx7Lp2/aws",
    "SCORER_KEY": "scorer-Kw8Zb3Mc6Hd1",
    "HTTPS_PROXY": "http://somebody:Rt4Kw8Zb3Mc6@127.0.0.1:9",
}
IN_FILES = {"a comment": "hf_Zz7Lp2Vn9Rt4Kw8Zb3Mc6Hd1Js", "the remote of git": "ghp_Aa7Lp2Vn9Rt4Kw8Zb3Mc6Hd1Js"}
CANARIES = [*(value for name, value in SECRETS.items() if name != "HTTPS_PROXY"), "Rt4Kw8Zb3Mc6", *IN_FILES.values()]
ROWS = [
    {"prompt": f"What is {number} + 1?{FORGED}", "answer": str(number + 1), "source": FORGED} for number in range(16)
]


def score(body: Any) -> tuple[int, Any]:
    return 200, {"scores": [len(set(completion)) for completion in body["completions"]]}


class Ended:
    """A run, what it said, and where it wrote."""

    def __init__(self, folder: Path, code: int, said: bytes, sent: list[bytes]) -> None:
        self.folder, self.code, self.said, self.sent = folder, code, said, sent

    @property
    def lines(self) -> list[str]:
        return self.said.decode().split("\n")

    def files(self) -> Iterator[Path]:
        """Everything that was written, wandb's folders and its home too."""
        mine = {"recipe.yaml", ".git"}
        for path in self.folder.rglob("*"):
            if path.is_file() and not mine & {*path.relative_to(self.folder).parts}:
                yield path


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """GRPO on hostile rows, files and names, with a service, wandb and tensorboard; the environment full of keys."""
    folder = tmp_path_factory.mktemp("hostile") / EVIL.replace("/", "")
    (folder / "home").mkdir(parents=True)
    repository = ["git", "-C", str(folder)]
    subprocess.run([*repository, "init", "--quiet"], check=True)
    address = f"https://user:{IN_FILES['the remote of git']}@example.invalid/a.git"
    subprocess.run([*repository, "remote", "add", "origin", address], check=True)
    shutil.copytree(builtin_model.ensure("builtin/tiny-chat"), folder / "models" / f"m{EVIL}")
    (folder / f"{EVIL}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    (folder / f"{EVIL}.py").write_text("def brevity(completions, **columns): return [0.0 for one in completions]\n")
    with scoring(score) as scorer, serving() as server:
        file = write(folder, scorer.url, server.url)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
        environment |= {"OMP_NUM_THREADS": "1", "HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)}
        environment |= {**SECRETS, "NO_PROXY": "127.0.0.1", "WANDB_FINISH_TIMEOUT": "5"}
        overrides = [f"wandb.notes={json.dumps(EVIL + FORGED)}", "--allow-reward-code"]
        made = subprocess.run(
            command(file, *overrides),
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=240,
        )
    return Ended(folder, made.returncode, made.stdout, server.sent)


def write(folder: Path, scorer: str, server: str) -> Path:
    tree: dict[str, Any] = {
        "model": {"base_model_name": f"models/m{EVIL}"},
        "data": {"datasets": [{"name": f"{EVIL}.jsonl"}], "max_length": 160},
        "training": {
            "algorithm": "grpo",
            "run_name": EVIL,
            "output_dir": f"models/{EVIL}",
            "max_steps": 2,
            "save_strategy": "steps",
            "save_steps": 1,
            "logging_steps": 1,
            "per_device_train_batch_size": 4,
            "num_generations": 4,
            "max_completion_length": 8,
            "log_completions": True,
            "report_to": ["tensorboard"],
            "bf16": False,
            "gradient_checkpointing": False,
        },
        "rewards": [
            {"type": "http", "name": "[/bold]", "url": scorer, "api_key_env": "SCORER_KEY"},
            {"type": "function", "path": f"{EVIL}.py", "name": "brevity"},
        ],
        "wandb": {"enabled": True, "base_url": server, "project": "p", "tags": [EVIL[:60]], "group": EVIL},
    }
    file = folder / "recipe.yaml"
    text = yaml.safe_dump(tree, allow_unicode=True)
    file.write_text(f"# the key is {IN_FILES['a comment']}, I should not have written it\n{text}", encoding="utf-8")
    return file


def test_it_trains_to_its_end(ended: Ended) -> None:
    assert ended.code == 0, ended.said.decode(errors="replace")
    assert (ended.folder / "models" / EVIL / "model.safetensors").exists()


def test_no_name_is_taken_for_a_command(ended: Ended) -> None:
    assert not list(ended.folder.rglob("pwned"))


def test_no_key_is_in_anything_that_is_said_or_written_or_sent(ended: Ended) -> None:
    files = list(ended.files())
    names = {path.name for path in files}
    assert {"compiled.json", "attempts.jsonl", "environment.json", "metrics.jsonl", "training_args.bin"} <= names
    assert any(name.endswith(".wandb") for name in names)
    assert any("tfevents" in name for name in names)
    found = [
        (canary, str(path))
        for path in files
        for canary in CANARIES
        if canary.encode() in path.read_bytes() and path.name != ".netrc"
    ]
    assert found == []
    for canary in CANARIES:
        assert canary.encode() not in ended.said
        assert not any(canary.encode() in body for body in ended.sent)


def test_no_row_name_or_completion_steers_the_terminal_or_forges_a_line(ended: Ended) -> None:
    """GitHub trims a line before it looks for ``::``, and looks for ``##[`` anywhere in it."""
    assert "What is" in ended.said.decode()  # the completions were shown
    log = next((ended.folder / "logs").glob("*.log")).read_text(encoding="utf-8")
    for line in [*ended.lines, *log.split("\n")]:
        assert not line.strip().startswith("::"), line
        assert "##[" not in line, line
        assert all(char.isprintable() or char == "\r" for char in re.sub(r"\x1b\[[0-9;]*m", "", line)), repr(line)


def test_a_key_on_the_command_line_is_refused_and_not_repeated(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump({"model": {"base_model_name": "m"}, "training": {"algorithm": "sft"}}))
    token = SECRETS["HF_TOKEN"]
    address = "s3://user:Rt4Kw8Zb3Mc6@bucket/rows.jsonl"
    made = subprocess.run(
        command(file, f"training.hub_token={token}", f"data.datasets=[{{name: {address}}}]"),
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert made.returncode == 1
    assert made.stderr.count(b"error[R211]") == 2
    assert token.encode() not in made.stderr + made.stdout
    assert b"Rt4Kw8Zb3Mc6" not in made.stderr + made.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.yaml"]
