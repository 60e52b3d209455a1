"""Start the processes of one run on this machine, hand signals on to the first, and end all of them together.

The first process alone gets Ctrl-C and SIGTERM: it decides where the run stops and tells the others.  The file by which they meet, and the
folders in which the others work, are in one temporary folder that goes when they have gone.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from easiedge.child import import_path, module_command

ENVIRONMENT = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "ROLE_RANK", "TORCHELASTIC_RUN_ID")
STORE, FOLDER = "EASIEDGE_STORE", "EASIEDGE_FOLDER"
LOST = 75  # exit status of a process that misses another one
GRACE = 30.0  # seconds in which the others end by themselves when one has ended
SOON = 3.0  # the same where none of them has anything left to save, or can know that one has ended
MET = "store.met"  # a file beside the store: they have met, and a process that ends is missed by the others
POLL = 0.05


@dataclass(frozen=True)
class Place:
    """Which process this is: ``rank`` of ``size`` in all, ``local_rank`` of ``local_size`` on its machine."""

    rank: int
    size: int
    local_rank: int
    local_size: int


def own_place(environment: Mapping[str, str] = os.environ) -> Place | None:
    """As `launch` or torchrun has put it into the environment; None where there is one process."""
    try:
        rank, size = int(environment["RANK"]), int(environment["WORLD_SIZE"])
        found = Place(
            rank, size, int(environment.get("LOCAL_RANK", rank)), int(environment.get("LOCAL_WORLD_SIZE", size))
        )
    except (KeyError, ValueError):
        return None
    return found if size > 1 else None


def launched() -> bool:
    """Whether `launch` has started this process, and speaks for it where one ends without a word."""
    return STORE in os.environ


def launch(processes: int, arguments: Sequence[str], grace: float = GRACE) -> int:
    """Run ``python -m easiedge`` with ``arguments`` in that many processes; the exit status is that of a run in one.

    Args:
        processes: how many.
        arguments: command and overrides.
        grace: seconds in which the others end by themselves when one has ended with an error, before they are killed.
    """
    with tempfile.TemporaryDirectory(prefix="easiedge-") as folder:
        command = [*module_command("easiedge"), *arguments]
        children: list[subprocess.Popen[bytes]] = []
        killed: set[int] = set()
        try:
            with _handed_on(children) as stops:
                for number in range(processes):
                    environment = _environment(number, processes, Path(folder))
                    children.append(
                        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, start_new_session=True)
                    )
                for number in stops[: stops.early]:
                    children[0].send_signal(number)
                _wait(children, grace, killed, stops, Path(folder, MET))
        finally:
            for child in children:
                if child.poll() is None:
                    child.kill()
                child.wait()
                if child.stdin is not None:
                    child.stdin.close()
    return _status([child.returncode for child in children], killed, stops)


def _environment(number: int, processes: int, folder: Path) -> dict[str, str]:
    own = folder / str(number)
    own.mkdir()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    found = {"OMP_NUM_THREADS": str(max(cores // processes, 1)), **os.environ, **import_path()}
    if any(name == "lo" for _, name in socket.if_nameindex()):  # these processes meet on this machine alone
        found.setdefault("GLOO_SOCKET_IFNAME", "lo")
    found |= dict.fromkeys(("RANK", "LOCAL_RANK"), str(number))
    found |= dict.fromkeys(("WORLD_SIZE", "LOCAL_WORLD_SIZE"), str(processes))
    return {**found, STORE: str(folder / "store"), FOLDER: str(own)}


class _Stops(list[int]):
    """Signals in the order they came; the first ``early`` of them when there was no process yet to hand them on to."""

    early = 0


@contextmanager
def _handed_on(children: list[subprocess.Popen[bytes]]) -> Iterator[_Stops]:
    """Ctrl-C and SIGTERM go to the first process, and into the list; the third one ends all at once."""
    stops = _Stops()
    if threading.current_thread() is not threading.main_thread():
        yield stops
        return

    def receive(number: int, frame: FrameType | None) -> None:
        stops.append(number)
        stops.early += not children
        for child in children[:1] if len(stops) < 3 else children:
            with suppress(OSError):
                child.send_signal(number if len(stops) < 3 else signal.SIGKILL)

    before: dict[int, Any] = {number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stops
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def _wait(
    children: Sequence[subprocess.Popen[bytes]], grace: float, killed: set[int], stops: Sequence[int], met: Path
) -> None:
    """Until all have ended; the last ``grace`` seconds after the first that did not end well.

    `SOON` instead where the first process has ended since it was asked to, as it alone saves what there is; and where one was killed
    before they had met, as the others wait for it and hear nothing.
    """
    failed: float | None = None
    while None in (codes := [child.poll() for child in children]):
        if failed is None and (any(codes) or (stops and codes[0] is not None)):
            failed = time.monotonic()
        idle = (stops and codes[0] is not None) or (any((code or 0) < 0 for code in codes) and not met.exists())
        if failed is not None and time.monotonic() - failed > (min(grace, SOON) if idle else grace):
            for number, child in enumerate(children):
                if child.poll() is None:
                    killed.add(number)
                    child.kill()
        time.sleep(POLL)


def _status(codes: Sequence[int], killed: set[int], stops: Sequence[int]) -> int:
    """The exit status of them all; what no process could say itself is said here."""
    gone = [number for number, code in enumerate(codes) if code < 0 and number not in killed]
    said = [code for code in codes if code > 0 and code != LOST]
    if said or not any(codes):
        return said[0] if said else 0
    if stops:  # asked for before the first process listened, or three times
        what = "interrupted" if stops[0] == signal.SIGINT else "terminated"
        print(f"easiedge: {what}; what was finished is kept", file=sys.stderr)
        return 128 + stops[0]
    again = "; the same command with its hydra.run.dir=, or resume=DIR, goes on where the run was"
    if gone:
        name = signal.Signals(-codes[gone[0]]).name
        print(
            f"easiedge: process {gone[0]} of {len(codes)} was ended by {name}: the run stopped{again}", file=sys.stderr
        )
    else:
        print(
            f"easiedge: the processes did not answer one another within trainer.timeout: the run stopped{again}",
            file=sys.stderr,
        )
    return 1
