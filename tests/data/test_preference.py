from __future__ import annotations

import pytest

from tests.data.support import DPO, Row, assistant, convert, problem, system, user

CHAT = {"prompt": [user("q")], "chosen": [assistant("good")], "rejected": [assistant("bad")]}


def test_plain_strings_stay_strings() -> None:
    row = {"prompt": "q", "chosen": "good", "rejected": "bad"}
    assert convert(row, DPO) == row


@pytest.mark.parametrize(
    "row",
    [
        CHAT,
        {"prompt": [user("q")], "chosen": "good", "rejected": "bad"},
        {"prompt": "q", "chosen": [assistant("good")], "rejected": [assistant("bad")]},
        {"prompt": "q", "chosen": assistant("good"), "rejected": assistant("bad")},
        {"prompt": "q", "chosen": [user("q"), assistant("good")], "rejected": [user("q"), assistant("bad")]},
        {"chosen": [user("q"), assistant("good")], "rejected": [user("q"), assistant("bad")]},
        {"prompt": None, "chosen": [user("q"), assistant("good")], "rejected": [user("q"), assistant("bad")]},
        {
            "conversations": [{"from": "human", "value": "q"}],
            "chosen": {"from": "gpt", "value": "good"},
            "rejected": {"from": "gpt", "value": "bad"},
        },
        {"messages": [user("q")], "chosen": "good", "rejected": "bad"},
    ],
)
def test_every_way_of_writing_a_chat_preference_becomes_the_same_row(row: Row) -> None:
    assert convert(row, DPO) == CHAT


def test_a_system_column_begins_the_conversation_before() -> None:
    row = {"conversations": [user("q")], "system": "s", "chosen": "good", "rejected": "bad"}
    assert convert(row, DPO)["prompt"] == [system("s"), user("q")]


def test_a_dialogue_of_several_turns_parts_at_the_last() -> None:
    before = [user("q1"), assistant("a1"), user("q2")]
    made = convert({"chosen": [*before, assistant("good")], "rejected": [*before, assistant("bad")]}, DPO)
    assert made == {**CHAT, "prompt": before}


def test_a_written_dialogue_is_cut_after_the_speaker_not_at_the_words_both_begin_with() -> None:
    before = "\n\nHuman: hi\n\nAssistant: yes?\n\nHuman: tell me\n\nAssistant:"
    made = convert({"chosen": f"{before} I would", "rejected": f"{before} I could"}, DPO)
    assert made == {"prompt": before, "chosen": " I would", "rejected": " I could"}


def test_other_text_is_cut_between_words() -> None:
    made = convert({"chosen": "The sky is blue", "rejected": "The sky is black"}, DPO)
    assert made == {"prompt": "The sky is", "chosen": " blue", "rejected": " black"}


def test_tools_are_kept() -> None:
    assert convert({**CHAT, "tools": [{"name": "f"}]}, DPO)["tools"] == [{"name": "f"}]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "q", "chosen": "a", "rejected": "a"}, "column `rejected` is the same as `chosen`"),
        ({"prompt": "q", "chosen": "", "rejected": "a"}, "column `chosen` is empty"),
        ({"prompt": "", "chosen": "a", "rejected": "b"}, "column `prompt` is empty"),
        ({"prompt": "q", "chosen": "a", "rejected": None}, "column `rejected` is missing"),
        ({"prompt": "q", "chosen": [assistant("a")], "rejected": "b"}, "column `rejected` and `chosen` must both"),
        ({"chosen": "good", "rejected": "bad"}, "column `chosen` does not begin like the rejected one"),
        ({"chosen": " a", "rejected": " b"}, "column `chosen` does not begin like the rejected one"),
        ({"chosen": assistant("a"), "rejected": assistant("b")}, "column `chosen` does not begin like"),
        (
            {"chosen": [user("q"), assistant("a")], "rejected": [user("q"), assistant("a"), assistant("b")]},
            "column `chosen` and the rejected one leave one response empty",
        ),
        (
            {"chosen": "x\n\nAssistant:", "rejected": "x\n\nAssistant: b"},
            "column `chosen` and the rejected one leave one response empty",
        ),
        (
            {
                "chosen": [system("s"), user("q1"), assistant("a")],
                "rejected": [system("s"), user("q2"), assistant("b")],
            },
            "column `chosen` and the rejected one part at a message of the role user",
        ),
        (
            {"prompt": "q ", "chosen": [user("q"), assistant("a")], "rejected": [user("q"), assistant("b")]},
            "column `chosen` begins with the role user and not with the messages of the prompt",
        ),
        (
            {"prompt": "q", "chosen": [assistant("a"), user("x")], "rejected": [assistant("b")]},
            "column `chosen` ends with the role user",
        ),
    ],
)
def test_a_row_without_a_preference_is_named(row: Row, message: str) -> None:
    assert problem(row, DPO).startswith(message)
