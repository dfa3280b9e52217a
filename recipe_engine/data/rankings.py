"""What a ranking model is asked, and the form of its verdict, after GRRM.

Candidates are labelled A to H in the order of their list; their true scores are whole numbers from 0 to 10.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from string import ascii_uppercase

MOST_CANDIDATES = 8
LEAST_SCORE, MOST_SCORE = 0, 10


@dataclass(frozen=True, slots=True)
class Group:
    """A source text and the candidates of one question, in the order of their letters."""

    source: str
    languages: tuple[str, str]
    texts: tuple[str, ...]
    scores: tuple[int, ...]

    def reordered(self, order: Sequence[int]) -> Group:
        """The candidates at these places, labelled anew: texts and scores together."""
        texts, scores = tuple(self.texts[i] for i in order), tuple(self.scores[i] for i in order)
        return Group(self.source, self.languages, texts, scores)


def question(group: Group) -> str:
    """What the model is asked."""
    source, target = group.languages
    candidates = "\n\n".join(
        f"Translation {letter}:\n```\n{text}\n```" for letter, text in zip(ascii_uppercase, group.texts, strict=False)
    )
    return (
        f"Below are a text in {source} and {len(group.texts)} translations of it into {target}. Compare the "
        "translations step by step: what each gets right, and what it gets wrong. Then rank them, and give each a "
        f"whole number from {LEAST_SCORE} (useless) to {MOST_SCORE} (perfect).\n\n"
        f"Text in {source}:\n```\n{group.source}\n```\n\n{candidates}\n\n"
        "End your answer with the two sections below. Write `>` between translations of different worth and `=` "
        "between those of the same.\n\n### Final Ranking:\nB > A = C\n\n### Scores:\n{B: 8, A: 5, C: 5}"
    )


def verdict(group: Group) -> str:
    """The ranking and the scores: by score, then by letter; ties by ``=``."""
    ranked = sorted(zip(group.scores, ascii_uppercase, strict=False), key=lambda one: (-one[0], one[1]))
    ranking = ranked[0][1]
    for (before, _), (score, letter) in pairwise(ranked):
        ranking += f" {'=' if score == before else '>'} {letter}"
    scores = ", ".join(f"{letter}: {score}" for score, letter in ranked)
    return f"### Final Ranking:\n{ranking}\n\n### Scores:\n{{{scores}}}"
