"""What choosing units takes is said before anything is begun, beside what there is, and with advice that helps."""

import logging

import pytest
import torch
from networks import images, network

import easiedge
from easiedge import assembly, memory_check
from easiedge.cli import run
from easiedge.errors import EasiEdgeError
from easiedge.memory_check import Choosing
from easiedge.surgery.memory_estimate import MemoryEstimate
from easiedge.training.stages import Stages

GB = 1_000_000_000
WAY = Choosing("joint_information_gain", {}, True, 32)
LARGE = MemoryEstimate(activations=8 * GB, rows=0, form=9 * GB, dense=0, equations=2 * GB, kept=8 * GB, working=0)


def warned(monkeypatch, caplog, estimate, host, gpu=None, processes=1):
    """The warnings, with so many GB available."""
    model = network("Residual")
    monkeypatch.setattr(memory_check, "memory_estimate", lambda *arguments, **how: estimate)
    monkeypatch.setattr(memory_check, "device_of", lambda model: torch.device("cpu" if gpu is None else "cuda"))
    monkeypatch.setattr(
        memory_check, "available_memory", lambda device: int((host if device.type == "cpu" else gpu) * GB)
    )
    monkeypatch.setattr(memory_check, "local_size", lambda: processes)
    with caplog.at_level(logging.INFO):
        memory_check.check_memory(model, easiedge.find_groups(model, images()), [(torch.zeros(128, 1),)], [WAY])
    told, *rest = caplog.records
    assert told.levelname == "INFO" and "memory for choosing units: at most" in told.message
    assert all(record.levelname == "WARNING" for record in rest)
    return [record.message for record in rest]


def test_the_two_phases_do_not_add_up(monkeypatch, caplog):
    (message,) = warned(
        monkeypatch, caplog, LARGE, host=9.5, gpu=80
    )  # 9.1 for scores beside the GPU, 10.1 for the refit
    assert "10.10 GB of memory, and 9.50 GB" in message and "fewer calibration.images=" in message


def test_where_the_gpu_is_short_smaller_batches_help(monkeypatch, caplog):
    (message,) = warned(monkeypatch, caplog, LARGE, host=90, gpu=4)
    assert "8.00 GB of the GPU's memory, and 4.00 GB" in message and "calibration.batch_size=32" in message


def test_the_phase_that_overflows_decides_on_the_advice(monkeypatch, caplog):
    (message,) = warned(monkeypatch, caplog, LARGE, host=12)
    assert "17.10 GB of memory" in message and "matrix_limit=0" in message  # not "kept", which is of the other phase


@pytest.mark.parametrize(("processes", "warnings"), [(1, 0), (2, 1)])
def test_every_process_takes_as_much(monkeypatch, caplog, processes, warnings):
    found = warned(monkeypatch, caplog, LARGE, host=20, processes=processes)
    assert len(found) == warnings and all("34.20 GB" in message for message in found)


def test_enough_is_no_warning_and_nothing_to_choose_says_nothing(monkeypatch, caplog):
    assert warned(monkeypatch, caplog, LARGE, host=20, gpu=9) == []
    caplog.clear()
    memory_check.check_memory(network("Residual"), [], [], [])
    assert not caplog.records


def test_it_draws_nothing_at_random():
    model, before = network("Residual"), torch.get_rng_state()
    memory_check.check_memory(model, easiedge.find_groups(model, images()), [images()], [WAY])
    assert torch.equal(torch.get_rng_state(), before)


class BegunError(EasiEdgeError):
    """Training has begun."""


@pytest.mark.parametrize(
    ("command", "told"),
    [("prune", [("joint_information_gain", True)]), ("sensitivity", [("joint_information_gain", False)]), ("train", []),
     ("score", [("taylor_information_gain", True), ("l1_magnitude", True)])],
)  # fmt: skip
@pytest.mark.usefixtures("elsewhere")
def test_every_command_says_it_before_it_trains(monkeypatch, command, told):
    found = []

    def begin(*arguments, **how):
        raise BegunError("begun")

    monkeypatch.setattr(
        assembly, "check_memory", lambda n, g, c, ways: found.extend((way.criterion, way.fit) for way in ways)
    )
    monkeypatch.setattr(Stages, "train", begin)
    given = ["fidelity.criteria=[taylor_information_gain,l1_magnitude]", "fidelity.compensation=[none,least_squares]"]
    assert run([command, "logger=none", "calibration.images=32", *(given if command == "score" else [])]) == 2
    assert found == told


def test_python_says_it_before_it_trains(monkeypatch, caplog):
    model, batch = network("Residual"), (images(), torch.zeros(len(images()), dtype=torch.long))
    monkeypatch.setattr(Stages, "train", lambda *arguments, **how: (_ for _ in ()).throw(BegunError("begun")))
    with caplog.at_level(logging.INFO), pytest.raises(BegunError):
        easiedge.prune(model, [batch], [batch], budget=easiedge.Budget(filters_removed=0.5), progress=False)
    assert "memory for choosing units" in caplog.records[0].message
