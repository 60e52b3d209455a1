"""Seeds, threads, logging, a cache of its own, and the real data where there is some."""

import logging
import os
from pathlib import Path

import pytest
import torch

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_configure(config):
    """One thread a worker: workers that share the cores with everybody's threads are slower than one alone."""
    if hasattr(config, "workerinput"):
        torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _logging():
    """Hydra's handlers, which a wider fixture or a test left on the root logger, print into other tests: take them off."""
    _only_pytest_logs()
    yield
    _only_pytest_logs()


def _only_pytest_logs():
    root = logging.getLogger()
    for handler in list(root.handlers):
        if not type(handler).__module__.startswith("_pytest"):
            root.removeHandler(handler)
            handler.close()
    root.setLevel(logging.WARNING)


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    """Decoded images go to a folder of this session, never to the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EASIEDGE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def shared_data():
    """Folder with MNIST/, cifar10_jpeg.zip, brick_cracks.zip and weights/; read-only."""
    folder = Path(os.environ.get("EASIEDGE_DATA") or SHARED)
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}: set EASIEDGE_DATA to the folder with MNIST/ and cifar10_jpeg.zip")
    return folder


@pytest.fixture(scope="session")
def two():
    """Two processes that have joined: ``two(function, *arguments)`` calls a module's function in both."""
    from several import Several

    processes = Several(2)
    yield processes
    processes.close()


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """The command line in a folder of its own, with nothing left open in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.delenv("EASIEDGE_DEBUG", raising=False)
    yield
    for handler in list(logging.getLogger().handlers):  # Hydra's handlers hold files in the folder that goes
        if isinstance(handler, logging.FileHandler):
            handler.close()
            logging.getLogger().removeHandler(handler)
