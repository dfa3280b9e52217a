from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from typing import Any

import pytest

from recipe_engine.data import builtin

COLUMNS = {
    "builtin/text": {"text"},
    "builtin/conversations": {"messages"},
    "builtin/completions": {"prompt", "completion"},
    "builtin/alpaca": {"instruction", "input", "output"},
    "builtin/sharegpt": {"conversations"},
    "builtin/preferences": {"prompt", "chosen", "rejected"},
    "builtin/preferences-implicit": {"chosen", "rejected"},
    "builtin/thoughts": {"id", "messages", "thought", "response", "source"},
    "builtin/questions": {"prompt", "answer", "data_source"},
}
JUDGED = {
    "builtin/unpaired": {"prompt", "completion", "label"},
    "builtin/stepwise": {"prompt", "completions", "labels"},
    "builtin/step-labels": {"input", "label"},
}
"""Datasets with wrong answers too, each with a label."""
EVERY_SPLIT = [(name, split) for name in COLUMNS for split in builtin.SPLITS]

RIGHT = {
    "First digit": lambda digits: digits[0],
    "Last digit": lambda digits: digits[-1],
    "Largest digit": lambda digits: str(max(int(digit) for digit in digits)),
    "Smallest digit": lambda digits: str(min(int(digit) for digit in digits)),
    "Repeat": lambda digits: digits,
    "Reverse": lambda digits: "".join(reversed(digits)),
}


def right_answer(question: str) -> str:
    task, _, digits = question.partition(": ")
    return RIGHT[task](digits)


def asked(row: dict[str, Any]) -> list[tuple[str, str]]:
    """The questions of a row with the answers given to them, whatever the row's shape."""
    match row:
        case {"text": text}:
            return [tuple(line.removesuffix(".").split(" is ")) for line in text.split("\n")]
        case {"instruction": instruction, "input": digits, "output": answer}:
            return [(f"{instruction}: {digits}", answer)]
        case {"prompt": str(prompt), "completion": completion}:
            return [(prompt.removesuffix("\nAnswer:"), completion.removeprefix(" "))]
        case {"prompt": prompt, "answer": answer}:
            return [(prompt[0]["content"], answer)]
        case {"prompt": prompt, "chosen": chosen}:
            return turns([*prompt, *chosen])
        case {"chosen": chosen}:
            return turns(chosen)
        case {"messages": messages, "response": response}:
            return turns([*messages, {"role": "assistant", "content": response}])
        case {"messages": messages}:
            return turns(messages)
        case {"conversations": conversations}:
            return turns([{"role": turn["from"], "content": turn["value"]} for turn in conversations])
    raise AssertionError(row)


def turns(messages: list[dict[str, str]]) -> list[tuple[str, str]]:
    spoken = [message["content"] for message in messages if message["role"] != "system"]
    return list(zip(spoken[::2], spoken[1::2], strict=True))


def questions(name: str, split: str) -> set[str]:
    return {question for row in builtin.rows(name, split) for question, _ in asked(row)}


def test_there_is_one_dataset_for_every_shape() -> None:
    assert set(builtin.names()) == {*COLUMNS, *JUDGED, "builtin/rankings"}


@pytest.mark.parametrize(("name", "split"), EVERY_SPLIT)
def test_every_row_has_the_columns_of_its_shape_and_nothing_else(name: str, split: str) -> None:
    rows = builtin.rows(name, split)
    assert len(rows) >= (200 if split == "train" else 50)
    assert all(set(row) == COLUMNS[name] for row in rows)


@pytest.mark.parametrize(("name", "split"), EVERY_SPLIT)
def test_every_answer_is_right(name: str, split: str) -> None:
    for row in builtin.rows(name, split):
        for question, answer in asked(row):
            assert answer == right_answer(question)


@pytest.mark.parametrize(("name", "split"), EVERY_SPLIT)
def test_no_question_is_asked_twice(name: str, split: str) -> None:
    every = [question for row in builtin.rows(name, split) for question, _ in asked(row)]
    assert len(every) == len(set(every))


def judged(name: str, split: str) -> list[tuple[str, str, bool]]:
    """Questions with the answers given, and whether the dataset calls them right."""
    found = []
    for row in builtin.rows(name, split):
        assert set(row) == JUDGED[name]
        match row:
            case {"prompt": [prompt], "completion": [completion], "label": label}:
                found.append((prompt["content"], completion["content"], label))
            case {"completions": steps, "labels": labels}:
                found += [(*step.split(" is "), label) for step, label in zip(steps, labels, strict=True)]
            case {"input": text, "label": label}:
                for line, told in zip(text.split("\n")[1:], label.split("\n")[1:], strict=True):
                    assert line.removesuffix("#") == told[:-1]
                    found.append((*line.removesuffix(" #").split(" is "), told[-1] == "+"))
    return found


@pytest.mark.parametrize(("name", "split"), [(name, split) for name in JUDGED for split in builtin.SPLITS])
def test_a_label_says_whether_the_answer_is_right_and_half_of_them_are(name: str, split: str) -> None:
    found = judged(name, split)
    assert len(found) >= 100
    assert all((answer == right_answer(question)) == label for question, answer, label in found)
    assert sum(label for *_, label in found) == len(found) // 2


def test_both_datasets_of_steps_hold_the_same_steps() -> None:
    assert judged("builtin/stepwise", "train") == judged("builtin/step-labels", "train")


def test_no_question_of_a_test_split_is_in_any_train_split() -> None:
    def every(split: str) -> set[str]:
        answered = {question for name in JUDGED for question, *_ in judged(name, split)}
        return answered.union(*(questions(name, split) for name in COLUMNS))

    trained, tested = every("train"), every("test")
    assert trained.isdisjoint(tested)


def test_reinforcement_learning_asks_what_no_other_dataset_teaches() -> None:
    taught = set().union(*(questions(name, "train") for name in COLUMNS if name != "builtin/questions"))
    assert taught.isdisjoint(questions("builtin/questions", "train"))


@pytest.mark.parametrize("split", builtin.SPLITS)
def test_a_thought_ends_with_the_answer_and_every_row_has_its_own_id(split: str) -> None:
    rows = builtin.rows("builtin/thoughts", split)
    assert all(row["thought"].rpartition(" ")[2].replace(",", "") == row["response"] for row in rows)
    assert len({row["id"] for row in rows}) == len(rows)


@pytest.mark.parametrize("split", builtin.SPLITS)
def test_a_rejected_answer_is_wrong_and_looks_like_the_right_one(split: str) -> None:
    for row in builtin.rows("builtin/preferences", split):
        chosen, rejected = row["chosen"][0]["content"], row["rejected"][0]["content"]
        digits = row["prompt"][0]["content"].partition(": ")[2]
        assert rejected != chosen
        assert len(rejected) == len(chosen)
        assert set(rejected) <= set(digits)


@pytest.mark.parametrize("split", builtin.SPLITS)
def test_implicit_preferences_are_the_explicit_ones_with_the_prompt_in_both_conversations(split: str) -> None:
    explicit = builtin.rows("builtin/preferences", split)
    assert builtin.rows("builtin/preferences-implicit", split) == [
        {"chosen": row["prompt"] + row["chosen"], "rejected": row["prompt"] + row["rejected"]} for row in explicit
    ]


def test_conversations_have_one_or_two_questions_and_some_a_system_message() -> None:
    shapes = {
        tuple(message["role"] for message in row["messages"]) for row in builtin.rows("builtin/conversations", "train")
    }
    one = ("user", "assistant")
    assert shapes == {one, one + one, ("system", *one), ("system", *one, *one)}


def test_sharegpt_says_the_same_as_conversations_in_its_own_words() -> None:
    roles = {"system": "system", "human": "user", "gpt": "assistant"}
    translated = [
        {"messages": [{"role": roles[turn["from"]], "content": turn["value"]} for turn in row["conversations"]]}
        for row in builtin.rows("builtin/sharegpt", "train")
    ]
    assert translated == builtin.rows("builtin/conversations", "train")


def test_answers_to_be_rewarded_are_one_digit() -> None:
    assert {row["answer"] for row in builtin.rows("builtin/questions", "train")} == set("0123456789")


def test_the_rows_are_the_same_on_every_machine() -> None:
    every = [[name, split, builtin.rows(name, split)] for name, split in EVERY_SPLIT]
    digest = hashlib.sha256(json.dumps(every).encode()).hexdigest()
    assert digest == "911c6ba9af8ea79b449808bf366d5383b389d15d51949a9e3159249833d849a1", (
        "the rows have changed: published results on them no longer compare"
    )


def test_rows_belong_to_the_caller() -> None:
    builtin.rows("builtin/preferences", "train")[0]["prompt"][0]["content"] = "spoiled"
    assert builtin.rows("builtin/preferences", "train")[0]["prompt"][0]["content"] != "spoiled"


@pytest.mark.parametrize("name", COLUMNS)
def test_every_dataset_is_described_in_one_line(name: str) -> None:
    assert builtin.describe(name)
    assert "\n" not in builtin.describe(name)


@pytest.mark.parametrize("ask", [builtin.describe, lambda name: builtin.rows(name, "train")])
def test_an_unknown_dataset_is_answered_with_those_there_are(ask: Any) -> None:
    with pytest.raises(builtin.UnknownBuiltinError) as caught:
        ask("builtin/txt")
    assert str(caught.value) == (
        "there is no dataset 'builtin/txt'; the embedded ones are builtin/text, builtin/conversations, "
        "builtin/completions, builtin/alpaca, builtin/sharegpt, builtin/preferences, builtin/preferences-implicit, "
        "builtin/thoughts, builtin/unpaired, builtin/stepwise, builtin/step-labels, builtin/rankings, builtin/questions"
    )


def test_an_unknown_split_is_answered_with_those_there_are() -> None:
    with pytest.raises(builtin.UnknownBuiltinError) as caught:
        builtin.rows("builtin/text", "validation")
    assert str(caught.value) == "builtin/text has no split 'validation'; its splits are train, test"


def test_reading_rows_imports_no_heavy_library() -> None:
    code = (
        "import sys; from recipe_engine.data import builtin; builtin.rows('builtin/text', 'train');"
        "print(sorted({'torch', 'transformers', 'datasets', 'numpy', 'tokenizers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_rankings_are_annotated_by_what_each_translation_has_lost() -> None:
    rows = {split: builtin.rows("builtin/rankings", split) for split in builtin.SPLITS}
    assert (len(rows["train"]), len(rows["test"])) == (223, 40)
    for row in [*rows["train"], *rows["test"]]:
        losses = [text.count("0") for text in row["mt_texts"]]
        assert row["scores"] == [10 - 4 * lost for lost in losses]
        assert row["analysis"] == f"A lost {losses[0]}, B lost {losses[1]}."
        assert all(text.rstrip("0") == row["src_text"][: len(text.rstrip("0"))] for text in row["mt_texts"])
    assert {tuple(row["scores"]) for row in rows["train"]} == {(a, b) for a in (10, 6, 2) for b in (10, 6, 2)}
