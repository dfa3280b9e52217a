from __future__ import annotations

import io
import os

import pytest

from recipe_engine.launch.tee import Screen, Tee, last_state


class Silent(Screen):
    """Remembers what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = b""

    def write(self, block: bytes) -> None:
        self.shown += block


def copied(*blocks: bytes) -> tuple[bytes, bytes, Tee]:
    """What the screen and the log get of blocks that come one after the other."""
    source, inlet = os.pipe()
    screen, log = Silent(), io.BytesIO()
    tee = Tee(source, screen, log)  # type: ignore[arg-type]  # BytesIO writes as a raw file does
    for block in blocks:
        os.write(inlet, block)
        assert tee.step(1)
    os.close(inlet)
    assert not tee.step(1)
    assert tee.ended
    tee.close()
    os.close(source)
    return screen.shown, log.getvalue(), tee


@pytest.mark.parametrize(
    ("line", "state"),
    [
        (b"plain", b"plain"),
        (b"from a terminal\r", b"from a terminal"),
        (b"10%\r20%\r30%", b"30%"),
        (b"\r  5%|#|\r                \rstep 1  loss 2\r", b"step 1  loss 2"),
        (b"\x1b[1;31merror\x1b[0m: x\x1b[K", b"error: x"),
        (b"\x1b]0;title\x07text\x1b]8;;http://a\x1b\\link", b"textlink"),
        ("日本\x1b[2K語".encode(), "日本語".encode()),
        (b"", b""),
        (b"\r\r", b""),
    ],
)
def test_a_line_is_logged_as_it_was_last_seen(line: bytes, state: bytes) -> None:
    assert last_state(line) == state


def test_the_screen_gets_every_byte_and_the_log_finished_lines() -> None:
    shown, log, _ = copied(b"one\ntw", b"o\r\nthr", b"ee")
    assert shown == b"one\ntwo\r\nthree"
    assert log == b"one\ntwo\nthree\n"


def test_a_line_break_of_a_terminal_may_be_cut_in_two() -> None:
    assert copied(b"one\r", b"\ntwo\r\n")[1] == b"one\ntwo\n"


def test_a_character_may_be_cut_in_two() -> None:
    word = "日本".encode()
    assert copied(word[:4], word[4:] + b"\n")[1] == word + b"\n"


def test_a_bar_that_is_drawn_for_days_takes_no_memory() -> None:
    _, log, tee = copied(*[b"\r" + b"x" * 1000] * 100, b"\rdone\n")
    assert log == b"done\n"
    assert len(tee.line) == 0
    source, inlet = os.pipe()
    tee = Tee(source, Silent(), io.BytesIO())  # type: ignore[arg-type]
    for _ in range(50):
        os.write(inlet, b"\r" + b"x" * 1000)
        tee.step(1)
        assert len(tee.line) <= 1001
    os.close(inlet)
    os.close(source)


def test_a_finished_bar_is_not_logged_and_what_only_looks_a_bit_like_one_is() -> None:
    bars = [
        "100%|██████████| 30/30 [00:40<00:00,  1.36s/step]",
        "Loading weights: 100%|████| 24/24 [00:00<00:00, 27213.65it/s]",
        "  7%|7         | 2/30 [00:01<?, ?it/s]",
        "Map (num_proc=2): 100%|##########| 1.0k/1.0k [00:01<00:00]",
    ]
    lines = ["100% of the rows are invalid", "a | 1/2 [x]", "step 1/30  loss 2"]
    text = "\n".join([f"\r  0%|  | 0/3 [00:00<?]\r{bar}" for bar in bars] + lines) + "\n"
    assert copied(text.encode())[1].decode().splitlines() == lines


def test_an_empty_line_stays_and_what_only_steers_the_terminal_at_the_end_is_left_out() -> None:
    assert copied(b"a\n\nb\n\x1b[?25h")[1] == b"a\n\nb\n"


def test_waiting_for_output_that_does_not_come_ends() -> None:
    source, inlet = os.pipe()
    assert not Tee(source, Silent(), io.BytesIO()).step(0.01)  # type: ignore[arg-type]
    os.close(inlet)
    os.close(source)
