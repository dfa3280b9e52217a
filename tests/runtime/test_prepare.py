from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedTokenizerBase

from recipe_engine.compiled import CompiledRun
from recipe_engine.data.errors import DataError
from recipe_engine.runtime.counts import counts_as_data, describe
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.prepare import Prepared, prepare
from recipe_engine.runtime.reward_rows import unpack
from tests.runtime.support import Row, assistant, compiled, user, write_rows

LENGTH_REWARD = {"rewards": [{"type": "length", "max": 5}]}


def texts(count: int, start: int = 0) -> list[Row]:
    """Texts that are told apart by their numbers."""
    return [{"text": f"row {number}."} for number in range(start, start + count)]


def prepared(folder: Path, tokenizer: PreTrainedTokenizerBase, run: CompiledRun) -> Prepared:
    return prepare(run, run.data.datasets, tokenizer, folder / "prepared")


def of_texts(
    folder: Path, tokenizer: PreTrainedTokenizerBase, *datasets: tuple[list[Row], Row], **data: Any
) -> tuple[Prepared, list[str]]:
    """Datasets of texts, prepared and mixed, and the texts as they came out."""
    entries = [
        {"name": write_rows(folder / f"{index}.jsonl", rows), **entry} for index, (rows, entry) in enumerate(datasets)
    ]
    training = data.pop("training", {})
    made = prepared(folder, tokenizer, compiled(folder, "sft", entries, data=data, training=training))
    return made, [str(tokenizer.decode(ids, skip_special_tokens=True)) for ids in made.dataset["input_ids"]]


def written(rows: list[Row]) -> list[str]:
    return [row["text"] for row in rows]


class TestCounts:
    def test_every_row_read_is_used_dropped_or_invalid(
        self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        rows = [*texts(3), {"text": ""}, {"text": "long " * 50}, {"text": None}]
        made, out = of_texts(tmp_path, tokenizer, (rows, {}), max_length=32, invalid_rows="drop", max_invalid_share=0.5)
        (counts,) = made.counts
        assert (counts.read, counts.used, counts.overlong_dropped, counts.invalid) == (6, 3, 1, 2)
        assert out == written(rows[:3])
        assert describe(counts) == "6 rows read, 3 used, 1 over the length limit dropped (17%), 2 invalid"
        assert len(counts.lengths) == 4
        assert "lengths" not in counts_as_data([counts])[0]

    def test_cut_rows_are_used_and_counted(self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
        rows = [{"text": "short"}, {"text": "long " * 50}]
        made, _ = of_texts(tmp_path, tokenizer, (rows, {}), max_length=8, overlong_rows="right")
        assert (made.counts[0].used, made.counts[0].overlong_cut) == (2, 1)
        assert max(map(len, made.dataset["input_ids"])) == 8

    def test_prompts_that_end_otherwise_before_a_response_are_counted(
        self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        name = write_rows(
            tmp_path / "a.jsonl", [{"prompt": "a ", "completion": "b"}, {"prompt": "a", "completion": "b"}]
        )
        tokenizer.add_tokens([" b"])
        made = prepared(tmp_path, tokenizer, compiled(tmp_path, "sft", {"name": name}))
        assert made.counts[0].reshaped_prompts == 1
        assert "1 whose prompt ends in other tokens" in describe(made.counts[0])

    def test_rows_are_mapped_from_files_and_not_held_in_memory(
        self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        made, _ = of_texts(tmp_path, tokenizer, (texts(3), {}), (texts(3, 3), {}))
        files = [Path(file["filename"]) for file in made.dataset.cache_files]
        assert {file.parent for file in files} == {tmp_path / "prepared"}

    def test_what_an_earlier_start_prepared_is_replaced(
        self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        of_texts(tmp_path, tokenizer, (texts(3), {}))
        _, out = of_texts(tmp_path, tokenizer, (texts(2, 10), {}))
        assert out == written(texts(2, 10))

    def test_two_processes_prepare_the_same_rows_as_one(
        self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        rows = [*texts(3000), {"text": ""}]
        one, alone = of_texts(tmp_path, tokenizer, (rows, {}), invalid_rows="drop")
        two, together = of_texts(tmp_path, tokenizer, (rows, {}), invalid_rows="drop", dataset_num_proc=2)
        assert together == alone
        assert counts_as_data(two.counts) == counts_as_data(one.counts)

    def test_an_error_in_another_process_is_the_same_error(
        self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        tokenizer.chat_template = None
        name = write_rows(tmp_path / "a.jsonl", [{"messages": [user("q"), assistant("a")]}] * 3)
        run = compiled(tmp_path, "sft", {"name": name}, data={"dataset_num_proc": 2})
        with pytest.raises(RunError, match="no chat template") as caught:
            prepared(tmp_path, tokenizer, run)
        assert caught.value.hint is not None


class TestRefusals:
    def test_an_invalid_row_is_named_by_dataset_row_and_column(
        self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        with pytest.raises(DataError) as caught:
            of_texts(tmp_path, tokenizer, ([*texts(2), {"text": ""}], {}))
        assert caught.value.message == f"{tmp_path}/0.jsonl: row 3: column `text` is empty"
        assert caught.value.code == "D405"

    def test_an_overlong_row_is_named_where_that_is_an_error(
        self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        with pytest.raises(DataError, match=r"0.jsonl: row 2: it has \d+ tokens, over data.max_length \(8\)"):
            of_texts(
                tmp_path,
                tokenizer,
                ([{"text": "a"}, {"text": "long " * 50}], {}),
                max_length=8,
                overlong_rows="error",
            )

    def test_a_line_that_cannot_be_read_is_named_with_its_dataset(
        self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        file = tmp_path / "bad.jsonl"
        file.write_text('{"text": "a"}\n{"text":\n', encoding="utf-8")
        with pytest.raises(DataError, match=r"bad.jsonl: bad.jsonl, line 2: "):
            prepared(tmp_path, tokenizer, compiled(tmp_path, "sft", {"name": str(file)}))

    def test_where_every_row_is_too_long_the_shortest_is_told(
        self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        with pytest.raises(RunError, match=r"no row of .* is left: 2 rows read, 0 used, 2 over the length") as caught:
            of_texts(tmp_path, tokenizer, (texts(2), {}), max_length=2)
        shortest = len(tokenizer("row 0.<|end|>")["input_ids"])
        assert caught.value.hint is not None
        assert f"has {shortest} tokens" in caught.value.hint

    def test_chat_rows_without_a_template_are_named_with_their_dataset(
        self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        tokenizer.chat_template = None
        rows = [{"prompt": "q", "completion": "a"}, {"prompt": [user("q")], "completion": [assistant("a")]}]
        name = write_rows(tmp_path / "mixed.jsonl", rows)
        with pytest.raises(RunError, match=r"mixed.jsonl: the rows are chat messages, and the tokenizer has no"):
            prepared(tmp_path, tokenizer, compiled(tmp_path, "sft", {"name": name}))


class TestSamples:
    def test_max_samples_takes_the_first_rows(self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
        made, out = of_texts(tmp_path, tokenizer, ([*texts(3), {"text": ""}], {"max_samples": 2}))
        assert out == written(texts(2))
        assert (made.counts[0].read, made.counts[0].used) == (2, 2)

    def test_with_shuffle_max_samples_draws_by_the_seed(
        self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        drawn = {}
        for seed in (0, 0, 1, 42):
            made, out = of_texts(
                tmp_path, tokenizer, (texts(50), {"max_samples": 10}), shuffle=True, training={"seed": seed}
            )
            assert made.counts[0].used == len(set(out)) == 10
            assert drawn.setdefault(seed, out) == out
            assert set(out) != set(written(texts(10)))
        assert len({tuple(rows) for rows in drawn.values()}) == 3  # 0 is a seed of its own, not the default

    def test_shuffle_alone_changes_the_order_and_nothing_else(
        self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        _, out = of_texts(tmp_path, tokenizer, (texts(50), {}), shuffle=True)
        assert sorted(out) == sorted(written(texts(50)))
        assert out != written(texts(50))


class TestMixing:
    FEW, MANY = texts(4), texts(12, 100)

    def test_concatenation_keeps_the_order(self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
        _, out = of_texts(tmp_path, tokenizer, (self.FEW, {}), (self.MANY, {}))
        assert out == written(self.FEW + self.MANY)

    def test_a_weight_of_two_takes_rows_twice_and_of_a_half_a_random_half(
        self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        made, out = of_texts(tmp_path, tokenizer, (self.FEW, {"weight": 2.0}), (self.MANY, {"weight": 0.5}))
        times = Counter(out)
        assert [times[text] for text in written(self.FEW)] == [2] * 4
        half = [text for text in written(self.MANY) if text in times]
        assert len(half) == 6
        assert half != written(self.MANY[:6])
        assert [count.used for count in made.counts] == [8, 6]

    def test_a_weight_with_a_fraction_takes_all_rows_and_some_twice(
        self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        _, out = of_texts(tmp_path, tokenizer, (self.MANY, {"weight": 1.25}))
        assert sorted(Counter(out).values()) == [1] * 9 + [2] * 3

    def test_a_weight_that_leaves_no_row_is_an_error(self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
        with pytest.raises(RunError, match="no row of"):
            of_texts(tmp_path, tokenizer, (self.FEW, {"weight": 0.1}), (self.MANY, {}))

    def test_interleave_once_takes_every_row_once_in_turn(
        self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        _, out = of_texts(tmp_path, tokenizer, (self.FEW, {}), (self.MANY, {}), mixing="interleave_once")
        assert sorted(out) == sorted(written(self.FEW + self.MANY))
        assert out[:4] == ["row 0.", "row 100.", "row 1.", "row 101."]

    def test_interleave_under_stops_when_the_first_dataset_runs_out(
        self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        _, out = of_texts(tmp_path, tokenizer, (self.FEW, {}), (self.MANY, {}), mixing="interleave_under")
        few = [text for text in out if text in written(self.FEW)]
        many = [text for text in out if text in written(self.MANY)]
        assert few == written(self.FEW) or many == written(self.MANY)
        assert len(few) + len(many) == len(set(out)) < 16

    def test_interleave_over_repeats_the_short_dataset_until_the_long_one_ran_out(
        self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        _, out = of_texts(tmp_path, tokenizer, (self.FEW, {}), (self.MANY, {}), mixing="interleave_over")
        times = Counter(out)
        assert set(times) == set(written(self.FEW + self.MANY))
        assert max(times[text] for text in written(self.FEW)) > 1

    def test_interleaving_draws_by_weight_and_seed(self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
        def draw(seed: int) -> list[str]:
            pair = (texts(400), {"weight": 3.0}), (texts(400, 400), {"weight": 1.0})
            return of_texts(tmp_path, tokenizer, *pair, mixing="interleave_under", training={"seed": seed})[1]

        out = draw(1)
        assert 0.68 < sum(text in set(written(texts(400))) for text in out) / len(out) < 0.82
        assert draw(1) == out
        assert draw(2) != out


class TestHoldingOut:
    """Rows are held out before the mixture may repeat them: what is evaluated is never trained on."""

    def parts(
        self,
        folder: Path,
        tokenizer: PreTrainedTokenizerBase,
        holdout: float,
        weights: tuple[float, float],
        **data: Any,
    ) -> tuple[list[str], list[str]]:
        names = [write_rows(folder / f"{index}.jsonl", texts(20, 100 * index)) for index in range(2)]
        entries = [{"name": name, "weight": weight} for name, weight in zip(names, weights, strict=True)]
        training = {"eval_strategy": "epoch"}
        run = compiled(folder, "sft", entries, data={"eval_holdout": holdout, **data}, training=training)
        made = prepare(run, run.data.datasets, tokenizer, folder / "prepared", holding_out=True)
        assert made.held_out is not None
        both = [[str(tokenizer.decode(ids)) for ids in part["input_ids"]] for part in (made.dataset, made.held_out)]
        return both[0], both[1]

    @pytest.mark.parametrize("mixing", ["concatenate", "interleave_over"])
    def test_no_held_out_row_is_trained_on_however_often_rows_are_repeated(
        self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase, mixing: str
    ) -> None:
        training, held_out = self.parts(tmp_path, tokenizer, 0.25, (3.0, 1.0), mixing=mixing)
        assert not set(training) & set(held_out)
        assert len(set(held_out)) == 10

    @pytest.mark.parametrize(("holdout", "counts"), [(0.25, [5, 5]), (7, [4, 3]), (1, [1, 0])])
    def test_each_dataset_gives_its_share(
        self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase, holdout: float, counts: list[int]
    ) -> None:
        training, held_out = self.parts(tmp_path, tokenizer, holdout, (1.0, 1.0))
        numbers = [int(text.split()[1].split(".")[0]) for text in held_out]
        assert [sum(number < 100 for number in numbers), sum(number >= 100 for number in numbers)] == counts
        assert len(set(training)) == 40 - sum(counts)

    def test_the_rows_are_drawn_by_the_seed_and_the_rest_keep_their_order(
        self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        training, held_out = self.parts(tmp_path, tokenizer, 10, (1.0, 1.0))
        assert (training, held_out) == self.parts(tmp_path, tokenizer, 10, (1.0, 1.0))
        numbers = [int(text.split()[1].split(".")[0]) for text in training]
        assert numbers == sorted(numbers)
        assert held_out[:5] != [f"row {number}.<|end|>" for number in range(15, 20)]


class TestPrompts:
    def rows(self, folder: Path, tokenizer: PreTrainedTokenizerBase, *datasets: list[Row], **data: Any) -> list[Row]:
        entries = [{"name": write_rows(folder / f"{index}.jsonl", rows)} for index, rows in enumerate(datasets)]
        rewards = data.pop("rewards", LENGTH_REWARD["rewards"])
        made = prepared(folder, tokenizer, compiled(folder, "grpo", entries, data=data, rewards=rewards))
        return unpack(made.dataset, made.columns)

    def test_columns_of_any_types_reach_the_rewards_as_they_were(
        self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        rows: list[Row] = [
            {"prompt": [user("a")], "answer": "3.10", "meta": {"a": 1}},
            {"prompt": [{**user("b"), "name": "Ann"}], "answer": 3, "meta": ["x", 2.5, None], "extra": True},
            {"prompt": [user("c")], "answer": "true"},
        ]
        out = self.rows(tmp_path, tokenizer, rows)
        assert out == [{"meta": None, "extra": None, **row} for row in rows]
        assert [type(row["answer"]) for row in out] == [str, int, str]

    def test_datasets_with_other_columns_get_nulls_in_each_others(
        self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        out = self.rows(tmp_path, tokenizer, [{"prompt": "a", "x": 1}], [{"prompt": "b", "y": [1]}])
        assert out == [{"prompt": "a", "x": 1, "y": None}, {"prompt": "b", "x": None, "y": [1]}]

    def test_text_and_chat_prompts_together_are_refused(
        self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        mixed = [{"prompt": "a"}], [{"prompt": [user("b")]}]
        with pytest.raises(RunError, match="some prompts are plain text and others chat") as caught:
            self.rows(tmp_path, tokenizer, *mixed)
        assert "wrap_in_chat" in str(caught.value.hint)
        out = self.rows(tmp_path, tokenizer, *mixed, wrap_in_chat=True)
        assert [row["prompt"] for row in out] == [[user("a")], [user("b")]]

    def test_overlong_prompts_are_dropped_and_counted(self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
        out = self.rows(tmp_path, tokenizer, [{"prompt": "a"}, {"prompt": "long " * 50}], max_length=16)
        assert out == [{"prompt": "a"}]

    @pytest.mark.parametrize(
        ("reward", "message"),
        [
            ({}, "row 2: column `answer` is missing"),
            ({"answer_column": "solution"}, "row 1: column `solution` is missing, and the reward exact_match"),
            ({"answer_pattern": "#### (.+)"}, "row 1: column `answer` holds no reference answer"),
        ],
    )
    def test_a_row_that_a_reward_cannot_score_is_named_before_training(
        self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase, reward: Row, message: str
    ) -> None:
        rows = [{"prompt": "a", "answer": "4"}, {"prompt": "b"}]
        with pytest.raises(DataError) as caught:
            self.rows(tmp_path, tokenizer, rows, rewards=[{"type": "exact_match", **reward}])
        assert message in caught.value.message

    def test_a_reward_that_no_row_calls_for_is_told(self, tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
        name = write_rows(tmp_path / "rows.jsonl", [{"prompt": "q", "answer": "a", "kind": "math"}] * 4)
        rewards = [
            {"type": "exact_match"},
            {"type": "length", "max": 3, "only": {"column": "kind", "values": ["maths", 1]}},
        ]
        run = compiled(tmp_path, "grpo", {"name": name}, rewards=rewards, data={"max_length": 64})
        words = r"reward length applies to no row: none holds 'maths', 1 in the column `kind`"
        with pytest.raises(RunError, match=words):
            prepare(run, run.data.datasets, tokenizer, tmp_path / "rows", holding_out=True)
        rewards[1]["only"] = {"column": "kind", "values": ["math"]}
        run = compiled(tmp_path, "grpo", {"name": name}, rewards=rewards, data={"max_length": 64})
        assert len(prepare(run, run.data.datasets, tokenizer, tmp_path / "rows", holding_out=True).dataset) == 4
