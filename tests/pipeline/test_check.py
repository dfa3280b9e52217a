"""What checking a pipeline finds, and where: in its own file, in a recipe's, on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipe_engine.diagnostics import Diagnostic
from recipe_engine.pipeline.check import CheckedPipeline, check_pipeline
from recipe_engine.pipeline.data import check_pipeline_data
from tests.cli.support import recipe

TRAIN = """\
stages:
  - {{id: sample, kind: generate, model: builtin/tiny-chat, rows: builtin/questions}}
  - id: sft
    kind: train
    recipe: {recipe}
    model: builtin/tiny-chat
    rows: $sample
"""
RECIPE = """\
model: {base_model_name: some/model}
data: {datasets: [{name: some/rows}]}
training:
  algorithm: sft
  output_dir: models/alone
"""


@pytest.fixture(autouse=True)
def _in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def check(text: str, *overrides: str, gpus: int | None = None) -> CheckedPipeline:
    Path("pipeline.yaml").write_text(text, encoding="utf-8")
    return check_pipeline("pipeline.yaml", overrides, gpus)


def only(checked: CheckedPipeline) -> Diagnostic:
    (found,) = checked.diagnostics
    return found


def pointed_at(checked: CheckedPipeline, found: Diagnostic) -> str:
    line = checked.texts[found.span.file].split("\n")[found.span.line - 1]
    return line[found.span.column - 1 : found.span.end_column - 1]


def test_a_finding_in_a_recipes_file_points_into_that_file() -> None:
    Path("sft.yaml").write_text(RECIPE + "  learning_rte: 1e-5\n", encoding="utf-8")
    checked = check(TRAIN.format(recipe="sft.yaml"))
    found = only(checked)
    assert (found.code, found.span.file, pointed_at(checked, found)) == ("R201", "sft.yaml", "learning_rte")


def test_a_finding_in_a_recipe_of_the_stage_points_into_the_pipeline_and_can_be_mended() -> None:
    checked = check(TRAIN.format(recipe="{training: {algorithm: sft, learning_rte: 1e-5}}"))
    found = only(checked)
    assert (found.code, found.span.file, pointed_at(checked, found)) == ("R201", "pipeline.yaml", "learning_rte")
    mended = recipe("fix", "pipeline.yaml")
    assert mended.exit_code == 0, mended.output
    assert "learning_rate: 1e-5" in Path("pipeline.yaml").read_text(encoding="utf-8")


def test_a_rule_sees_what_the_stage_lays_over_the_recipe() -> None:
    Path("sft.yaml").write_text(RECIPE, encoding="utf-8")
    checked = check(TRAIN.format(recipe="sft.yaml") + "    overrides: {training.learning_rate: 0.5}\n")
    found = only(checked)
    assert (found.code, found.severity, pointed_at(checked, found)) == ("L321", "warning", "0.5")
    assert checked.graph is not None


def test_an_override_of_a_recipe_that_takes_no_such_value_is_found_at_the_override() -> None:
    Path("sft.yaml").write_text(RECIPE, encoding="utf-8")
    checked = check(TRAIN.format(recipe="sft.yaml") + "    overrides: {training.max_steps: many}\n")
    assert (only(checked).code, pointed_at(checked, only(checked))) == ("R203", "many")


def test_an_override_on_the_command_line_is_checked_like_the_file() -> None:
    checked = check(TRAIN.format(recipe="{training: {algorithm: sft}}"), "stages[0].sampling.n=many")
    assert (only(checked).code, only(checked).span.file) == ("R203", "<command line>")
    deeper = check(TRAIN.format(recipe="{training: {algorithm: sft}}"), "stages[1].recipe.training.max_steps=many")
    assert (only(deeper).code, only(deeper).span.file) == ("R203", "<command line>")


def test_a_stage_is_named_by_its_id_in_an_override() -> None:
    text = TRAIN.format(recipe="{training: {algorithm: sft}}")
    checked = check(text, "stages[sample].sampling.n=2")
    assert checked.diagnostics == ()
    assert checked.graph is not None
    assert checked.graph.nodes[0].tree["sampling"] == {"n": 2}
    unknown = only(check(text, "stages[sampel].sampling.n=2"))
    assert (unknown.code, unknown.hint) == ("S141", "did you mean `stages[sample]`?")


def test_several_machines_are_refused_where_they_are_asked_for() -> None:
    Path("sft.yaml").write_text(RECIPE + "launch: {nodes: 2}\n", encoding="utf-8")
    checked = check(TRAIN.format(recipe="sft.yaml"), gpus=8)
    found = only(checked)
    assert (found.code, found.span.file, pointed_at(checked, found)) == ("P127", "sft.yaml", "2")
    assert [(one.span.file, one.span.line) for one in found.related] == [("pipeline.yaml", 5)]
    assert "sft would train on 2 machines" in found.message
    assert found.hint is not None
    assert "recipe submit" in found.hint
    one_machine = TRAIN.format(recipe="sft.yaml") + "    overrides: {launch.nodes: 1}\n"
    assert check(one_machine, gpus=8).diagnostics == ()
    more = check(one_machine.replace("nodes: 1", "nodes: 3"), gpus=8)
    assert (only(more).code, only(more).span.file, pointed_at(more, only(more))) == ("P127", "pipeline.yaml", "3")


def test_every_mistake_is_found_at_once() -> None:
    text = """\
seeed: 1
stages:
  - {id: a, kind: generate, model: builtin/tiny-chat, rows: builtin/questions, sampling: {m: 2}, engine: {batch: 1}}
  - {id: b, kind: score, rows: $a, rewards: [{type: exact_matsch}, {type: length, weight: much}]}
  - {id: c, kind: prepare, rows: builtin/text, steps: [{do: dedupe}, {do: sample, first: none}]}
  - {id: d, kind: prepair, rows: builtin/text}
"""
    checked = check(text)
    words = [(found.code, pointed_at(checked, found)) for found in checked.diagnostics]
    assert words == [
        ("R201", "seeed"),
        ("R201", "m"),
        ("R201", "batch"),
        ("R204", "exact_matsch"),
        ("R203", "much"),
        ("R204", "dedupe"),
        ("R203", "none"),
        ("R204", "prepair"),
    ]
    assert [found.hint for found in checked.diagnostics][3] == "did you mean `exact_match`?"


def test_a_secret_is_masked_wherever_it_stands() -> None:
    token = "hf_" + "a" * 34
    checked = check(f"stages: [{{id: a, kind: prepare, rows: {token}}}]\n")
    assert {found.code for found in checked.diagnostics} == {"R211"}
    assert token not in str(checked.diagnostics)


def test_a_name_of_a_loop_is_not_seen_outside_but_what_it_carries_is() -> None:
    text = """\
stages:
  - id: again
    kind: loop
    iterations: 2
    carry: {policy: {start: builtin/tiny-chat, from_stage: sft}}
    stages:
      - {id: sample, kind: generate, model: $policy, rows: builtin/questions}
      - {id: sft, kind: train, recipe: {training: {algorithm: sft}}, model: $policy, rows: $sample}
  - {id: last, kind: generate, model: $policy, rows: NAME}
"""
    assert check(text.replace("NAME", "builtin/questions")).diagnostics == ()
    found = only(check(text.replace("NAME", "$sample")))
    assert found.code == "P101"
    assert found.hint is not None
    assert "outside there is only what the loop carries" in found.hint


def test_a_comment_allows_a_warning_and_one_that_allows_nothing_is_found() -> None:
    recipe_text = "{training: {algorithm: sft, learning_rate: 0.5}}  # lint: allow L321"
    assert check(TRAIN.format(recipe=recipe_text)).diagnostics == ()
    unused = check(TRAIN.format(recipe="{training: {algorithm: sft}}  # lint: allow L321"))
    assert only(unused).code == "R212"


def test_lint_finds_pipelines_in_folders_beside_recipes_and_leaves_other_programs_stages_alone() -> None:
    Path("recipes").mkdir()
    Path("recipes/pipeline.yaml").write_text("stages: [{id: a, kind: prepare, rows: $b}]\n", encoding="utf-8")
    Path("recipes/ci.yaml").write_text("stages: [build, test]\n", encoding="utf-8")
    found = recipe("lint", "recipes")
    assert found.exit_code == 1
    assert "P101" in found.output
    assert "1 file skipped as no recipes (recipes/ci.yaml)" in found.output


def test_a_pipeline_is_not_trained_and_a_recipe_not_run() -> None:
    Path("sft.yaml").write_text(RECIPE, encoding="utf-8")
    check(TRAIN.format(recipe="sft.yaml"))
    assert "P206" in recipe("train", "--config", "pipeline.yaml", "--num-gpus", "0").output
    assert "P206" in recipe("run", "sft.yaml", "--num-gpus", "0").output


def test_inputs_and_permissions_are_looked_at_before_the_first_stage_runs() -> None:
    check("stages: [{id: a, kind: prepare, rows: ./missing.jsonl}]\n")
    missing = recipe("run", "pipeline.yaml", "--num-gpus", "0")
    assert (missing.exit_code, "there is no missing.jsonl" in missing.output) == (1, True)
    planned = recipe("plan", "pipeline.yaml")
    assert (planned.exit_code, "rows unknown yet, missing.jsonl is not there yet" in planned.output) == (0, True)
    check(TRAIN.format(recipe="{training: {algorithm: sft}}").replace("rows: $sample", "rows: data/mine.jsonl"))
    planned = recipe("plan", "pipeline.yaml")
    assert (planned.exit_code, "steps unknown yet, data/mine.jsonl is not there yet" in planned.output) == (0, True)
    text = "models: {mine: models/nope}\nstages:\n  - {id: a, kind: prepare, rows: ./missing.jsonl}\n"
    text += "  - {id: b, kind: generate, model: $mine, rows: $a}\n  - {id: c, kind: generate, model: ./no, rows: $a}\n"
    checked = check(text)
    assert checked.diagnostics == ()
    planned = recipe("plan", "pipeline.yaml")
    assert (planned.exit_code, "no is not there yet" in planned.output) == (0, True)
    assert "models/nope is not there yet" in planned.output
    found = check_pipeline_data(checked)
    assert [(one.code, pointed_at(checked, one)) for one in found] == [
        ("D401", "./missing.jsonl"),
        ("T505", "models/nope"),
        ("T505", "./no"),
    ]
    assert recipe("lint", "--data", "pipeline.yaml").exit_code == 1
    refused = recipe("run", "pipeline.yaml", "--num-gpus", "0", "stages[0].rows=builtin/questions")
    assert (refused.exit_code, "b: $mine: models/nope does not exist" in refused.output) == (1, True)
    rewards = "rewards: [{type: function, path: mine.py, name: score}]"
    Path("mine.py").write_text("def score(prompts, completions): return [0.0]\n", encoding="utf-8")
    check(
        "stages: [{id: a, kind: generate, model: builtin/tiny-chat, rows: builtin/questions},"
        f" {{id: b, kind: score, rows: $a, {rewards}}}]\n"
    )
    refused = recipe("run", "pipeline.yaml", "--num-gpus", "0")
    assert (refused.exit_code, "error[T507]: b would run Python code of yours: mine.py" in refused.output) == (1, True)
    assert not Path("models").exists()


def test_a_forgotten_dollar_is_found_and_mended_but_not_where_a_service_names_its_model() -> None:
    text = """\
models: {base: builtin/tiny-chat}
stages:
  - {id: q, kind: prepare, rows: builtin/questions}
  - {id: gsm8k, kind: prepare, rows: gsm8k}
  - {id: g, kind: generate, model: base, rows: q}
  - {id: h, kind: generate, model: base, rows: $q, engine: {type: http, base_url: "http://127.0.0.1:1/v1"}}
  - {id: t, kind: train, model: $base, recipe: {training: {algorithm: sft}, data: {datasets: [{name: g}]}}}
"""
    checked = check(text)
    assert [(one.code, pointed_at(checked, one)) for one in checked.diagnostics] == [
        ("P128", "base"),
        ("P128", "q"),
        ("P128", "g"),
    ]
    assert recipe("fix", "pipeline.yaml").exit_code == 0
    mended = Path("pipeline.yaml").read_text(encoding="utf-8")
    assert "{id: g, kind: generate, model: $base, rows: $q}" in mended
    assert "{name: $g}" in mended
    evaluated = (
        text.partition("  - {id: gsm8k")[0] + "  - {id: e, kind: evaluate, model: $base, rows: $q, sampling: {n: 1}}\n"
    )
    gate = "  - {id: ok, kind: gate, evaluation: e, conditions: [{metric: candidate.eos, at_least: 0}]}\n"
    found = [one for one in check(evaluated + gate).diagnostics if one.severity == "error"]
    assert [(one.code, one.hint) for one in found] == [("P128", "write $e")]


def test_what_a_stage_replaces_in_its_own_recipe_is_given_twice_and_its_names_are_checked_too() -> None:
    own = "{model: {base_model_name: $nix}, data: {datasets: [{name: $ghost}]}, training: {algorithm: sft}}"
    overrides = "    overrides: {'data.datasets[0].max_samples': 7}\n"
    checked = check(TRAIN.format(recipe=own) + overrides)
    assert [(one.code, pointed_at(checked, one)) for one in checked.diagnostics] == [
        ("P129", "base_model_name"),
        ("P101", "$nix"),
        ("P129", "datasets"),
        ("P101", "$ghost"),
        ("P129", "'data.datasets[0].max_samples'"),
    ]
    Path("sft.yaml").write_text(RECIPE, encoding="utf-8")  # is trained by itself too
    assert check(TRAIN.format(recipe="sft.yaml")).diagnostics == ()


@pytest.mark.parametrize(
    ("metric", "why"),
    [
        ("candidate.reward.maen", "did you mean candidate.reward.mean?"),
        ("candidate.rewards.exactmatch.mean", "did you mean candidate.rewards.exact_match.mean?"),
        ("canditate.reward.mean", "did you mean candidate?"),
        ("base.reward.mean", "it compares with no `base`"),
        ("candidate.well_formed", "the pipeline has no `thinking` block"),
        ("candidate.nll.mean", "it has no `nll_rows`"),
        ("candidate.tasks.hellaswag.acc", "it has no `tasks`"),
        ("candidate.sources.math.rewards.exact_match.meen", "exact_match.mean?"),
        ("candidate.length.p90", "did you mean candidate.length.p95?"),
        ("candidate.reward", "reward.mean"),
        ("candidate.rewards.exact_match.mean", None),
        ("candidate.rewards.exact_match/malformed.mean", None),
        ("candidate.sources.math.reward.best", None),
        ("candidate.groups.differ", None),
    ],
)
def test_a_gate_asks_for_a_number_that_the_evaluation_will_have(metric: str, why: str | None) -> None:
    text = """\
stages:
  - {id: e, kind: evaluate, model: builtin/tiny-chat, rows: builtin/questions, rewards: [{type: exact_match}]}
  - {id: ok, kind: gate, evaluation: $e, conditions: [{metric: METRIC, at_least: 0}]}
"""
    found = [one for one in check(text.replace("METRIC", metric)).diagnostics if one.severity == "error"]
    assert [one.code for one in found] == ([] if why is None else ["P114"])
    assert all(why in one.message and one.hint == "docs/stages.md lists the numbers of an evaluation" for one in found)


def test_a_column_that_a_stage_makes_is_asked_of_that_stage() -> None:
    text = """\
stages:
  - {id: s, kind: select, rows: builtin/questions, how: best_of_n}
  - {id: g, kind: generate, model: builtin/tiny-chat, rows: builtin/questions}
  - {id: c, kind: score, rows: builtin/questions, rewards: [{type: exact_match}]}
  - {id: k, kind: prepare, rows: $g, steps: [{do: columns, keep: [prompt, completion_tokens]}]}
"""
    assert [(one.code, (one.hint or "").partition(" before")[0]) for one in check(text).diagnostics] == [
        ("P108", "put a generate stage"),
        ("P108", "put a score stage"),
        ("P108", "put a generate stage"),
    ]


def test_a_wrong_stage_keeps_no_other_from_being_checked() -> None:
    text = """\
stages:
  - {id: a, kind: generate, model: $nix, rows: builtin/questions}
  - {id: b, kind: select, rows: builtin/questions, how: top_k}
  - {id: c, kind: select, rows: $a, how: best_of_n, k: 3}
  - {id: d, kind: generate, model: builtin/tiny-chat, rows: builtin/questions}
  - {id: e, kind: score, rows: $d, rewards: [{type: exact_match, answer_column: solution}]}
  - {id: f, kind: train, model: builtin/tiny-chat, rows: $a, recipe: {training: {algorithm: sft, learning_rate: 0.5}}}
  - {id: g, kind: train, model: builtin/tiny-chat, rows: $d, recipe: {training: {algorithm: sft, learning_rte: 1}}}
"""
    assert {(one.code, pointed_at(checked, one)) for checked in [check(text)] for one in checked.diagnostics} == {
        ("P101", "$nix"),
        ("P126", "top_k"),
        ("P111", "k"),
        ("P108", "solution"),
        ("L321", "0.5"),
        ("R201", "learning_rte"),
    }


def test_a_misspelt_key_of_what_a_loop_carries_or_slices_is_found_like_any_other() -> None:
    text = """\
stages:
  - id: again
    kind: loop
    iterations: 2
    carry: {policy: {start: builtin/tiny-chat, from_stag: sft}, other: 3}
    slices: {batch: {rows: builtin/questions, tke: 4}}
    stages:
      - {id: sft, kind: train, recipe: {training: {algorithm: sft}}, model: $policy, rows: builtin/conversations}
"""
    checked = check(text)
    assert {(one.code, pointed_at(checked, one)) for one in checked.diagnostics} >= {
        ("R201", "from_stag"),
        ("R201", "tke"),
    }
