"""Several processes are started, hear signals through the first, and end together."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import easiedge.launch
from easiedge.follow_parent import _leave
from easiedge.launch import LOST, Place, _status, launch, own_place


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({}, None),
        ({"RANK": "0", "WORLD_SIZE": "1"}, None),
        ({"RANK": "x", "WORLD_SIZE": "2"}, None),
        ({"RANK": "1", "WORLD_SIZE": "2"}, Place(1, 2, 1, 2)),
        ({"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}, Place(5, 8, 1, 4)),
    ],
)
def test_place(environment, place):
    assert own_place(environment) == place


@pytest.mark.parametrize(
    ("codes", "killed", "stops", "status", "says"),
    [
        ([0, 0], set(), [], 0, ""),
        ([2, LOST], set(), [], 2, ""),
        ([LOST, 1], set(), [], 1, ""),
        ([130, LOST], set(), [signal.SIGINT], 130, ""),
        ([143, -signal.SIGKILL], {1}, [signal.SIGTERM], 143, ""),
        ([-signal.SIGINT, LOST], set(), [signal.SIGINT], 130, "interrupted"),
        ([-signal.SIGTERM, -signal.SIGKILL], {1}, [signal.SIGTERM], 143, "terminated"),
        ([0, -signal.SIGKILL], {1}, [signal.SIGTERM], 143, "terminated"),
        ([LOST, -signal.SIGKILL], set(), [], 1, "process 1 of 2 was ended by SIGKILL"),
        ([-signal.SIGSEGV, LOST], set(), [], 1, "process 0 of 2 was ended by SIGSEGV"),
        ([LOST, LOST], set(), [], 1, "trainer.timeout"),
        ([LOST, -signal.SIGKILL], {1}, [], 1, "trainer.timeout"),
    ],
)
def test_one_status_and_at_most_one_sentence(codes, killed, stops, status, says, capsys):
    assert _status(codes, killed, stops) == status
    err = capsys.readouterr().err
    assert says in err and err.count("\n") == bool(says)


@pytest.fixture
def program(tmp_path, monkeypatch):
    """What is started in place of Python: a shell script."""

    def write(text):
        path = tmp_path / "program"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(path))

    return write


def test_each_knows_its_place_and_they_meet_by_themselves(program, tmp_path, capfd):
    program('[ -d "$EASIEDGE_FOLDER" ] && echo "$RANK of $WORLD_SIZE, $LOCAL_RANK here: $*, $OMP_NUM_THREADS"')
    assert launch(2, ["prune", "seed=1"]) == 0
    threads = os.environ.get("OMP_NUM_THREADS", str(max(len(os.sched_getaffinity(0)) // 2, 1)))
    lines = sorted(capfd.readouterr().out.splitlines())
    assert lines == [f"{n} of 2, {n} here: -P -m easiedge prune seed=1, {threads}" for n in (0, 1)]


def test_when_one_is_killed_the_others_end(program, capfd):
    program('[ "$RANK" = 1 ] && kill -9 $$\nexec sleep 600')
    assert launch(3, ["prune"], grace=0.1) == 1
    err = capfd.readouterr().err
    assert "process 1 of 3 was ended by SIGKILL" in err and "resume=DIR" in err and err.count("\n") == 1


def test_others_have_time_to_end_by_themselves(program, tmp_path):
    program(f'[ "$RANK" = 1 ] && exit 2\nsleep 0.3\ntouch {tmp_path}/ended\nexit {LOST}')
    assert launch(2, ["prune"], grace=60) == 2
    assert (tmp_path / "ended").exists()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_go_to_the_first(program, tmp_path, number, status):
    listens = (
        f"trap 'touch {tmp_path}/heard; exit {status}' TERM INT\ntouch {tmp_path}/listens\nwhile :; do sleep 0.05; done"
    )
    program(f'[ "$RANK" = 1 ] && {{ while [ ! -e {tmp_path}/heard ]; do sleep 0.05; done; exit {LOST}; }}\n{listens}')

    def ask():
        while not (tmp_path / "listens").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    asking = threading.Thread(target=ask)
    asking.start()
    assert launch(2, ["prune"]) == status
    asking.join()
    assert signal.getsignal(number) is before


def test_asked_three_times_all_are_killed(program, tmp_path):
    program(f"trap '' TERM\ntouch {tmp_path}/$RANK\nwhile :; do sleep 0.05; done")

    def ask():
        while not all((tmp_path / name).exists() for name in "01"):
            time.sleep(0.02)
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.1)

    asking = threading.Thread(target=ask)
    asking.start()
    assert launch(2, ["prune"]) == 143
    asking.join()


class Child:
    """A process that has ended with ``code``, or ends when it is killed."""

    def __init__(self, code=None):
        self.code = code

    def poll(self):
        return self.code

    def kill(self):
        self.code = -signal.SIGKILL


@pytest.mark.parametrize(
    ("codes", "stops", "met", "seconds"),
    [
        ([-signal.SIGTERM, None], [signal.SIGTERM], False, 3),  # asked before it listened
        ([143, None], [signal.SIGTERM], True, 3),
        ([0, None], [signal.SIGTERM], True, 3),  # asked when it was done
        ([None, -signal.SIGKILL], [], False, 3),  # the first waits for one that never comes
        ([None, -signal.SIGKILL], [], True, 30),  # it hears of it, and has a state to save
        ([None, LOST], [signal.SIGTERM], True, 30),
        ([None, 2], [], False, 30),
    ],
)
def test_those_who_can_save_something_have_time_and_the_others_have_little(
    tmp_path, monkeypatch, codes, stops, met, seconds
):
    children, killed, clock = [Child(code) for code in codes], set(), [0.0]
    monkeypatch.setattr(easiedge.launch.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(easiedge.launch.time, "sleep", lambda pause: clock.__setitem__(0, clock[0] + pause))
    if met:
        (tmp_path / "store.met").touch()
    easiedge.launch._wait(children, 30.0, killed, stops, tmp_path / "store.met")
    assert killed == {codes.index(None)} and seconds < clock[0] < seconds + 1


def test_a_signal_before_the_first_process_is_there_reaches_it(program, tmp_path, monkeypatch, capfd):
    program(
        f'trap "touch {tmp_path}/heard; exit 143" TERM\ntouch {tmp_path}/$RANK\n[ "$RANK" = 1 ] && exit 0\nwhile :; do sleep 0.02; done'
    )
    true, early = easiedge.launch._environment, []

    def environment(number, *others):
        if number == 0:
            early.append(os.kill(os.getpid(), signal.SIGTERM))
        while number and not (tmp_path / "0").exists():  # until the first listens
            time.sleep(0.02)
        return true(number, *others)

    monkeypatch.setattr(easiedge.launch, "_environment", environment)
    assert launch(2, ["prune"]) == 143
    assert early and (tmp_path / "heard").exists()


def test_the_last_to_leave_removes_the_folder_of_a_launcher_that_is_gone(tmp_path):
    for name in "01":
        (tmp_path / "easiedge-x" / name / "work").mkdir(parents=True)
    (tmp_path / "easiedge-x" / "store").touch()
    _leave(tmp_path / "easiedge-x" / "1")
    assert (tmp_path / "easiedge-x" / "0" / "work").exists()  # still at work, and so is the store
    assert (tmp_path / "easiedge-x" / "store").exists()
    _leave(tmp_path / "easiedge-x" / "0")
    assert not (tmp_path / "easiedge-x").exists()


FOLLOWS = """
import os, sys, time
from pathlib import Path
from easiedge.follow_parent import follow_parent
from easiedge.training.resume.halt import Terminated, stoppable
try:
    with stoppable():
        follow_parent()
        time.sleep(600)
except Terminated:
    sys.exit(143)
"""


@pytest.mark.parametrize("deaf", [False, True], ids=["hears", "waits in C"])
def test_a_process_whose_launcher_is_gone_ends_and_leaves_nothing(tmp_path, deaf):
    own = tmp_path / "easiedge-x" / "0"
    own.mkdir(parents=True)
    code = (
        FOLLOWS.replace("except Terminated:\n    sys.exit(143)", "except Terminated:\n    time.sleep(600)")
        if deaf
        else FOLLOWS
    )
    environment = {**os.environ, "EASIEDGE_FOLDER": str(own), "PYTHONPATH": str(Path(easiedge.__file__).parents[1])}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(60) == 143
    assert not own.parent.exists()
