"""What every test relies on."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import settings

from tests.fork_server import ForkServer

# A suite started in the background (nohup, `&`, some CI runners) inherits ignored signals, and so would every process
# that a test starts: tests that send them need the dispositions of a shell's foreground.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="the long forms of tests: more cases, more repetitions")


def pytest_configure(config: pytest.Config) -> None:
    """Draw the same examples each time, so that a change is not blamed for what it did not break; the long form draws
    new ones."""
    settings.register_profile("recipe-engine", derandomize=not config.getoption("--long"))
    settings.load_profile("recipe-engine")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what only the long form has (marker ``long``)."""
    if not config.getoption("--long"):
        left_out = [item for item in items if item.get_closest_marker("long")]
        items[:] = [item for item in items if not item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    """Makes the processes of runs that have several, without the launcher."""
    server = ForkServer(tmp_path_factory.mktemp("ranks-cache"))
    yield server
    server.close()


@pytest.fixture
def times(request: pytest.FixtureRequest) -> int:
    """How often a test that repeats itself does so: the marker ``times(short, long)`` says it."""
    marker = request.node.get_closest_marker("times")
    short_and_long: Sequence[int] = marker.args
    return short_and_long[bool(request.config.getoption("--long"))]
