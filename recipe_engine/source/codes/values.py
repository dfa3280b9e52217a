"""S123 to S126: single values."""

from __future__ import annotations

VALUES = (
    """S123 integer-out-of-range (error)

The integer does not fit into 64 bits, so no counter or tensor can hold it. Often it is an identifier made of digits,
which belongs in quotes.

Fails:
    training:
      seed: 99999999999999999999
Passes:
    training:
      seed: 42
""",
    """S124 not-finite (error)

The number is infinite, not a number, or too large for a 64-bit float. As a setting it would turn the loss into NaN
some steps later. Write a finite number, or leave the key out to get its default.

Fails:
    training:
      max_grad_norm: .inf
Passes:
    training:
      max_grad_norm: 1.0
""",
    """S125 unusual-space (error)

A blank here is not a plain space but, for instance, the no-break space U+00A0, which text copied from web pages and
documents contains. It looks the same, but YAML takes it for a letter: as indentation or around a value it becomes
part of the key or the value. Replace it by a plain space.

Fails:
    training:  # the next line starts with two no-break spaces
    \u00a0\u00a0algorithm: sft
Passes:
    training:
      algorithm: sft
""",
    """S126 leading-zero (note)

An integer starts with a zero. YAML 1.2, and so a recipe, reads it as decimal; YAML 1.1, which many programs still
follow, as octal: 010 is 10 here and 8 there. Leave the zero out, or put the value in quotes if it is text.

Fails:
    training:
      save_steps: 010
Passes:
    training:
      save_steps: 10
""",
)
