from __future__ import annotations

import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from recipe_engine.data.errors import RowError

from .support import Rewards, children


@pytest.fixture(scope="module")
def rewards(tmp_path_factory: pytest.TempPathFactory) -> Rewards:
    return Rewards(tmp_path_factory.mktemp("math"), {"type": "math"})


EQUAL = [
    ("1/2", r"\boxed{\frac{1}{2}}"),
    ("1/2", "The answer is 0.5"),
    (r"\frac{1}{2}", "$0.5$"),
    (r"$\frac{3}{4}$", "3/4"),
    ("18", "18 and then 19, so the answer is \\boxed{18}"),
    ("1,234", "1234"),
    ("1234", r"\boxed{1,234}"),
    ("(1,2)", "$(1,2)$"),
    (r"\{1,2\}", r"$\{2,1\}$"),
    ("50%", "0.5"),
    (r"\sqrt{8}", r"$2\sqrt{2}$"),
    ("sqrt(2)", r"$\sqrt2$"),
    ("x**2+2*x+1", "$(x+1)^2$"),
    ("pi", r"$\pi$"),
    ("1e3", "1000"),
    ("72 clips", "72"),
    ("2 pi", r"$2\pi$"),
    (r"\text{even}", r"\boxed{\text{even}}"),
]
DIFFERENT = [("18", "19"), ("18", ""), ("18", "no idea"), ("-3", "3"), ("2 pi", "2"), ("x=2", "$x=3$"), ("(1,2)", "2")]


def test_what_is_equal_as_mathematics_is_right(rewards: Rewards) -> None:
    right = rewards.scores([text for _, text in EQUAL], answer=[answer for answer, _ in EQUAL])
    assert dict(zip(EQUAL, right, strict=True)) == dict.fromkeys(EQUAL, 1.0)


def test_what_is_not_is_wrong(rewards: Rewards) -> None:
    right = rewards.scores([text for _, text in DIFFERENT], answer=[answer for answer, _ in DIFFERENT])
    assert dict(zip(DIFFERENT, right, strict=True)) == dict.fromkeys(DIFFERENT, 0.0)


def test_references_may_be_numbers_or_stand_after_a_pattern(tmp_path: Path) -> None:
    made = Rewards(tmp_path, {"type": "math", "answer_pattern": "#### (.+)|^(?!.*####)(.+)"})
    assert made.scores(["18"], answer=["9 + 9\n#### 18"]) == [1]


def test_what_takes_too_long_is_wrong_and_counted_and_the_next_is_scored(tmp_path: Path) -> None:
    made = Rewards(tmp_path, {"type": "math", "timeout": 1.0, "concurrency": 1})
    made.scores(["1"], answer=["1"])  # the process is running
    begin = time.monotonic()
    assert made.scores([r"$9^{9^{9^{9}}}$", "2"], answer=["1", "2"]) == [0, 1]
    assert time.monotonic() - begin < 30
    assert made.mean("rewards/math/timed_out") == 0.5


@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
def test_a_signal_to_every_process_ends_none_that_scores(tmp_path: Path) -> None:
    """As Slurm sends it: whoever asks ends its step, for which it needs the answer."""
    others = children()
    made = Rewards(tmp_path, {"type": "math", "concurrency": 1})
    assert made.scores(["1"], answer=["1"]) == [1]
    (scores,) = children() - others
    os.kill(scores, signal.SIGTERM)
    assert made.scores(["1/2"], answer=["0.5"]) == [1]
    assert children() - others == {scores}


def test_it_works_in_threads_where_alarm_signals_do_not(rewards: Rewards) -> None:
    with ThreadPoolExecutor(2) as threads:
        done = list(threads.map(lambda n: rewards.scores([f"${n}$"], answer=["1"]), [1, 2]))
    assert done == [[1], [0]]


def test_a_fork_has_processes_of_its_own(rewards: Rewards) -> None:
    rewards.scores(["1"], answer=["1"])
    child = os.fork()
    if child == 0:
        os._exit(0 if rewards.scores(["3/6"], answer=["1/2"]) == [1] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert rewards.scores(["1"], answer=["1"]) == [1]


@pytest.mark.parametrize("row", [{}, {"answer": None}, {"answer": " "}, {"answer": "$$"}])
def test_a_row_whose_reference_cannot_be_read_is_named(rewards: Rewards, row: dict[str, Any]) -> None:
    rewards.check({"answer": 18})
    with pytest.raises(RowError, match="column `answer`"):
        rewards.check(row)
