"""Candidates are trained side by side in processes of their own, or one after the other in this one; the figures are the same."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager
from math import inf
from multiprocessing.connection import wait
from types import TracebackType
from typing import Any

from torch import Tensor, nn

from easiedge.errors import ProcessError
from easiedge.model.architecture import build, describe
from easiedge.search.lean_training import LeanTraining, Quality

_ours: LeanTraining | None = None  # of a process of the pool


class Evaluation(AbstractContextManager["Evaluation"]):
    """Trains and validates candidates.

    Args:
        training: how; it goes to each process once.
        processes: how many train at a time, each on one thread; they start with the first step that has several candidates.
    """

    def __init__(self, training: LeanTraining, processes: int = 1) -> None:
        self.training, self.processes = training, processes
        self._pool: ProcessPoolExecutor | None = None

    def __call__(
        self, networks: Sequence[nn.Module], seeds: Sequence[int], enough: float = inf
    ) -> list[tuple[nn.Module, Quality]]:
        """Train each network by its seed, until its accuracy is ``enough``; returns them in order, trained.

        Raises:
            ProcessError: a process of the pool was killed.
        """
        if self.processes == 1 or len(networks) == 1:
            return [(n, self.training(n, seed, enough=enough)) for n, seed in zip(networks, seeds, strict=True)]
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.processes, multiprocessing.get_context("spawn"), _begin, (self.training,)
            )
        jobs = [(describe(n), n.state_dict(), seed, enough) for n, seed in zip(networks, seeds, strict=True)]
        try:
            done = list(self._pool.map(_train, jobs))
        except BrokenProcessPool as error:
            raise ProcessError(
                "a process that trained candidates was killed, perhaps for want of memory: give fewer search.processes"
            ) from error
        for network, (state, _) in zip(networks, done, strict=True):
            network.load_state_dict(state)
            network.eval()
        return [(network, quality) for network, (_, quality) in zip(networks, done, strict=True)]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


def _begin(training: LeanTraining) -> None:
    """A process of the pool: it leaves Ctrl-C to the one that started it, and ends with it."""
    global _ours
    _ours = training
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _train(job: tuple[dict[str, Any], dict[str, Tensor], int, float]) -> tuple[dict[str, Tensor], Quality]:
    description, state, seed, enough = job
    assert _ours is not None
    network = build(description)
    network.load_state_dict(state)
    found = _ours(network, seed, enough=enough)
    return network.state_dict(), found
