"""Rules about data, templates, rewards and sampling: what their documentation's examples leave open."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recipe_engine.data.templates import placeholders
from recipe_engine.lint import check
from recipe_engine.lint.rules.chat_template_on_base_model import PRETRAINED
from recipe_engine.lint.rules.template_malformed import fault

from .support import check_overlay, codes, marked, only


def grpo(**arguments: object) -> str:
    """A recipe of GRPO with these keys of ``training``."""
    lines = [f"  {key}: {value}" for key, value in arguments.items()]
    return "training:\n  algorithm: grpo\n" + "\n".join(lines) + "\n"


class TestTheBatchOfASamplingRound:
    # One micro-batch of 1 row, cut into 4 steps: 4 completions a GPU, in groups of 8.
    TOO_FEW_ON_ONE_GPU = grpo(
        per_device_train_batch_size=1, gradient_accumulation_steps=16, steps_per_generation=4, num_generations=8
    )

    def test_the_hint_has_the_nearest_value_of_each_key_that_would_do(self, tmp_path: Path) -> None:
        found = only(check_overlay(tmp_path, f"# with --num-gpus 1\n{self.TOO_FEW_ON_ONE_GPU}"), "L332")
        assert found.severity == "error"
        assert "1 GPU x per_device_train_batch_size 1 x steps_per_generation 4 = 4 completions" in found.message
        assert found.hint == "write num_generations: 4, or steps_per_generation: 8, or per_device_train_batch_size: 2"

    @pytest.mark.parametrize("key", ["num_generations: 4", "steps_per_generation: 8", "per_device_train_batch_size: 2"])
    def test_each_value_of_the_hint_does(self, key: str, tmp_path: Path) -> None:
        name = key.partition(":")[0]
        lines = [line for line in self.TOO_FEW_ON_ONE_GPU.splitlines() if not line.startswith(f"  {name}:")]
        text = "\n".join(["# with --num-gpus 1", *lines, f"  {key}", ""])
        assert "L332" not in codes(check_overlay(tmp_path, text))

    def test_without_a_number_of_gpus_it_is_a_note_that_says_which_numbers_do(self, tmp_path: Path) -> None:
        found = only(check_overlay(tmp_path, self.TOO_FEW_ON_ONE_GPU), "L332")
        assert found.severity == "note"
        assert found.hint is not None
        assert found.hint.startswith("start it on 2, 4 or 8 GPUs, or write ")

    def test_without_a_number_of_gpus_and_right_on_none_it_is_an_error(self, tmp_path: Path) -> None:
        text = grpo(per_device_train_batch_size=4, gradient_accumulation_steps=1, num_generations=12)
        found = only(check_overlay(tmp_path, text), "L332")
        assert found.severity == "error"
        assert "only multiples of 3 GPUs would do" in (found.hint or "")

    @pytest.mark.parametrize("gpus", [3, 6, 12])
    def test_unusual_numbers_of_gpus_are_reckoned_with_once_they_are_named(self, gpus: int, tmp_path: Path) -> None:
        text = grpo(per_device_train_batch_size=4, gradient_accumulation_steps=1, num_generations=12)
        assert "L332" not in codes(check_overlay(tmp_path, f"# with --num-gpus {gpus}\n{text}"))

    def test_processes_on_the_cpu_count_like_gpus(self, tmp_path: Path) -> None:
        text = f"# with --num-gpus 0\nlaunch:\n  cpu_processes: 2\n{self.TOO_FEW_ON_ONE_GPU}"
        assert "L332" not in codes(check_overlay(tmp_path, text))
        text = f"# with --num-gpus 0\nlaunch:\n  cpu_processes: 3\n{self.TOO_FEW_ON_ONE_GPU}"
        assert "3 CPU processes x" in only(check_overlay(tmp_path, text), "L332").message

    def test_accumulation_is_named_where_it_is_what_cuts_a_round(self, tmp_path: Path) -> None:
        text = grpo(per_device_train_batch_size=2, gradient_accumulation_steps=3, num_generations=4)
        found = only(check_overlay(tmp_path, f"# with --num-gpus 1\n{text}"), "L332")
        assert "gradient_accumulation_steps: 4" in (found.hint or "")

    def test_a_size_that_does_not_hold_whole_groups_is_an_error_on_any_number(self, tmp_path: Path) -> None:
        found = only(check_overlay(tmp_path, grpo(generation_batch_size=20, per_device_train_batch_size=1)), "L332")
        assert found.severity == "error"
        assert found.hint == "write generation_batch_size: 24"

    def test_a_size_of_whole_micro_batches_on_some_numbers_only_is_a_note(self, tmp_path: Path) -> None:
        text = grpo(generation_batch_size=32, per_device_train_batch_size=16)
        found = only(check_overlay(tmp_path, text), "L332")
        assert (found.severity, found.hint) == ("note", "start it on 1 or 2 GPUs, or choose a multiple of 128")
        assert codes(check_overlay(tmp_path, f"# with --num-gpus 4\n{text}")) == ["L332"]

    def test_an_evaluation_batch_must_hold_whole_groups_too(self, tmp_path: Path) -> None:
        text = "data:\n  eval_holdout: 0.1\n" + grpo(eval_strategy="epoch", per_device_eval_batch_size=3)
        found = only(check_overlay(tmp_path, f"# with --num-gpus 2\n{text}"), "L332")
        assert "2 GPUs x per_device_eval_batch_size 3 = 6 completions" in found.message
        assert found.hint == "write per_device_eval_batch_size: 4, or num_generations_eval: 6"

    @pytest.mark.parametrize("value", [0, -4])
    def test_a_batch_of_no_rows_is_no_crash(self, value: int, tmp_path: Path) -> None:
        for text in (
            grpo(per_device_train_batch_size=value, generation_batch_size=8),
            grpo(num_generations_eval=value),
        ):
            assert "L361" in codes(check_overlay(tmp_path, f"# with --num-gpus 1\n{text}"))


class TestLengths:
    def test_the_default_of_max_length_is_named_where_the_recipe_gives_none(self, tmp_path: Path) -> None:
        found = only(check_overlay(tmp_path, "data:\n  max_prompt_length: 1024\n"), "L330")
        assert "max_length 512, its default" in found.message
        assert found.hint == "write max_prompt_length: 256, or max_length: 2048"

    def test_a_completion_leaves_the_prompt_what_it_does_not_take(self, tmp_path: Path) -> None:
        assert codes(check_overlay(tmp_path, grpo(max_completion_length=400))) == []

    def test_a_completion_that_leaves_the_prompt_nothing_is_an_error(self, tmp_path: Path) -> None:
        found = only(check_overlay(tmp_path, grpo(max_completion_length=512)), "L331")
        assert "a prompt of 1 tokens and a completion of 512" in found.message
        assert found.hint == "write data.max_length: 513, or max_completion_length: 511"

    def test_a_prompt_as_long_as_the_row_is_one_finding(self, tmp_path: Path) -> None:
        text = "data:\n  max_length: 64\n  max_prompt_length: 64\n" + grpo(max_completion_length=64)
        assert codes(check_overlay(tmp_path, text)) == ["L330"]


class TestPreferenceLosses:
    @pytest.mark.parametrize("loss", ["hinge", "ipo", "ipo_sum", "[hinge, sft]", "apo_zero"])
    def test_a_label_smoothing_that_no_loss_reads_is_an_error(self, loss: str, tmp_path: Path) -> None:
        text = f"training:\n  algorithm: dpo\n  loss_type: {loss}\n  label_smoothing: 0.1\n"
        assert only(check_overlay(tmp_path, text), "L345").severity == "error"

    @pytest.mark.parametrize("loss", ["sigmoid", "[sigmoid, hinge]", "robust", "exo_pair", "aot", "aot_unpaired"])
    def test_the_losses_that_read_label_smoothing_are_left_alone(self, loss: str, tmp_path: Path) -> None:
        text = f"training:\n  algorithm: dpo\n  loss_type: {loss}\n  label_smoothing: 0.1\n"
        assert codes(check_overlay(tmp_path, text)) == []

    def test_robust_without_label_smoothing_is_only_a_warning(self, tmp_path: Path) -> None:
        text = "training:\n  algorithm: dpo\n  loss_type: robust\n"
        assert only(check_overlay(tmp_path, text), "L345").severity == "warning"


class TestAReferenceThatCannotBeOffloaded:
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("model: {use_lora: true}\n", "without its adapters"),
            ("training: {precompute_ref_log_probs: true}\n", "keeps no reference model"),
            ("launch: {strategy: zero3}\n", "DeepSpeed and FSDP"),
            ("launch: {strategy: fsdp2}\n", "DeepSpeed and FSDP"),
            ("training: {sync_ref_model: true}\n", "sync_ref_model"),
            (
                "model: {use_lora: true, load_in_4bit: true}\ntraining: {ref_model_name: builtin/tiny-chat}\n",
                "quantized",
            ),
        ],
    )
    def test_is_an_error_that_says_why(self, text: str, reason: str, tmp_path: Path) -> None:
        if "training: {" in text:
            text = text.replace("training: {", "training: {algorithm: dpo, ref_offload: true, ")
        else:
            text += "training: {algorithm: dpo, ref_offload: true}\n"
        found = only(check_overlay(tmp_path, text), "L372")
        assert found.severity == "error"
        assert reason in found.message


class TestAReferenceThatCannotBeUpdated:
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            (grpo(beta=0.0, sync_ref_model="true"), "beta is 0"),
            (grpo(beta=0.1, sync_ref_model="true") + "model:\n  use_lora: true\n", "with use_lora"),
            ("training: {algorithm: dpo, sync_ref_model: true, precompute_ref_log_probs: true}", "precompute"),
        ],
    )
    def test_is_an_error_where_trl_stops(self, text: str, reason: str, tmp_path: Path) -> None:
        found = only(check_overlay(tmp_path, text), "L335")
        assert found.severity == "error"
        assert reason in found.message


class TestRewardFiles:
    REWARD = "training: {algorithm: grpo}\nrewards:\n  - {type: function, path: %s, name: f}\n"

    def wrong(self, folder: Path, path: str) -> str | None:
        checked = check_overlay(folder, self.REWARD.replace("%s", path))
        return only(checked, "L344").message if "L344" in codes(checked) else None

    def test_a_file_beside_or_below_the_recipe_is_fine_even_if_it_is_not_there_yet(self, tmp_path: Path) -> None:
        assert self.wrong(tmp_path, "r.py") is None
        assert self.wrong(tmp_path, "a/b/r.py") is None
        assert self.wrong(tmp_path, "a/../r.py") is None

    def test_a_link_out_of_the_folder_is_followed(self, tmp_path: Path) -> None:
        outside, inside = tmp_path / "outside", tmp_path / "recipes"
        outside.mkdir()
        inside.mkdir()
        (inside / "link.py").symlink_to(outside / "r.py")
        (inside / "folder").symlink_to(outside)
        assert self.wrong(inside, "link.py") == "'link.py' is a link out of the recipe's folder"
        assert self.wrong(inside, "folder/r.py") == "'folder/r.py' is a link out of the recipe's folder"

    def test_a_link_within_the_folder_is_fine_and_so_is_a_folder_that_is_itself_a_link(self, tmp_path: Path) -> None:
        real = tmp_path / "real"
        real.mkdir()
        (real / "r.py").write_text("", encoding="utf-8")
        (real / "link.py").symlink_to("r.py")
        (tmp_path / "recipes").symlink_to(real)
        assert self.wrong(tmp_path / "recipes", "link.py") is None

    def test_a_link_in_a_circle_is_no_crash(self, tmp_path: Path) -> None:
        (tmp_path / "a.py").symlink_to("b.py")
        (tmp_path / "b.py").symlink_to("a.py")
        assert self.wrong(tmp_path, "a.py") is None

    @pytest.mark.parametrize("path", ["../r.py", "/r.py", "a/../../r.py", "r.txt", ".", '"r\\0.py"'])
    def test_anything_else_is_an_error(self, path: str, tmp_path: Path) -> None:
        (tmp_path / "recipes").mkdir()
        checked = check_overlay(tmp_path / "recipes", self.REWARD.replace("%s", path))
        assert checked.has_errors
        assert {"L344"} <= set(codes(checked)) or any(code.startswith("S") for code in codes(checked))


class TestRewardPatterns:
    @pytest.mark.parametrize(
        ("pattern", "says"),
        [
            ("(", "missing ), unterminated subpattern, at character 1"),
            ("ab[", "unterminated character set, at character 3"),
            ("a{99999999999999999999}", "too large"),
            ("(" * 20000, "nested too deeply"),
        ],
    )
    def test_the_place_is_the_one_that_python_gives(self, pattern: str, says: str, tmp_path: Path) -> None:
        text = f"training: {{algorithm: grpo}}\nrewards:\n  - type: format\n    pattern: '{pattern}'\n"
        assert says in only(check_overlay(tmp_path, text), "L341").message

    def test_what_python_warns_of_is_accepted_without_a_warning(self, tmp_path: Path) -> None:
        text = "training: {algorithm: grpo}\nrewards:\n  - {type: format, pattern: '[[a]'}\n"
        assert codes(check_overlay(tmp_path, text)) == []


class TestTemplates:
    @pytest.mark.parametrize(
        ("template", "says"),
        [
            ("a {} b", "`{}` names no column"),
            ("a {0} b", "`{0}` names a column by its number"),
            ("a {row.x} b", "`{row.x}` reaches into a column"),
            ("a {x!r} b", "`{x!r}` has a conversion or a format"),
            ("a {x:>3} b", "`{x:>3}` has a conversion or a format"),
            ("solve {question", "the brace in `solve {question` is not closed"),
            ("solve question}", "the brace in `e question}` closes nothing"),
            ("{x {y}", "the brace in `{x {y}` is not closed"),
        ],
    )
    def test_the_first_fault_is_quoted(self, template: str, says: str, tmp_path: Path) -> None:
        text = f"data:\n  user_prompt: '{template}'\n  assistant_prompt: '{{answer}}'\n"
        checked = check_overlay(tmp_path, text)
        found = only(checked, "L347")
        assert found.message.replace("'", "`") == says
        assert marked(checked, found) == f"'{template}'"

    def test_in_a_template_of_several_lines_the_line_is_named(self, tmp_path: Path) -> None:
        text = 'data:\n  system_prompt: |\n    Answer {question}\n    in JSON:\n    {"answer": 3}\n'
        found = only(check_overlay(tmp_path, text), "L347")
        assert found.message == "'{\"answer\": 3}' is not the name of a column in line 3 of the template"
        assert found.hint == "braces that are meant literally are doubled: {{ and }}"

    @given(st.text(alphabet='{}a.[]!: 0"\n', max_size=12))
    @example("{a[}]}")
    @example("{a!}")
    @example("{{a}")
    def test_what_the_rule_accepts_can_be_rendered(self, template: str) -> None:
        if fault(template) is None:
            placeholders(template)

    @given(st.text(alphabet="{}a.[]!: 0", max_size=12))
    def test_what_cannot_be_rendered_the_rule_refuses(self, template: str) -> None:
        try:
            placeholders(template)
        except ValueError:
            assert fault(template) is not None

    def test_a_column_is_missing_once_though_two_datasets_lack_it(self, tmp_path: Path) -> None:
        text = (
            "data:\n  datasets:\n    - {name: a/b, dataset_columns: [x]}\n    - {name: a/c, dataset_columns: [x]}\n"
            "  user_prompt: '{y}'\n  assistant_prompt: '{x}'\n"
        )
        assert codes(check_overlay(tmp_path, text)) == ["L348"]

    def test_templates_make_the_rows_whatever_their_format(self, tmp_path: Path) -> None:
        text = (
            "data:\n  datasets:\n    - {name: a/b, format: preference}\n"
            "  user_prompt: '{prompt}'\n  assistant_prompt: '{chosen}'\n"
            "training: {algorithm: sft, completion_only_loss: true, assistant_only_loss: true}\n"
        )
        assert codes(check_overlay(tmp_path, text)) == []

    def test_a_system_prompt_that_is_the_whole_text_has_no_assistant(self, tmp_path: Path) -> None:
        text = "data: {system_prompt: '{a} {b}'}\ntraining: {algorithm: sft, assistant_only_loss: true}\n"
        assert codes(check_overlay(tmp_path, text)) == ["L353"]

    @pytest.mark.parametrize("name", ["dpo", "grpo", "gspo", "cpt"])
    def test_an_assistant_prompt_is_for_sft_alone(self, name: str, tmp_path: Path) -> None:
        text = f"data: {{assistant_prompt: '{{answer}}'}}\ntraining: {{algorithm: {name}}}\n"
        assert codes(check_overlay(tmp_path, text)) == ["L349"]


class TestDatasetsNamedTwice:
    @pytest.mark.parametrize(
        "second",
        [
            "{name: a/b, split: test}",
            "{name: a/b, subset: main}",
            "{name: a/b, split: 'train[90%:]'}",
            "{name: a/b, prompt_column: q, completion_column: a}",
            "{name: a/b, revision: v2}",
        ],
    )
    def test_other_rows_or_other_columns_are_another_reading(self, second: str, tmp_path: Path) -> None:
        assert codes(check_overlay(tmp_path, f"data:\n  datasets:\n    - name: a/b\n    - {second}\n")) == []

    def test_the_same_file_in_two_spellings_is_the_same(self, tmp_path: Path) -> None:
        text = "data:\n  datasets:\n    - name: rows/a.jsonl\n    - {name: ./rows/a.jsonl, weight: 3}\n"
        found = only(check_overlay(tmp_path, text), "L350")
        assert "data.datasets[0]" in found.message

    def test_evaluating_on_the_rows_that_are_trained_on_is_an_error_in_whatever_columns(self, tmp_path: Path) -> None:
        text = (
            "data:\n  datasets:\n    - name: a/b\n  eval_datasets:\n    - {name: a/b, prompt_column: q}\n"
            "training: {eval_strategy: epoch}\n"
        )
        checked = check_overlay(tmp_path, text)
        assert only(checked, "L350").severity == "error"


class TestPlaceholders:
    @pytest.mark.parametrize(
        "value",
        [
            "your-dataset",
            "your_org/data",
            "org/your-data",
            "s3://your-bucket/x.jsonl",
            "path/to/rows.jsonl",
            "<YOUR_DATASET>",
        ],
    )
    def test_values_of_a_template_are_noted(self, value: str, tmp_path: Path) -> None:
        found = only(check_overlay(tmp_path, f"data:\n  datasets:\n    - name: '{value}'\n"), "L356")
        assert found.severity == "note"
        assert value in found.message

    @pytest.mark.parametrize("value", ["yourself/rows", "org/not-your-data", "a/pathto/x", "my/dataset"])
    def test_other_values_are_left_alone(self, value: str, tmp_path: Path) -> None:
        assert codes(check_overlay(tmp_path, f"data:\n  datasets:\n    - name: '{value}'\n")) == []

    def test_prose_may_say_your(self, tmp_path: Path) -> None:
        text = "data: {user_prompt: 'path/to/x <your answer> {q}', assistant_prompt: '{a}'}\n"
        assert codes(check_overlay(tmp_path, text)) == []

    def test_blocks_that_are_off_may_keep_theirs(self, tmp_path: Path) -> None:
        assert codes(check_overlay(tmp_path, "wandb: {project: your-project}\ns3: {bucket: your-bucket}\n")) == []
        assert codes(check_overlay(tmp_path, "wandb: {enabled: true, project: your-project}\n")) == ["L356"]


@pytest.mark.parametrize(
    ("name", "pretrained"),
    [
        ("Llama-3.2-3B", True),
        ("Meta-Llama-3.1-8B", True),
        ("Llama-2-7b-hf", True),
        ("Llama-3.2-3B-Instruct", False),
        ("Llama-2-7b-chat-hf", False),
        ("DeepSeek-R1-Distill-Llama-8B", False),
        ("Mistral-7B-v0.3", True),
        ("Mistral-7B-Instruct-v0.3", False),
        ("Mixtral-8x7B-v0.1", True),
        ("Mistral-Nemo-Base-2407", True),
        ("Qwen2.5-7B", True),
        ("Qwen2.5-7B-Instruct", False),
        ("Qwen3-4B", False),
        ("Qwen3-4B-Base", True),
        ("gemma-2-9b", True),
        ("gemma-2-9b-it", False),
        ("gemma-3-4b-pt", True),
        ("gemma-3-4b-it", False),
        ("tiny-chat", False),
    ],
)
def test_pretrained_models_are_known_by_their_names(name: str, pretrained: bool) -> None:
    assert bool(PRETRAINED.fullmatch(name)) is pretrained


def test_rows_that_may_be_plain_text_are_no_reason_to_ask_for_a_chat_template(tmp_path: Path) -> None:
    base = "model: {base_model_name: meta-llama/Llama-3.2-3B}\n"
    assert codes(check_overlay(tmp_path, base)) == []
    assert codes(check_overlay(tmp_path, base + "data: {wrap_in_chat: true}\n")) == ["L355"]
    assert codes(check_overlay(tmp_path, base + "data: {system_prompt: 'Q {a} A {b}'}\n")) == []


class TestAChatTemplateOfOnesOwn:
    CHAT = (
        "model: {chat_template: chat.jinja}\ndata:\n  datasets:\n    - {name: a/b, format: messages}\n"
        "training: {assistant_only_loss: true}\n"
    )

    @pytest.mark.parametrize("marker", ["{% generation %}", "{%- generation -%}", "{%generation%}"])
    def test_with_markers_it_is_fine(self, marker: str, tmp_path: Path) -> None:
        (tmp_path / "chat.jinja").write_text(f"{marker}x{{% endgeneration %}}", encoding="utf-8")
        assert codes(check_overlay(tmp_path, self.CHAT)) == []

    def test_one_that_is_not_there_is_missed_and_one_that_is_no_text_left_to_training(self, tmp_path: Path) -> None:
        assert codes(check_overlay(tmp_path, self.CHAT)) == ["L440"]
        (tmp_path / "chat.jinja").write_bytes(b"\xff\xfe\xff")
        assert codes(check_overlay(tmp_path, self.CHAT)) == []

    def test_it_is_looked_for_beside_the_recipe(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "chat.jinja").write_text("no markers", encoding="utf-8")
        check_overlay(tmp_path, self.CHAT)
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert codes(check("../recipe.yaml")) == ["L353"]


def test_the_answer_column_that_stands_in_for_rewards_is_noted(tmp_path: Path) -> None:
    checked = check_overlay(tmp_path, "training: {algorithm: grpo}\nrewards: []\n")
    found = only(checked, "L339")
    assert (found.severity, Path(found.span.file).name) == ("note", "base.yaml")
    assert checked.recipe is not None


def test_a_name_that_is_free_is_suggested_to_the_second_reward(tmp_path: Path) -> None:
    rewards = "[{type: length, max: 9}, {type: length, max: 5}, {type: length, name: length_2, min: 2}]"
    checked = check_overlay(tmp_path, f"training: {{algorithm: grpo}}\nrewards: {rewards}\n")
    assert (only(checked, "L343").hint or "").endswith("name: length_3")
