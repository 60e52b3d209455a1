"""Nothing is left behind by what a long run does again and again, and no process by one that is interrupted."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from hostile.repeats import census, folder_data, repeats
from PIL import Image

import easiedge

TIMES, LOST_IN_THE_NOISE = 8, 320  # torch.fx leaves three small objects of each traced graph in linecache

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def every():
    return repeats()


@pytest.mark.parametrize("name", repeats())
def test_called_again_and_again_it_leaves_nothing(every, name):
    again = every[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(3):
            again()
        before = census()
        for _ in range(TIMES):
            again()
        after = census()
    grown = {kind: after[kind] - before[kind] for kind in after}
    assert grown["tensors"] < TIMES and grown["modules"] < TIMES, grown
    assert grown["others"] < LOST_IN_THE_NOISE, grown


def test_a_leak_would_be_seen(every):
    before = census()
    kept = [every["shrink"]() for _ in range(TIMES)]
    assert census()["modules"] - before["modules"] >= len(kept) == TIMES


def test_image_folders_hold_their_pixels_once(tmp_path):
    draw = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(20):
            Image.fromarray(draw.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(tmp_path / name / f"{i}.png")
    data = folder_data(tmp_path)
    held = {
        part.pixels.untyped_storage().data_ptr(): part.pixels.untyped_storage().nbytes()
        for part in (data.train, data.val, data.test)
    }
    assert sum(held.values()) == 40 * 3 * 16 * 16  # at the size asked for, and not at that of the files
    before = census()["tensors"]
    for _ in range(3):
        for _batch in data.train_dataloader():
            pass
    assert census()["tensors"] - before < 5


SCRIPT = """
import torch, easiedge
from torch.utils.data import DataLoader, TensorDataset
from torch import nn
if __name__ == "__main__":
    torch.manual_seed(0)
    data = TensorDataset(torch.randn(256, 1, 8, 8), torch.arange(256) % 4)
    loader = lambda: DataLoader(data, 32, num_workers=2, persistent_workers=True)
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    easiedge.prune(model, loader(), loader(), budget=easiedge.Budget(filters_removed=0.5), epochs=100000)
"""


def session(leader):
    """Processes of a session that still run, from /proc."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
@pytest.mark.parametrize("to", ["all", "parent"])
def test_workers_of_a_loader_end_with_the_run_that_is_interrupted(tmp_path, to):
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(Path(easiedge.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "script.py")],
        env=environment,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_DFL
        ),  # ignored in what a shell has put into the background
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + 120
        while len(session(process.pid)) < 3:
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.1)
        time.sleep(1.0)
        end = time.monotonic() + 240
        while (
            process.poll() is None and time.monotonic() < end
        ):  # one that falls into a finaliser is lost to Python: again
            (os.killpg if to == "all" else os.kill)(process.pid, signal.SIGINT)  # a terminal sends it to all
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
        assert process.returncode not in (None, 0)
        end = time.monotonic() + 60
        while session(process.pid) and time.monotonic() < end:
            time.sleep(0.1)
        assert session(process.pid) == []
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
