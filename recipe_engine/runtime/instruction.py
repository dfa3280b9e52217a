"""A chat template that begins every conversation with an instruction (``thinking.instruction``).

It is put before the text of any template, so the model that is saved, and every program that renders with its
tokenizer, has it too.
"""

from __future__ import annotations

import json

_BEGIN, _END = "{#- thinking.instruction -#}", "{#- end of thinking.instruction -#}"
_BODY = (
    "{%%- set instruction = %s -%%}"
    "{%%- if messages and messages[0]['role'] == 'system' -%%}"
    "{%%- set messages = [{'role': 'system', 'content': instruction ~ '\\n\\n' ~ messages[0]['content']}]"
    " + messages[1:] -%%}"
    "{%%- else -%%}"
    "{%%- set messages = [{'role': 'system', 'content': instruction}] + messages -%%}"
    "{%%- endif -%%}"
)


def with_instruction(template: str, instruction: str) -> str:
    """The template with an instruction before its first message, in place of one that it has from an earlier run."""
    # Jinja reads the escapes of JSON, but for the halves of surrogate pairs, which are not made here.
    return f"{_BEGIN}{_BODY % json.dumps(instruction, ensure_ascii=False)}{_END}{parted(template)[1]}"


def parted(template: str) -> tuple[str, str]:
    """What ``with_instruction`` put before a template, and the template."""
    if not template.startswith(_BEGIN):
        return "", template
    head, end, rest = template.partition(_END)
    return head + end, rest
