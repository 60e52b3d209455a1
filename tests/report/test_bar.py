"""Progress lines where there is no terminal: about ten, each once, with an estimate that leaves earlier sittings out."""

import io
import logging
import sys

from easiedge.report.bar import Bar


def lines(caplog):
    return [r.getMessage() for r in caplog.records]


def test_about_ten_lines_and_the_last_once(caplog):
    with caplog.at_level(logging.INFO), Bar(100, "oracle", "units") as bar:
        for done in [*range(1, 101), 100, 100]:
            bar.reach(done)
    found = lines(caplog)
    assert len(found) == 10 and found[-1].startswith("oracle: 100 of 100 units, 0:00 left")


def test_what_an_earlier_sitting_did_is_not_counted_as_speed(caplog, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("easiedge.report.bar.time.monotonic", lambda: now[0])
    with caplog.at_level(logging.INFO), Bar(100, "oracle", "units") as bar:
        bar.reach(50)  # found in the file
        now[0] = 10.0
        bar.reach(60)  # ten in ten seconds
    assert lines(caplog)[-1] == "oracle: 60 of 100 units, 0:40 left"


def test_a_name_on_a_terminal_is_no_markup(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setenv("TERM", "xterm")
    with Bar(2, "study", "cells") as bar:
        bar.step("[conv1] and a[/b]")
    assert "study [conv1] and a[/b]" in shown.getvalue()
