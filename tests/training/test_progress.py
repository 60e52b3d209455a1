"""Progress on a terminal and in a file."""

from __future__ import annotations

import io

import pytest
from training import tiny

from easiedge.training.fit import fit
from easiedge.training.progress import EpochProgress, clock
from easiedge.training.recipe import Recipe


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _run(stream: io.StringIO) -> str:
    fit(
        tiny.network(),
        tiny.loader(),
        tiny.loader(64),
        Recipe(epochs=3),
        callbacks=[EpochProgress("fine-tuning", stream)],
        progress=False,
        seed=0,
    )
    return stream.getvalue()


def test_a_line_an_epoch_with_the_time_left() -> None:
    lines = _run(io.StringIO()).splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("fine-tuning: epoch 1/3  train loss ")
    assert "val accuracy" in lines[2]
    assert lines[2].endswith("0:00 left")


def test_a_bar_on_a_terminal_that_is_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    text = _run(_Terminal())
    assert "fine-tuning 3/3  val accuracy" in text
    assert "18/18" in text
    assert text.endswith("\x1b[2K")  # the last thing written erases the bar


@pytest.mark.parametrize(("seconds", "shown"), [(0.4, "0:00"), (59.6, "1:00"), (61, "1:01"), (3661, "1:01:01")])
def test_clock(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown
