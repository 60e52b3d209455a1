"""The memory that choosing units takes, said beforehand, beside what it takes."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from networks import images, network

import easiedge
from easiedge.available_memory import available_memory
from easiedge.schedule.selection import Selection
from easiedge.scoring.score import CRITERIA, needs_images, score
from easiedge.surgery.memory_estimate import FIXED, memory_estimate

CPU = torch.device("cpu")
MEASURE = """
import sys, torch, easiedge
from easiedge.model.lenet import lenet
from easiedge.model.resnet import resnet20
from easiedge.surgery.memory_estimate import memory_estimate
torch.manual_seed(0)
name, size = sys.argv[1], int(sys.argv[2])
model, shape = (lenet(in_channels=1, image_size=28), (1, 28, 28)) if name == "lenet" else (resnet20(), (3, 32, 32))
batches = [torch.randn(size, *shape) for _ in range(2)]
groups = easiedge.find_groups(model.eval(), batches[0][:2])
options = {"passes": 2, "readjust": 0.1}
found = memory_estimate(model, groups, batches, "joint_information_gain", options, fit=False, positions=0)
def status(name):
    with open("/proc/self/status") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith(name))
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # forget the peak of the imports
before = status("VmRSS")
scores = easiedge.score(model, groups, batches, criterion="joint_information_gain", **options)
easiedge.project(scores, groups, budget=easiedge.Budget(filters_removed=0.5), model=model, example_inputs=batches[0][:2])
print(found.peak, status("VmHWM") - before)
"""
FACTOR = 3.0  # of the estimate over what is measured, at most


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="the peak of a process is read from /proc")
@pytest.mark.parametrize(("name", "size"), [("lenet", 256), ("resnet20", 96)])
def test_the_estimate_is_above_what_is_measured_and_not_far_above(name, size):
    environment = {**os.environ, "PYTHONPATH": str(Path(easiedge.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    said = subprocess.run(
        [sys.executable, "-c", MEASURE, name, str(size)], env=environment, capture_output=True, text=True, check=True
    )
    estimate, measured = map(int, said.stdout.split())
    assert measured <= estimate <= FACTOR * measured


def parts(criterion="joint_information_gain", **options):
    model, x = network("Residual"), images()
    selection = Selection(criterion=criterion, options=options)
    return SimpleNamespace(
        network=model,
        groups=easiedge.find_groups(model, x),
        calibration=[(x, torch.zeros(len(x), dtype=torch.long))],
        selection=selection,
    )


def estimated(given, fit=True):
    return memory_estimate(
        given.network,
        given.groups,
        given.calibration,
        given.selection.criterion,
        given.selection.options,
        fit=fit,
        positions=32,
    )


@pytest.mark.parametrize("criterion", [c for c in CRITERIA if c != "network_slimming"])
def test_every_criterion_has_one_and_the_network_is_left_alone(criterion):
    given = parts(criterion)
    before = {name: value.clone() for name, value in given.network.state_dict().items()}
    found = estimated(given)
    assert 0 < found.scoring < 1e9 and 0 < found.compensation < 1e9
    assert estimated(given, fit=False).compensation == 0
    assert all(torch.equal(value, before[name]) for name, value in given.network.state_dict().items())
    assert not any(m._forward_hooks for m in given.network.modules())


def test_it_grows_with_the_batch_and_with_the_form():
    given = parts()
    small = estimated(given)
    x = given.calibration[0][0]
    given.calibration = [(torch.cat([x] * 10), torch.zeros(10 * len(x), dtype=torch.long))]
    assert estimated(given).activations == 10 * small.activations
    units = sum(g.size for g in given.groups)
    alone = estimated(given, fit=False)
    assert estimated(parts(readjust=0.0)).form == 2 * 4 * units**2 == 2 * alone.form
    assert small.dense == alone.form and alone.dense == 0 and small.compensation - small.dense > 0
    assert small.compensation == FIXED + small.dense + small.equations + small.kept + small.working
    blocks = 24 * sum(g.size**2 for g in given.groups)
    assert estimated(parts(readjust=0.1), fit=False).form == 4 * units**2 + blocks
    assert (
        small.form == estimated(parts(readjust=0.1)).form == 2 * 4 * units**2 + blocks
    )  # a refit tries several ways by itself
    assert estimated(parts("l1_magnitude"), fit=False).activations == 0


def test_a_wide_layer_is_refitted_by_its_few_positions():
    net = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(2000, 3000), torch.nn.ReLU(), torch.nn.Linear(3000, 2)
    )

    def equations(count):
        x = torch.randn(count, 2000)
        given = [(x, torch.zeros(count, dtype=torch.long))]
        groups = easiedge.find_groups(net, x[:2])
        return memory_estimate(net, groups, given, "l1_magnitude", {}, fit=True, positions=32).equations

    unknowns = max(24 * 2001 * 5001, 24 * 3001 * 3003)
    assert equations(100) == max(12 * 100 * 5001 + 24 * 100**2, 12 * 100 * 3003 + 24 * 100**2)
    assert equations(1200) == 24 * 2001 * 5001 and equations(1600) == unknowns


@pytest.mark.parametrize("criterion", [c for c in CRITERIA if c != "network_slimming"])
def test_the_criteria_that_need_images_are_those_that_fail_without(criterion):
    given = parts(criterion)
    if needs_images(criterion):
        with pytest.raises(Exception, match=r".*"):
            score(given.network, given.groups, None, criterion)
    else:
        assert estimated(given, fit=False).activations == 0
        CRITERIA[criterion](given.network, given.groups)


def test_the_least_of_what_machine_and_container_leave(tmp_path):
    assert available_memory(CPU, tmp_path) is None
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    5000 kB\n")
    assert available_memory(CPU, tmp_path) == 5_120_000
    group = tmp_path / "sys" / "fs" / "cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("max\n")
    (group / "memory.current").write_text("3000000\n")
    assert available_memory(CPU, tmp_path) == 5_120_000
    (group / "memory.max").write_text("4000000\n")
    assert available_memory(CPU, tmp_path) == 1_000_000
    (group / "memory.stat").write_text("anon 7\ninactive_file 500000\n")
    assert available_memory(CPU, tmp_path) == 1_500_000


LIMITS = {
    2: ("sys/fs/cgroup", "0::{}", "memory.max", "memory.current", "inactive_file"),
    1: ("sys/fs/cgroup/memory", "7:cpu,memory:{}", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}  # fmt: skip


@pytest.mark.parametrize("version", LIMITS)
def test_a_limit_on_the_group_of_a_job_holds_and_so_do_those_above_it(tmp_path, version):
    mount, line, limit, used, idle = LIMITS[version]
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "self" / "cgroup").write_text(f"12:pids:/else\n{line.format('/slurm/job_7/step_0')}\n")
    step = tmp_path / mount / "slurm" / "job_7" / "step_0"
    step.mkdir(parents=True)

    def group(folder, most, now, given_back=0):
        (folder / limit).write_text(f"{most}\n")
        (folder / used).write_text(f"{now}\n")
        (folder / "memory.stat").write_text(f"{idle} {given_back}\n")

    group(tmp_path / mount, 1 << 62 if version == 1 else "max", 50_000)
    assert available_memory(CPU, tmp_path) is None
    group(step.parents[0], 9_000, 4_000, 500)
    assert available_memory(CPU, tmp_path) == 5_500
    group(step, 3_000, 1_000)
    assert available_memory(CPU, tmp_path) == 2_000
    group(step.parents[1], 1_000, 900)
    assert available_memory(CPU, tmp_path) == 100
