"""Masking secrets in text that is shown: the values that messages quote, and the source lines beside them."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TokenKind:
    """A kind of token that its own form gives away, wherever it stands. The group ``secret`` is what must not show."""

    what: str
    pattern: re.Pattern[str]
    variable: str | None = None
    """The environment variable from which the library concerned reads it."""


# Every pattern can only begin where a word begins, and what repeats is bounded or of one class: a recipe may be a MiB
# of letters, and the search must stay linear.
TOKENS = (
    TokenKind("a Hugging Face token", re.compile(r"(?<![A-Za-z0-9])(?P<secret>hf_[A-Za-z0-9]{20,})"), "HF_TOKEN"),
    TokenKind(
        "a Weights & Biases key",
        re.compile(r"(?<![A-Za-z0-9])(?P<secret>wandb_v\d_[A-Za-z0-9_]{20,}|local-[0-9a-f]{40})"),
        "WANDB_API_KEY",
    ),
    TokenKind(
        "an Anthropic key", re.compile(r"(?<![A-Za-z0-9_-])(?P<secret>sk-ant-[A-Za-z0-9_-]{20,})"), "ANTHROPIC_API_KEY"
    ),
    TokenKind(
        # Two demands beyond the prefix, so that `sk-learn-classification-data` is a name: a digit, and a long run.
        "an API key",
        re.compile(
            r"(?<![A-Za-z0-9_-])(?P<secret>sk-(?=[A-Za-z0-9_-]*\d)(?=[A-Za-z0-9_-]*[A-Za-z0-9]{16})[A-Za-z0-9_-]{20,})"
        ),
        "OPENAI_API_KEY",
    ),
    TokenKind(
        "an AWS access key",
        re.compile(r"(?<![A-Za-z0-9])(?P<secret>(?:AKIA|ASIA)[A-Z0-9]{16})(?![A-Za-z0-9])"),
        "AWS_ACCESS_KEY_ID",
    ),
    TokenKind(
        "a GitHub token",
        re.compile(r"(?<![A-Za-z0-9])(?P<secret>gh[oprsu]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})"),
        "GITHUB_TOKEN",
    ),
    TokenKind("a GitLab token", re.compile(r"(?<![A-Za-z0-9])(?P<secret>glpat-[A-Za-z0-9_-]{20,})"), "GITLAB_TOKEN"),
    TokenKind(
        "a Slack token", re.compile(r"(?<![A-Za-z0-9])(?P<secret>xox[abeprs]-(?=[A-Za-z-]*\d)[A-Za-z0-9-]{10,})")
    ),
    TokenKind("a Google API key", re.compile(r"(?<![A-Za-z0-9])(?P<secret>AIza[A-Za-z0-9_-]{35})"), "GOOGLE_API_KEY"),
    TokenKind(
        "a JSON web token",
        re.compile(r"(?<![A-Za-z0-9_-])(?P<secret>eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*)"),
    ),
    TokenKind(
        "a private key",
        re.compile(
            r"(?P<secret>-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[^-]*(?:-----END [A-Z0-9 ]{0,60}-----)?)"
        ),
    ),
    TokenKind(
        "an address with a password",
        re.compile(
            r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{0,30}://(?P<secret>[^\s/@:'\"]{0,200}:[^\s/@'\"]{1,500})@"
        ),
    ),
)

# Names whose value is a secret whatever it looks like: at the end of a key, and as a whole key. A whole word, because
# eos_token and max_tokens are no secrets.
_AT_END = (
    r"api[_-]?keys?|access[_-]?key(?:[_-]?id)?|(?:private|secret|signing|encryption)[_-]?key|secret|password|passwd"
    r"|passphrase|(?:access|api|auth|bearer|github|gitlab|hf|hub|refresh|security|service|session|wandb)[_-]?token"
)
_WHOLE = r"token|pwd|authorization"
_NAME = re.compile(rf"(?:.*[_.-])?(?:{_AT_END})|{_WHOLE}", re.IGNORECASE | re.DOTALL)
_KEY_LIKE = re.compile(r"key|token|secret|use_wandb", re.IGNORECASE)  # the last takes a key in OpenRLHF's commands
_HEX_KEY = re.compile(r"[0-9a-fA-F]{40}")
# A vocabulary's own marks, such as <|end|> and [SEP]: what `token` means to a reward function.
_SPECIAL_TOKEN = re.compile(r"<[^<>]{0,60}>|\[[^\[\]]{0,60}\]")

_ASSIGNED = re.compile(
    rf"(?<![\w.-])(?:(?:[\w.-]{{0,100}}[_.-])?(?:{_AT_END})|(?:[\w.-]{{0,100}}\.)?(?:{_WHOLE}))[\"']?[ \t]{{0,20}}[:=]"
    r"[ \t]{0,20}(?!(?:null|none|true|false|~)?[ \t]*(?:[#,}\])]|`(?:\s|$)|$))"
    r"(?P<secret>\"(?:[^\"\\\n]|\\.)*\"?|'[^'\n]*'?|[^\s\"'][^\n]*)",
    re.IGNORECASE | re.MULTILINE,
)
_ASSIGNED_HEX = re.compile(
    r"(?<![\w.-])[\w.-]{0,60}?(?:key|token|secret|use_wandb)[\w.-]{0,60}[\"']?[ \t]{0,20}[:=][ \t]{0,20}[\"']?"
    r"(?P<secret>[0-9a-f]{40})(?![0-9a-f])",
    re.IGNORECASE,
)
# A line of a private key whose first line stands elsewhere: base64, which a commit or a checksum is not.
_BASE64_LINE = re.compile(
    r"(?<![A-Za-z0-9+/=])(?P<secret>(?=[A-Za-z0-9+/]*\d)(?=[A-Za-z0-9+/]*[A-Z])(?=[A-Za-z0-9+/]*[g-z])"
    r"[A-Za-z0-9+/]{60,}={0,2})"
)
_MASKED = (*(kind.pattern for kind in TOKENS), _ASSIGNED_HEX, _ASSIGNED, _BASE64_LINE)


def redact(text: str) -> str:
    """``text`` with a ``*`` for every character of what looks like a secret.

    The length and the line breaks stay, so that a caret under a source line still points at the right column.
    """
    for pattern in _MASKED:
        text = pattern.sub(_mask, text)
    return text


def redact_tokens(text: str) -> str:
    """``text`` with a ``*`` for every character of what its own form gives away as a secret, wherever it stands."""
    for kind in TOKENS:
        text = kind.pattern.sub(_mask, text)
    return text


def secrets_in(text: str) -> list[str]:
    """The parts of ``text`` that ``redact`` hides."""
    return [match["secret"] for pattern in _MASKED for match in pattern.finditer(text)]


def token_in(text: str) -> TokenKind | None:
    """The first kind of token that ``text`` holds."""
    return next((kind for kind in TOKENS if kind.pattern.search(text)), None)


def is_named_secret(key: str, value: str) -> bool:
    """Whether a text is a secret because of the key it stands under, such as ``api_key`` or ``password``."""
    if not value.strip():
        return False
    if _NAME.fullmatch(key):
        return not _SPECIAL_TOKEN.fullmatch(value)
    return bool(_KEY_LIKE.search(key) and _HEX_KEY.fullmatch(value))


def _mask(match: re.Match[str]) -> str:
    start, end = match.span("secret")
    hidden = re.sub(r"[^\n]", "*", match["secret"])
    return match[0][: start - match.start()] + hidden + match[0][end - match.start() :]
