"""What a chat template makes of thoughts: some leave them out of earlier turns, some out of every turn."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from typing import Any, Literal

from recipe_engine.data.messages import Message
from recipe_engine.data.thinking import begins_thought, render
from recipe_engine.recipe.thinking import ThinkingBlock

Survival = Literal["all", "last", "none"]
"""Which thoughts a template renders: those of all turns, of the last turn alone, or none."""
Render = Callable[[list[Message], bool], str]
"""Renders messages; the second argument asks for the beginning of the assistant's next turn."""

# Published templates, by the model's name on the Hub; measured with ``survival`` on the templates themselves.
KNOWN: tuple[tuple[re.Pattern[str], Survival], ...] = (
    (re.compile(r"deepseek-ai/deepseek-r1.*", re.IGNORECASE), "none"),
    (re.compile(r"qwen/(?:qwq-32b.*|qwen3(?:\.[56])?-(?!.*(?:instruct|coder|-base|-vl)).*)", re.IGNORECASE), "last"),
    (re.compile(r"(?:zai-org|thudm)/glm-4\.[5-9].*", re.IGNORECASE), "last"),
)
_GENERATION = re.compile(r"\{%-?\s*(?:end)?generation\s*-?%\}")
_THOUGHTS = ("a first thought", "a second thought")


def survival(thinking: ThinkingBlock, template: Render) -> Survival:
    """Which thoughts of a conversation are in its rendered text.

    Raises:
        Exception: whatever the template raises for a question with an answer.
    """
    first, second = (render(thinking, thought, "An answer.") for thought in _THOUGHTS)
    turn = [{"role": "user", "content": "A question?"}, {"role": "assistant", "content": second}]
    if _THOUGHTS[1] not in template(turn, False):
        return "none"
    earlier = [{"role": "user", "content": "An earlier one?"}, {"role": "assistant", "content": first}]
    return "all" if _THOUGHTS[0] in template([*earlier, *turn], False) else "last"


def opens_thought(thinking: ThinkingBlock, template: Render) -> bool:
    """Whether the template itself begins the assistant's turn with the opening tag."""
    return begins_thought(thinking, template([{"role": "user", "content": "A question?"}], True))


def known_survival(name: str) -> Survival | None:
    """What the template of a model on the Hub does, where that is known."""
    return next((survives for pattern, survives in KNOWN if pattern.fullmatch(name)), None)


def template_of(folder: str) -> str | None:
    """The chat template of a model in a local folder; none where it has none, or it cannot be read."""
    try:
        with open(os.path.join(folder, "chat_template.jinja"), encoding="utf-8") as file:
            return file.read()
    except (OSError, ValueError):
        pass
    try:
        with open(os.path.join(folder, "tokenizer_config.json"), encoding="utf-8") as file:
            found = json.load(file).get("chat_template")
    except (OSError, ValueError, AttributeError):
        return None
    if isinstance(found, list):
        found = next((one["template"] for one in found if isinstance(one, dict) and one.get("name") == "default"), None)
    return found if isinstance(found, str) else None


def renderer(source: str) -> Render | None:
    """A function that renders with the text of a template, as transformers does; none where jinja2 is not installed.

    It comes with the ``train`` extra. The template runs in jinja2's sandbox; where it fails a ``ValueError`` is raised.
    """
    try:
        from jinja2 import TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment
    except ImportError:
        return None
    failures = (TemplateError, ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)

    def refuse(message: str) -> None:
        raise ValueError(message)

    def as_json(value: Any, **how: Any) -> str:
        return json.dumps(value, ensure_ascii=False, indent=how.get("indent"))

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = as_json
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda form: "today"

    def render_messages(messages: list[Message], opening: bool) -> str:
        try:
            template = environment.from_string(_GENERATION.sub("", source))
            return template.render(messages=messages, add_generation_prompt=opening, bos_token="", eos_token="")
        except failures as error:
            raise ValueError(str(error)) from error

    return render_messages
