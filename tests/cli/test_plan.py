from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from recipe_engine.cli.plan_text import plan_as_text
from recipe_engine.diagnostics.visible import columns
from tests.compile.support import GRPO, SFT

from .support import process, recipe


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str, name: str = "a.yaml") -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text, encoding="utf-8")


def planned(text: str, *arguments: str) -> str:
    write(text)
    result = recipe("plan", "a.yaml", *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def section(out: str, title: str) -> list[str]:
    block = next(part for part in out.split("\n\n") if part.splitlines()[0].startswith(title))
    return block.splitlines()[1:]


def rows(name: str, number: int, row: str = '{"prompt": "q", "completion": "a"}') -> None:
    Path(name).write_text(f"{row}\n" * number, encoding="utf-8")


def test_the_plan_says_what_runs_on_what() -> None:
    out = planned(SFT, "--num-gpus", "0")
    assert out.startswith("a: sft on the CPU, 1 process\n")
    assert planned(SFT, "--num-gpus", "1").startswith("a: sft on 1 GPU, 1 process\n")
    assert planned(SFT, "--num-gpus", "8").startswith("a: sft on 8 GPUs, 8 processes\n")


def test_the_gpus_of_several_machines_count() -> None:
    out = planned(SFT, "--num-gpus", "8", "--num-nodes", "2")
    assert out.startswith("a: sft on 8 GPUs, 16 processes on 2 machines\n")
    assert planned(SFT + "launch:\n  nodes: 2\n", "--num-gpus", "8") == out
    assert json.loads(planned(SFT, "--num-nodes", "3", "--json"))["nodes"] == 3


def test_the_command_is_one_process_or_the_launcher_of_several() -> None:
    (command,) = section(planned(SFT), "command")
    assert command.split()[-3:] == ["-m", "recipe_engine.runtime", "models/a/run/compiled.json"]
    (command,) = section(planned(SFT, "--num-gpus", "2"), "command")
    assert command.split()[-3:] == ["-m", "recipe_engine.launch.ranks", "models/a/run/compiled.json"]


def test_nothing_is_written() -> None:
    planned(SFT)
    assert [path.name for path in Path.cwd().iterdir()] == ["a.yaml"]


def test_steps_and_batch_are_told() -> None:
    rows("rows.jsonl", 10)
    text = SFT.replace("builtin/conversations", "rows.jsonl") + "  num_train_epochs: 2\n  warmup_steps: 0.1\n"
    lines = section(planned(text), "batch")
    assert lines[0] == "  8 per device x 1 accumulated x 1 process = 8 rows an optimizer step"
    assert lines[1].startswith("  at most 4 optimizer steps, 1 of them warmup, from 10 rows; those over a length limit")
    exact = planned(text, "data.overlong_rows=error")
    assert section(exact, "batch")[1] == "  4 optimizer steps, 1 of them warmup, from 10 rows"


def test_a_round_of_sampling_is_told() -> None:
    text = GRPO + "  gradient_accumulation_steps: 4\n  num_iterations: 2\n"
    lines = section(planned(text), "batch")
    assert lines[0].endswith("= 32 completions an optimizer step")
    assert lines[1] == "  a round samples 8 completions of each of 4 prompts = 32, used 2 times in 4 micro-batches"
    assert lines[2] == "  prompts an optimizer step: 2; optimizer steps a round: 2"
    assert section(planned(text), "rewards") == ["  exact_match (exact_match), weight 1"]


def test_unknown_rows_are_said_to_be_unknown() -> None:
    out = planned(SFT.replace("builtin/conversations", "openai/gsm8k"))
    assert section(out, "data") == ["  openai/gsm8k [train]: rows unknown until it is fetched"]
    assert section(out, "batch")[-1] == "  optimizer steps: unknown until the rows are"


def test_a_dataset_that_is_not_there_yet_is_planned_and_said_and_not_trained() -> None:
    held_out = "data:\n  eval_datasets: [{name: ./held-out}]\n"
    text = SFT.replace("builtin/conversations", "data/mine.jsonl").replace("data:\n", held_out)
    text += "  eval_strategy: epoch\n"
    out = planned(text)
    assert section(out, "data") == [
        "  data/mine.jsonl [train]: not there yet, so its rows are unknown; training needs it"
    ]
    assert section(out, "evaluation") == [
        "  held-out [train]: not there yet, so its rows are unknown; training needs it"
    ]
    assert section(out, "batch")[-1] == "  optimizer steps: unknown until the rows are"
    (dataset,) = json.loads(planned(text, "--json"))["datasets"]
    assert (dataset["rows"], dataset["missing"]) == (None, True)
    refused = recipe("train", "--config", "a.yaml", "--num-gpus", "0")
    assert (refused.exit_code, "error[D401]" in refused.stderr) == (1, True)
    Path("data").mkdir()
    Path("data/mine.jsonl").write_text("[", encoding="utf-8")
    broken = recipe("plan", "a.yaml")
    assert (broken.exit_code, "error[D4" in broken.stderr) == (1, True)


def test_rows_that_packing_splits_leave_the_steps_to_the_training() -> None:
    text = SFT.replace("builtin/conversations", "builtin/text").replace("sft", "cpt")
    assert re.fullmatch(
        r"  optimizer steps: \d+ rows are packed, and only training counts into how many sequences",
        section(planned(text), "batch")[-1],
    )
    assert section(planned(text, "training.max_steps=9"), "batch")[-1].startswith("  9 optimizer steps, from ")


def test_invalid_rows_are_counted_with_what_becomes_of_them() -> None:
    rows("rows.jsonl", 3)
    with Path("rows.jsonl").open("a") as stream:
        stream.write('{"prompt": "", "completion": "a"}\n')
    text = SFT.replace("builtin/conversations", "rows.jsonl")
    (line,) = section(planned(text), "data")
    assert line == "  rows.jsonl [train]: 3 of 4 rows, 1 row invalid (stops the run), prompt_completion"
    (line,) = section(planned(text, "data.invalid_rows=drop"), "data")
    assert "1 row invalid (dropped)" in line


def test_held_out_and_evaluation_rows_are_told() -> None:
    rows("rows.jsonl", 20)
    text = SFT.replace("builtin/conversations", "rows.jsonl") + "  eval_strategy: epoch\n"
    assert section(planned(text, "data.eval_holdout=0.1"), "evaluation") == ["  10% of the rows are held out"]
    assert section(planned(text, "data.eval_holdout=3"), "evaluation") == ["  3 rows are held out"]
    out = planned(text, "data.eval_datasets=[{name: builtin/conversations, split: test}]")
    assert section(out, "evaluation")[0].startswith("  builtin/conversations [test]: ")


class TestLayout:
    def test_paths_in_the_current_folder_are_shown_as_seen_from_there(self, tmp_path: Path) -> None:
        rows("rows.jsonl", 1)
        out = planned(SFT.replace("builtin/conversations", "./rows.jsonl"))
        assert "rows.jsonl [train]" in out
        assert str(tmp_path) not in out
        assert section(out, "writes")[0] == "  model    models/a"

    def test_origins_stand_below_each_other_also_beside_long_values(self) -> None:
        long = "models/" + "x" * 60
        lines = section(
            planned(SFT + f"  output_dir: {long}\n  run_name: a\n  lr_scheduler_kwargs: {{num_cycles: 3}}\n"),
            "SFTConfig",
        )
        start = next(line.index("a.yaml:") for line in lines if line.lstrip().startswith("lr_scheduler_kwargs"))
        below = lines[next(i for i, line in enumerate(lines) if long in line) + 1]
        assert below[:start].strip() == ""
        assert below[start:].startswith("a.yaml:8")
        for line in lines[:-1]:
            if long not in line:
                assert line[start - 2 : start] == "  ", line
                assert line[start] != " ", line

    def test_wide_characters_count_as_two_columns(self) -> None:
        lines = section(planned(SFT + "  run_name: 実験\n  output_dir: out\n"), "SFTConfig")
        ends = {
            columns(line[: line.index(origin)]) for line in lines for origin in ("a.yaml:", "engine:") if origin in line
        }
        assert len(ends) == 1

    def test_control_characters_of_a_recipe_cannot_steer_the_terminal(self) -> None:
        out = planned(SFT + '  run_name: "a\\e[31mb\\nc"\n  output_dir: out\n')
        assert "\x1b" not in out
        assert "a\\x1b[31mb\\nc: sft" in out

    def test_what_hangs_on_a_toggle_that_is_off_is_left_out(self) -> None:
        assert not any("lora" in line or "bnb" in line for line in section(planned(SFT), "model"))
        text = SFT.replace("data:", "  use_lora: true\ndata:")
        assert any("lora_alpha" in line for line in section(planned(text), "model"))

    def test_the_learning_rate_is_shown_also_where_it_is_trls_own(self) -> None:
        assert any(
            re.match(r"  learning_rate +2e-05 +default of TRL$", line) for line in section(planned(SFT), "SFTConfig")
        )

    def test_a_parents_place_is_shown(self) -> None:
        write(SFT + "  learning_rate: 1e-5\n", "parents/base.yaml")
        out = planned("extends: parents/base.yaml\n")
        assert any(line.endswith("parent parents/base.yaml:8") for line in section(out, "SFTConfig"))


def test_json_is_complete_and_stable() -> None:
    write(GRPO)
    first, second = (process("plan", "a.yaml", "--json").stdout for _ in range(2))
    assert first == second
    plan = json.loads(first)
    assert plan["command"][0] == sys.executable
    assert plan["writes"]["model"] == str(Path.cwd() / "models/a")
    assert plan_as_text(plan)


def test_overrides_are_planned_and_come_from_the_command_line() -> None:
    out = planned(SFT, "training.learning_rate=1e-6")
    assert any(re.match(r"  learning_rate +1e-06 +command line$", line) for line in section(out, "SFTConfig"))


@pytest.mark.parametrize("verb", [["plan"], ["train", "--dry-run", "--num-gpus", "0", "--config"]])
def test_a_dry_run_is_the_plan_also_where_a_run_would_be_refused(verb: list[str]) -> None:
    Path("models/a").mkdir(parents=True)
    Path("models/a/mine.txt").touch()
    write(SFT)
    result = recipe(*verb, "a.yaml")
    assert (result.exit_code, result.stdout) == (0, planned(SFT))


@pytest.mark.parametrize("verb", [["plan"], ["train", "--dry-run", "--num-gpus", "0", "--config"]])
def test_too_few_rows_are_an_error(verb: list[str]) -> None:
    rows("few.jsonl", 1, '{"prompt": "q", "answer": "a"}')
    write(GRPO.replace("builtin/questions", "few.jsonl") + "  gradient_accumulation_steps: 2\n")
    result = recipe(*verb, "a.yaml")
    assert result.exit_code == 1
    assert "error[D410]: 1 row to train on, and one round of sampling takes 2 prompts" in result.stderr
    assert "  = help: add rows, or lower gradient_accumulation_steps" in result.stderr


def test_a_broken_recipe_is_not_planned() -> None:
    write(SFT + "  learning_rte: 1\n")
    result = recipe("plan", "a.yaml")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "error[R201]" in result.stderr


def test_the_strategy_is_given_with_its_reason_and_what_each_gpu_holds() -> None:
    out = planned(SFT, "--num-gpus", "8", "model.base_model_name=org/m-14B")
    (strategy,) = section(out, "strategy")
    assert strategy.strip().startswith("fsdp2: fsdp2 fits: about ")
    memory = section(out, "memory of each GPU")
    assert [line.split()[0] for line in memory[:3]] == ["weights", "gradients", "optimizer"]
    assert any(line.split()[0] == "together" and "of 80 (launch.gpu_memory_gib)" in line for line in memory)
    assert "assumed: the model has 14.0B weights by its name" in memory[-2]
    assert section(out, "disk")[0].strip().startswith("model 52.2 GiB; ")


def test_host_memory_has_a_column_where_something_lies_there() -> None:
    out = planned(SFT, "--num-gpus", "8", "model.base_model_name=org/m-14B", "launch.offload_optimizer=true")
    (optimizer,) = [line for line in section(out, "memory of each GPU") if "optimizer" in line]
    assert optimizer.split()[-4:] == ["19.6", "in", "host", "memory"]


def test_what_does_not_fit_is_a_warning_that_says_what_to_lower() -> None:
    write(SFT)
    result = recipe("plan", "a.yaml", "--num-gpus", "8", "model.base_model_name=org/m-32B", "launch.strategy=ddp")
    assert result.exit_code == 0
    assert "L427" in result.stderr
    text = " ".join(result.stderr.split())
    order = ["per_device_train_batch_size: 1 with", "model.use_lora: true: ", "launch.strategy: fsdp2: "]
    assert [text.find(part) >= 0 for part in order[1:]] == [True, True], text
    assert text.find(order[1]) < text.find(order[2])


def test_a_plan_of_the_cpu_has_no_table_of_memory() -> None:
    out = planned(SFT)
    assert section(out, "strategy") == ["  single: one process"]
    assert "memory of each GPU" not in out
