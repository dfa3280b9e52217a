from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recipe_engine.data.errors import RowError
from recipe_engine.runtime.errors import RunError

from .support import Rewards, scores


class TestJson:
    @pytest.mark.parametrize(
        "text", ['{"a": 1}', " [1, 2] ", "```json\n{}\n```", 'First:\n```json\n{"a": 1}\n```\nDone.', "3"]
    )
    def test_json_is_worth_1(self, tmp_path: Path, text: str) -> None:
        assert scores(tmp_path, {"type": "json"}, [text]) == [1]

    @pytest.mark.parametrize("text", ["", "{a: 1}", '{"a": 1} and so on', "NaN", '{"a": 1, "a": 2}', "[" * 10**5])
    def test_anything_else_0(self, tmp_path: Path, text: str) -> None:
        assert scores(tmp_path, {"type": "json"}, [text]) == [0]

    def test_a_code_block_may_be_refused(self, tmp_path: Path) -> None:
        assert scores(tmp_path, {"type": "json", "fenced": False}, ["```json\n{}\n```"]) == [0]

    def test_keys_and_their_types_may_be_required(self, tmp_path: Path) -> None:
        reward = {"type": "json", "required": {"city": "string", "people": "integer"}}
        good = {"city": "Rome", "people": 3}
        bad = [{"city": "Rome"}, {**good, "people": True}, {**good, "people": 3.5}, {**good, "city": None}, [good]]
        assert scores(tmp_path, reward, [json.dumps(one) for one in [good, *bad]]) == [1, 0, 0, 0, 0, 0]

    def test_a_schema_may_be_asked_for(self, tmp_path: Path) -> None:
        schema = {"type": "array", "items": {"$ref": "#/$defs/n"}, "$defs": {"n": {"type": "number", "maximum": 5}}}
        rewards = Rewards(tmp_path, {"type": "json", "json_schema": schema})
        assert rewards.scores(["[1, 5]", "[6]", "1", "["]) == [1, 0, 0, 0]
        assert rewards.mean("rewards/json/parsed") == 0.75

    def test_a_schema_that_is_none_is_told_before_training(self, tmp_path: Path) -> None:
        with pytest.raises(RunError, match="json_schema is no JSON Schema"):
            scores(tmp_path, {"type": "json", "json_schema": {"type": "txt"}}, ["1"])

    def test_another_document_is_never_fetched(self, tmp_path: Path) -> None:
        with pytest.raises(RunError, match="refers to"):
            scores(tmp_path, {"type": "json", "json_schema": {"$ref": "http://127.0.0.1:9/schema.json"}}, ["1"])


def call(name: str = "search", **arguments: Any) -> str:
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


class TestToolCalls:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (call(q="x"), 1),
            (f"I search. {call()}{call('open', page=1)}", 1),
            ("no call", 0),
            ("<tool_call>{}</tool_call>", 0),
            ("<tool_call>search(x)</tool_call>", 0),
            (call().replace("</tool_call>", ""), 0),
            (call() + "<tool_call>nonsense</tool_call>", 0),
            ('<tool_call>{"name": "search", "arguments": "{\\"q\\": 1}"}</tool_call>', 1),
            ('<tool_call>{"name": "search", "arguments": [1]}</tool_call>', 0),
        ],
    )
    def test_a_call_in_valid_form_is_worth_1(self, tmp_path: Path, text: str, expected: float) -> None:
        assert scores(tmp_path, {"type": "tool_call"}, [text]) == [expected]

    def test_calls_of_the_chat_message_count(self, tmp_path: Path) -> None:
        message = {
            "role": "assistant",
            "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {}}}],
        }
        assert scores(tmp_path, {"type": "tool_call"}, [[message]]) == [1]

    def test_only_known_tools_may_be_called(self, tmp_path: Path) -> None:
        tools = [{"type": "function", "function": {"name": "search", "parameters": {}}}]
        reward = {"type": "tool_call", "tools_column": "tools"}
        assert scores(tmp_path, reward, [call(), call("open")], tools=[tools, json.dumps(tools)]) == [1, 0]

    def test_the_right_calls_may_be_asked_for(self, tmp_path: Path) -> None:
        reward = {"type": "tool_call", "answer_column": "calls"}
        right = [{"name": "search", "arguments": {"q": "x", "n": 1}}, {"name": "open", "arguments": {}}]
        texts = [call("open") + call(n=1, q="x"), call(n=1, q="x"), call("open") + call(n=2, q="x")]
        rewards = Rewards(tmp_path, reward)
        assert rewards.scores(texts, calls=[right] * 3) == [1, 0, 0]
        assert rewards.mean("rewards/tool_call/valid") == 1

    def test_a_row_without_tools_or_calls_is_named(self, tmp_path: Path) -> None:
        rewards = Rewards(tmp_path, {"type": "tool_call", "tools_column": "tools", "answer_column": "calls"})
        rewards.check({"tools": ["search"], "calls": {"name": "search"}})
        with pytest.raises(RowError, match="column `tools`"):
            rewards.check({"tools": [], "calls": {"name": "search"}})
        with pytest.raises(RowError, match="column `calls`"):
            rewards.check({"tools": ["search"], "calls": "search"})
