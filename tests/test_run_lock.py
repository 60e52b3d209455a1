"""One process at a time in a run directory; a lock never outlives its process."""

import subprocess
import sys

import pytest

from easiedge.errors import EasiEdgeError
from easiedge.run_lock import NAME, locked

HOLD = "import sys, time\nfrom pathlib import Path\nfrom easiedge.run_lock import locked\nwith locked(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(600)\n"


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_the_second_is_told_who_holds_it(tmp_path, holder):
    with pytest.raises(EasiEdgeError, match=f"in use by process {holder.pid} on .* since"), locked(tmp_path):
        raise AssertionError("two in one directory")


def test_a_process_that_was_killed_leaves_no_lock(tmp_path, holder):
    holder.kill()
    holder.wait()
    assert (tmp_path / NAME).exists()  # the file is there, the lock is not
    with locked(tmp_path):
        pass
    assert not (tmp_path / NAME).exists()


def test_it_is_let_go_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        raise ZeroDivisionError
    with locked(tmp_path), pytest.raises(EasiEdgeError, match="choose another directory"), locked(tmp_path):
        raise AssertionError("two in one process")
