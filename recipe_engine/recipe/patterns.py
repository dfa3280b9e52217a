"""The forms that text in a recipe may have to have: each as a regular expression, and in words."""

from __future__ import annotations

VARIABLE = "^[A-Za-z_][A-Za-z0-9_]*$"
VARIABLES = r"^[A-Za-z_][A-Za-z0-9_]*\*?$"
MEETING = r"^[^\s:/@]+:(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$"
ADDRESS = r"^https?://[^\s/?#]+\S*$"
LETTERS = "^[A-Z]{2,26}$"
STAGE_ID = "^[a-z][a-z0-9_]{0,63}$"

IN_WORDS = {
    VARIABLE: "the name of a variable of the environment: letters, digits and _",
    VARIABLES: "the name of a variable of the environment, or how such names begin with a * after it, as in NCCL_*",
    MEETING: "HOST:PORT with a port from 1 to 65535, such as node1:29400",
    ADDRESS: "an address that begins with http:// or https://",
    LETTERS: "2 to 26 capital letters, such as ABCD",
    STAGE_ID: "small letters, digits and _, at most 64, a letter first",
}
"""What a message says of each: a value must be this."""
