"""What a run remembers of its training stages, in its ``checkpoints/``: the ends of those that are done, two states of the one under way."""

from __future__ import annotations

import logging
import re
import shutil
import time
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
FORM = 1  # of what is kept; another one is not read


class RunMemory:
    """The stages of a run in the order they come.

    Args:
        directory: a folder for each stage is made in it.
        fingerprint: of all that decides the run beside its stages.
        circumstances: under which its bits come out as they do: code, machine, threads.  Under others a run goes on, and says so.
        pace: how often a stage under way is saved.

    Attributes:
        earlier: seconds of stages, or of their beginnings, that earlier sessions trained and this one did not.
    """

    def __init__(
        self,
        directory: Path,
        fingerprint: str,
        circumstances: Mapping[str, Any] | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.directory, self.fingerprint, self.pace = directory, fingerprint, pace or Pace()
        self.circumstances = {name: str(value) for name, value in (circumstances or {}).items()}
        self.number, self.earlier = 0, 0.0
        self._said = False

    def stage(self, label: str, *what: Any) -> StageMemory | None:
        """The next stage, which ``what`` decides; None where that cannot be told, and the stage is then trained anew each time."""
        self.number += 1
        try:
            key = digest("stage", FORM, self.fingerprint, self.number, label, list(what))
        except UndigestibleError as reason:
            log.debug("%s is not remembered: %s", label, reason)
            return None
        name = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")[:40]
        return StageMemory(self.directory / f"{self.number:03d}-{name}", key, self)

    def compare(self, circumstances: Any, where: Path) -> None:
        """Say once what is different from when the state at ``where`` was kept."""
        known = circumstances if isinstance(circumstances, Mapping) else {}
        different = sorted(k for k in {*known, *self.circumstances} if known.get(k) != self.circumstances.get(k))
        if different and not self._said:
            self._said = True
            log.warning(
                "%s was kept with another %s: the run goes on from it, and may end with other bits than an unbroken one",
                where,
                ", ".join(different),
            )

    def forget(self) -> None:
        """Remove all of it: the run is finished."""
        for folder in self.directory.glob("[0-9][0-9][0-9]-*"):
            shutil.rmtree(folder, ignore_errors=True)


class StageMemory:
    """One stage.

    Args:
        folder: made when the first file is written.
        key: what is found under another one comes from another network or recipe, and is put aside.
        run: whose stage it is.
    """

    def __init__(self, folder: Path, key: str, run: RunMemory) -> None:
        self.folder, self.key, self.run, self.pace = folder, key, run, run.pace
        self.warned = False
        self.begun, self.earlier = time.monotonic(), 0.0

    @property
    def seconds(self) -> float:
        """Of the stage so far, in all sessions."""
        return self.earlier + time.monotonic() - self.begun

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
                self.run.earlier += self.earlier
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
            write_sealed(
                self.folder / name,
                {
                    "key": self.key,
                    "circumstances": self.run.circumstances,
                    "seconds": self.seconds,
                    "content": dict(content),
                },
            )
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
            self.run.compare(found.get("circumstances"), path)
            self.earlier = float(found.get("seconds", 0.0))
            return dict(found["content"])
        aside = self.folder.with_name(f"{self.folder.name}.other")
        log.info(
            "%s comes from another network, recipe or easiedge: it is put aside as %s, and the stage begins anew",
            self.folder,
            aside.name,
        )
        shutil.rmtree(aside, ignore_errors=True)
        self.folder.rename(aside)
        return None
