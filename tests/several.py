"""Processes that have joined one group and call what they are asked to, for tests of what they tell one another."""

import multiprocessing
import os
import tempfile
import traceback
import warnings
from pathlib import Path

import torch

from easiedge.launch import STORE, Place
from easiedge.processes import joined


def _serve(rank, size, store, threads, pipe):
    torch.set_num_threads(threads)
    warnings.simplefilter("ignore")
    os.environ[STORE] = store
    with joined(Place(rank, size, rank, size), 60.0):
        while (task := pipe.recv()) is not None:
            function, arguments = task
            try:
                pipe.send((function(*arguments), None))
            except Exception:
                pipe.send((None, traceback.format_exc()))


class Several:
    """``size`` processes, until `close`."""

    def __init__(self, size=2):
        self.folder = tempfile.TemporaryDirectory()
        fresh = multiprocessing.get_context("spawn")
        store, self.pipes, self.processes = str(Path(self.folder.name) / "store"), [], []
        for rank in range(size):
            here, there = fresh.Pipe()
            arguments = (rank, size, store, torch.get_num_threads(), there)
            self.processes.append(fresh.Process(target=_serve, args=arguments, daemon=True))
            self.processes[-1].start()
            self.pipes.append(here)

    def __call__(self, function, *arguments):
        """What ``function(*arguments)`` gives in each of them, by rank; an error in one fails the test."""
        for pipe in self.pipes:
            pipe.send((function, arguments))
        answers = [pipe.recv() for pipe in self.pipes]
        assert all(error is None for _, error in answers), next(error for _, error in answers if error)
        return [found for found, _ in answers]

    def close(self):
        for pipe in self.pipes:
            pipe.send(None)
        for process in self.processes:
            process.join(30)
        assert all(process.exitcode == 0 for process in self.processes)
        self.folder.cleanup()
