"""Files that are whole or not there: what a killed process was writing goes, what a living one writes stays."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import easiedge
from easiedge import atomic
from easiedge.atomic import remove_half_written

WRITES = """
import os, signal, sys
from pathlib import Path
from easiedge import atomic
atomic.os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
atomic.write_atomically(Path(sys.argv[1]), "half")
"""


def test_what_a_killed_process_was_writing_is_removed(tmp_path, monkeypatch):
    environment = {**os.environ, "PYTHONPATH": str(Path(easiedge.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", WRITES, str(tmp_path / "model.safetensors")], env=environment)
    assert done.returncode == -signal.SIGKILL
    (half,) = tmp_path.iterdir()
    alive = half.name.replace(f"-{half.name.split('-')[-2]}-", f"-{os.getppid()}-")
    elsewhere = half.name.replace(atomic._here(), "0" * 8)
    for name in (alive, elsewhere, ".lock", ".of-1-a-user", "model.safetensors"):
        (tmp_path / name).touch()
    remove_half_written(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {alive, elsewhere, ".lock", ".of-1-a-user", "model.safetensors"}
    remove_half_written(tmp_path / "nowhere")
