"""A second process for the pictures: it loads Matplotlib while the runs are read, and draws half of the charts.

Only to save time: whatever it does not do, for whatever reason, is drawn in this process.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from easiedge.child import import_path, module_command
from easiedge.report.page.chart import Chart

DONE = b"drawn"
FEW = 4  # charts that are not worth a second process


class Painter:
    """Started at once; `draw` shares the charts with it; leaving the context ends it."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        with contextlib.suppress(OSError):
            self.process = subprocess.Popen(
                module_command("easiedge.report.page.painter"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, env={**os.environ, **import_path()},
            )  # fmt: skip

    def __enter__(self) -> Painter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None:
            assert self.process.stdin is not None and self.process.stdout is not None
            with contextlib.suppress(OSError):
                self.process.stdin.close()
            self.process.kill()
            self.process.stdout.close()
            self.process.wait()

    def draw(self, charts: Sequence[Chart], folder: Path) -> list[Path]:
        """All pictures, as `write_pictures` would; half of the charts are drawn over there."""
        there = self._send(charts[1::2], folder) if len(charts) > FEW else False
        from easiedge.report.page.paper import files_of, write_pictures

        write_pictures(charts[::2] if there else charts, folder)
        if there and not self._done():
            write_pictures(charts[1::2], folder)
        return [path for chart in charts for path in files_of(chart, folder)]

    def _send(self, charts: Sequence[Chart], folder: Path) -> bool:
        if self.process is None or self.process.poll() is not None:
            return False
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(pickle.dumps((list(charts), folder.absolute())))
            self.process.stdin.close()
        except OSError:
            return False
        return True

    def _done(self) -> bool:
        assert self.process is not None and self.process.stdout is not None
        return self.process.stdout.read() == DONE


def _work() -> None:
    """What the second process does: load what drawing needs, wait for charts, draw them."""
    from easiedge.report.page.paper import write_pictures

    sent = sys.stdin.buffer.read()  # from the process that started this one
    if sent:
        write_pictures(*pickle.loads(sent))
        sys.stdout.buffer.write(DONE)


if __name__ == "__main__":
    _work()
