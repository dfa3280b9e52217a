"""What signals do that ask this process to end, in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

_HEAD = """
import os, signal, sys
from recipe_engine.launch.asked import noted
from recipe_engine.launch.tee import Screen
from recipe_engine.pipeline.processes import Processes

def again():
    os.kill(os.getpid(), signal.SIGTERM)

"""
_NOTED = """
with noted() as asked:
    again()
    asked.ends = {ends}
again()
print("recorded")
sys.exit(128 + asked.number)
"""
_PIPELINE = """
processes = Processes(Screen())
with processes.passing_signals_on():
    {signal}
again()
print("recorded")
sys.exit(128 + processes.received)
"""


def ended(script: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-c", _HEAD + script], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.strip() + done.stderr


@pytest.mark.parametrize(
    "script", [_NOTED.format(ends=True), _PIPELINE.format(signal="again()")], ids=["run", "pipeline"]
)
def test_who_ends_as_asked_records_that_also_where_the_wish_comes_once_more(script: str) -> None:
    assert ended(script) == (143, "recorded")


@pytest.mark.parametrize(
    "script", [_NOTED.format(ends=False), _PIPELINE.format(signal="pass")], ids=["run", "pipeline"]
)
def test_who_goes_on_is_ended_by_signals_as_before(script: str) -> None:
    assert ended(script) == (-signal.SIGTERM, "")
