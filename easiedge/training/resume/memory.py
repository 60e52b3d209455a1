"""What a run remembers of its training stages, in its ``checkpoints/``: the ends of those that are done, two states of the one under way."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from easiedge.errors import EasiEdgeError
from easiedge.model.digest import UndigestibleError, digest
from easiedge.processes import first, told
from easiedge.sealed import SealError, read_sealed, write_sealed
from easiedge.training.resume.pace import Pace

log = logging.getLogger(__name__)
KEPT, END = 2, "end.sealed"


class RunMemory:
    """The stages of a run in the order they come.

    Args:
        directory: a folder for each stage is made in it.
        fingerprint: of all that decides the run beside its stages: configuration, code, machine.
        pace: how often a stage under way is saved.
    """

    def __init__(self, directory: Path, fingerprint: str, pace: Pace | None = None) -> None:
        self.directory, self.fingerprint, self.pace = directory, fingerprint, pace or Pace()
        self.number = 0

    def stage(self, label: str, *what: Any) -> StageMemory | None:
        """The next stage, which ``what`` decides; None where that cannot be told, and the stage is then trained anew each time."""
        self.number += 1
        try:
            key = digest("stage", self.fingerprint, self.number, label, list(what))
        except UndigestibleError as reason:
            log.debug("%s is not remembered: %s", label, reason)
            return None
        name = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")[:40]
        return StageMemory(self.directory / f"{self.number:03d}-{name}", key, self.pace)

    def forget(self) -> None:
        """Remove all of it: the run is finished."""
        for folder in self.directory.glob("[0-9][0-9][0-9]-*"):
            shutil.rmtree(folder, ignore_errors=True)


class StageMemory:
    """One stage.

    Args:
        folder: made when the first file is written.
        key: what is found under another one is of another run, and removed.
        pace: see `RunMemory`.
    """

    def __init__(self, folder: Path, key: str, pace: Pace) -> None:
        self.folder, self.key, self.pace = folder, key, pace
        self.warned = False

    def finished(self) -> dict[str, Any] | None:
        """What `finish` was given; None where the stage has not come to its end.  The first process reads, for all."""
        return told(self._read(self.folder / END) if first() else None)

    def latest(self) -> dict[str, Any] | None:
        """The last state that can be read; a damaged one is named and the one before is taken.  The first process reads, for all."""
        return told(self._latest() if first() else None)

    def _latest(self) -> dict[str, Any] | None:
        for path in reversed(self._states()):
            found = self._read(path)
            if found is not None:
                return found
        return None

    def save(self, step: int, content: Mapping[str, Any]) -> None:
        """Keep a state, and the one before it."""
        if self._write(f"step-{step:09d}.sealed", content):
            for old in self._states()[:-KEPT]:
                old.unlink(missing_ok=True)

    def finish(self, content: Mapping[str, Any]) -> None:
        """Keep the end, in place of the states."""
        if self._write(END, content):
            for old in self._states():
                old.unlink(missing_ok=True)

    def _write(self, name: str, content: Mapping[str, Any]) -> bool:
        """Whether it was written, by the first process: a full disk costs what could be gone on from, and not the run."""
        if not first():
            return False
        try:
            write_sealed(self.folder / name, {"key": self.key, "content": dict(content)})
        except EasiEdgeError as error:
            level = logging.DEBUG if self.warned else logging.WARNING  # once for a stage
            log.log(level, "the state of this stage is not saved, and the run goes on: %s", error)
            self.warned = True
            return False
        return True

    def _states(self) -> list[Path]:
        return sorted(self.folder.glob("step-*.sealed"))

    def _read(self, path: Path) -> dict[str, Any] | None:
        try:
            found = read_sealed(path)
        except FileNotFoundError:
            return None
        except SealError as error:
            log.warning("%s; an earlier state is used", error)
            return None
        if found.get("key") == self.key:
            return dict(found["content"])
        log.info("what %s remembers is of other settings, code or machine: this stage begins anew", self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)
        return None
