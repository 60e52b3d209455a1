"""Several processes are started, hear signals through the first, and end together."""

import os
import signal
import sys
import threading
import time

import pytest

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
        ([-signal.SIGINT, LOST], set(), [signal.SIGINT], 130, ""),
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
    assert lines == [f"{n} of 2, {n} here: -m easiedge prune seed=1, {threads}" for n in (0, 1)]


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
