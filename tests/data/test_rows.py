from __future__ import annotations

import pytest

from recipe_engine.data.errors import DataError
from tests.data.support import CPT, DPO, GRPO, SFT, Row, assistant, convert, converter, problem, system, user


class TestText:
    def test_a_text_is_taken_as_it_stands(self) -> None:
        assert convert({"text": " a\n", "id": 3}, CPT) == {"text": " a\n"}
        assert convert({"body": "a"}, SFT, {"text_column": "body"}) == {"text": "a"}

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            (None, "is missing"),
            ("", "is empty"),
            (" \n", "is empty"),
            (3, "is int, not text"),
            ("a\ud800", "holds half of a surrogate pair at character 2"),
        ],
    )
    def test_what_is_no_text_is_named(self, value: object, message: str) -> None:
        assert problem({"text": value}, CPT) == f"column `text` {message}"


class TestMessages:
    def test_a_conversation_keeps_its_messages_and_its_tools(self) -> None:
        tools = [{"type": "function", "function": {"name": "f"}}]
        row = {"messages": [user("q"), assistant("a")], "tools": tools, "source": "x"}
        assert convert(row, SFT) == {"messages": [user("q"), assistant("a")], "tools": tools}

    @pytest.mark.parametrize("tools", ["[]", [], None, "", " "])
    def test_no_tools_are_left_out(self, tools: object) -> None:
        assert "tools" not in convert({"messages": [user("q"), assistant("a")], "tools": tools}, SFT)

    def test_tools_may_be_written_as_json(self) -> None:
        row = {"messages": [user("q"), assistant("a")], "tools": '[{"name": "f"}]'}
        assert convert(row, SFT)["tools"] == [{"name": "f"}]

    @pytest.mark.parametrize("tools", ["{", '{"name": "f"}', [3]])
    def test_tools_that_are_no_list_of_objects_are_named(self, tools: object) -> None:
        message = problem({"messages": [user("q"), assistant("a")], "tools": tools}, SFT)
        assert message.startswith("column `tools` ")

    def test_arguments_of_the_chat_template_are_kept(self) -> None:
        row = {"messages": [user("q"), assistant("a")], "chat_template_kwargs": {"enable_thinking": False}}
        assert convert(row, SFT)["chat_template_kwargs"] == {"enable_thinking": False}
        row["chat_template_kwargs"] = "no"  # type: ignore[assignment]
        assert problem(row, SFT).startswith("column `chat_template_kwargs` is str")

    @pytest.mark.parametrize("row", [[user("q")], [user("q"), assistant(" ")]])
    def test_a_conversation_in_which_nobody_answers_is_named(self, row: list[Row]) -> None:
        assert "assistant message" in problem({"messages": row}, SFT)

    def test_sharegpt_is_read_with_its_system_column(self) -> None:
        row = {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}], "system": "s"}
        assert convert(row, SFT) == {"messages": [system("s"), user("q"), assistant("a")]}


class TestAlpaca:
    def test_the_input_follows_the_instruction(self) -> None:
        made = convert({"instruction": "Add.", "input": "1 2", "output": "3"}, SFT)
        assert made == {"prompt": [user("Add.\n\n1 2")], "completion": [assistant("3")]}

    @pytest.mark.parametrize("given", ["", " ", None])
    def test_an_empty_input_is_left_out(self, given: str | None) -> None:
        assert convert({"instruction": "Go.", "input": given, "output": "3"}, SFT)["prompt"] == [user("Go.")]

    def test_system_and_history_come_before(self) -> None:
        row = {"instruction": "q2", "output": "a2", "system": "s", "history": [["q1", "a1"]]}
        assert convert(row, SFT)["prompt"] == [system("s"), user("q1"), assistant("a1"), user("q2")]

    @pytest.mark.parametrize("history", [["q1"], [["q1"]], [["q1", None]], [["q1", ""]]])
    def test_a_history_of_another_form_is_named(self, history: object) -> None:
        row = {"instruction": "q2", "output": "a2", "history": history}
        assert problem(row, SFT).startswith("column `history` ")

    def test_an_empty_output_is_named(self) -> None:
        assert problem({"instruction": "q", "output": ""}, SFT) == "column `output` is empty"


class TestPromptAndCompletion:
    def test_strings_stay_strings(self) -> None:
        row = {"prompt": "1 + 1 =", "completion": " 2"}
        assert convert(row, SFT) == row

    @pytest.mark.parametrize(
        ("prompt", "completion"),
        [
            ([user("q")], [assistant("a")]),
            ([user("q")], "a"),
            ("q", [assistant("a")]),
            ("q", assistant("a")),
            ([user("q")], [user("q"), assistant("a")]),
            ("q", [user("q"), assistant("a")]),
        ],
    )
    def test_where_one_is_chat_both_are_and_a_repeated_prompt_is_left_out(
        self, prompt: object, completion: object
    ) -> None:
        made = convert({"prompt": prompt, "completion": completion}, SFT)
        assert made == {"prompt": [user("q")], "completion": [assistant("a")]}

    def test_a_completion_that_begins_with_another_prompt_is_named(self) -> None:
        row = {"prompt": "q", "completion": [user("another"), assistant("a")]}
        assert problem(row, SFT).startswith("column `completion` begins with the role user")

    @pytest.mark.parametrize("completion", [[assistant("a"), user("b")], [assistant("")], "", None])
    def test_a_completion_without_an_answer_is_named(self, completion: object) -> None:
        assert problem({"prompt": "q", "completion": completion}, SFT).startswith("column `completion` ")

    def test_strings_are_wrapped_in_messages_when_asked(self) -> None:
        made = convert({"prompt": "q", "completion": "a"}, SFT, data={"wrap_in_chat": True})
        assert made == {"prompt": [user("q")], "completion": [assistant("a")]}


class TestPromptsForRewards:
    def test_a_prompt_keeps_the_answer_and_the_other_columns_for_rewards(self) -> None:
        row = {"prompt": "2+2", "answer": 4, "level": None, "tests": {"a": [1, "x"]}}
        assert convert(row, GRPO) == row

    def test_the_answer_gets_the_name_that_rewards_know(self) -> None:
        made = convert({"q": "2+2", "solution": "4"}, GRPO, {"prompt_column": "q", "answer_column": "solution"})
        assert made == {"prompt": "2+2", "answer": "4", "solution": "4"}

    def test_a_named_answer_that_is_not_there_is_named(self) -> None:
        assert problem({"prompt": "q", "a": None}, GRPO, {"answer_column": "a"}) == "column `a` is missing"

    def test_the_listed_columns_alone_are_kept(self) -> None:
        made = convert({"prompt": "q", "answer": "4", "a": 1, "b": 2}, GRPO, {"dataset_columns": ["b"]})
        assert made == {"prompt": "q", "answer": "4", "b": 2}

    @pytest.mark.parametrize("name", ["completions", "images", "trainer_state"])
    def test_a_column_with_a_name_that_rewards_are_given_already_is_refused(self, name: str) -> None:
        with pytest.raises(DataError) as caught:
            converter(["prompt", name, "level"], GRPO)
        assert caught.value.setting == "dataset_columns"
        assert caught.value.hint == "leave it out: dataset_columns: [prompt, level]"
        assert converter(["prompt", name], GRPO, {"dataset_columns": ["prompt"]}).shape == "prompt"

    def test_a_conversation_is_asked_without_its_last_answer(self) -> None:
        messages = [user("q1"), assistant("a1"), user("q2"), assistant("a2")]
        assert convert({"messages": messages}, GRPO) == {"prompt": messages[:3]}

    @pytest.mark.parametrize("messages", [[assistant("a")], [system("s"), assistant("a")]])
    def test_a_conversation_without_a_question_is_named(self, messages: list[Row]) -> None:
        assert problem({"messages": messages}, GRPO) == "column `messages` has no message before the assistant's"


class TestTemplates:
    QUESTION = "Q: {question}"

    def test_three_templates_make_a_conversation(self) -> None:
        data = {"system_prompt": "Be {mood}.", "user_prompt": "{q}?", "assistant_prompt": "{a}!"}
        row = {"q": "why", "a": "so", "mood": "brief"}
        assert convert(row, SFT, data=data) == {
            "prompt": [system("Be brief."), user("why?")],
            "completion": [assistant("so!")],
        }

    def test_system_prompt_alone_with_columns_is_the_whole_text(self) -> None:
        assert convert({"q": "why", "a": "so"}, SFT, data={"system_prompt": "{q} -> {a}"}) == {"text": "why -> so"}

    def test_with_a_chat_format_named_it_is_the_system_message_all_the_same(self) -> None:
        row = {"messages": [user("q"), assistant("a")], "mood": "brief"}
        made = convert(row, SFT, {"format": "messages"}, {"system_prompt": "Be {mood}."})
        assert made == {"messages": [system("Be brief."), user("q"), assistant("a")]}

    def test_a_user_prompt_replaces_the_prompt_of_preferences_and_prompts(self) -> None:
        data = {"system_prompt": "s", "user_prompt": "{prompt}, please"}
        made = convert({"prompt": "q", "chosen": "a", "rejected": "b"}, DPO, data=data)
        assert made["prompt"] == [system("s"), user("q, please")]
        assert made["chosen"] == [assistant("a")]
        assert convert({"prompt": "q"}, GRPO, data=data) == {"prompt": [system("s"), user("q, please")]}

    def test_a_second_system_message_is_named(self) -> None:
        row = {"messages": [system("own"), user("q"), assistant("a")]}
        assert "begins with a system message of its own" in problem(row, SFT, data={"system_prompt": "s"})

    def test_a_template_that_names_no_column_is_refused_before_any_row(self) -> None:
        with pytest.raises(DataError) as caught:
            converter(["q"], SFT, data={"user_prompt": "{qestion}", "assistant_prompt": "{q}"})
        assert (caught.value.code, caught.value.setting) == ("D407", "user_prompt")

    @pytest.mark.parametrize("row", [{"q": None, "a": "x"}, {"q": "", "a": "x"}, {"q": "x", "a": " "}])
    def test_an_empty_side_is_named(self, row: Row) -> None:
        assert "column `" in problem(row, SFT, data={"user_prompt": "{q}", "assistant_prompt": "{a}"})

    def test_columns_that_are_not_listed_cannot_be_named(self) -> None:
        message = problem({"q": "x"}, SFT, {"dataset_columns": []}, {"user_prompt": "{q}", "assistant_prompt": "a"})
        assert message == "column `q` is missing, and a prompt template names it"

    @pytest.mark.parametrize("data", [{"system_prompt": "Be brief."}, {"wrap_in_chat": True}])
    def test_plain_text_takes_no_chat_settings(self, data: Row) -> None:
        with pytest.raises(DataError) as caught:
            converter(["text"], SFT, data=data)
        assert caught.value.setting == next(iter(data))
