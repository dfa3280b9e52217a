"""The reward function that rewards.yaml names."""

from __future__ import annotations


def nearness(completion, answer, **columns):
    """Score one completion: 1 for the right digit, less the further it is off, 0 for anything but a digit.

    It is called once for each completion, since it names `completion`. Of the mapping that it returns, `score` counts,
    and the other numbers are logged: rewards/nearness/exact.
    """
    said = completion[-1]["content"].strip()
    if not (len(said) == 1 and said.isdecimal()):
        return {"score": 0.0, "exact": False}
    return {"score": 1 - abs(int(said) - int(answer)) / 9, "exact": said == answer}
