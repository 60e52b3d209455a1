"""``easiedge prune`` within milliseconds, memory and bytes, by a table that was carried from another machine."""

import json
from pathlib import Path

import pytest
import torch
from device import made_up_table

import easiedge
from easiedge.cli import run
from easiedge.deploy.artifact import artifact_size
from easiedge.deploy.latency.table_file import load_table, save_table
from easiedge.model.activation_memory import peak_memory
from easiedge.model.filter_groups import find_groups
from easiedge.model.lenet import lenet

QUICK = [
    "recipe.train.epochs=1",
    "recipe.finetune.epochs=1",
    "calibration.images=128",
    "logger=none",
    "trainer.progress=false",
]
DEVICE = ["device=table", "device.table=carried.json"]
pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture
def dense_ms(tmp_path):
    """Milliseconds of LeNet on the made-up device whose table lies in the working folder."""
    model, x = lenet(image_size=8).eval(), torch.zeros(2, 1, 8, 8)
    groups = find_groups(model, x)
    save_table(made_up_table(model, groups, x, count=16), "carried.json")
    latency = load_table("carried.json").network(model, groups, x)
    return latency.ms({g.name: g.size for g in groups})


@pytest.mark.parametrize("scope", ["global", "layerwise"])
@pytest.mark.parametrize("method", ["one_shot", "l1_layerwise"])
def test_all_kinds_of_limits_hold_in_what_comes_out(dense_ms, method, scope, capsys):
    limits = {"latency_ms_max": 0.5 * dense_ms, "memory_mb_max": 0.006, "artifact_mb_max": 0.2, "params_removed": 0.3}
    asked = [f"budget.{name}={value}" for name, value in limits.items()]
    assert run(["prune", f"method={method}", f"projection={scope}", *asked, *DEVICE, *QUICK, "hydra.run.dir=out"]) == 0
    metrics = json.loads(Path("out/metrics.json").read_text())
    assert metrics["budget"]["requested"] == pytest.approx(limits)
    achieved, x = metrics["budget"]["achieved"], torch.zeros(2, 1, 8, 8)
    compact = easiedge.load("out/pruned")
    assert achieved["memory_mb"] == peak_memory(compact, x) / 1e6 <= 0.006
    assert achieved["artifact_mb"] == artifact_size("out/pruned") / 1e6 <= 0.2
    assert achieved["latency_ms"] == metrics["latency"]["predicted_ms"] <= 0.5 * dense_ms
    assert achieved["params_removed"] >= 0.3
    assert "measured_ms" not in metrics["latency"] and metrics["latency"]["machine"] == "a made-up processor"
    said = " ".join(capsys.readouterr().out.split())
    assert "at most 0.006 MB" in said and "predicted" in said


def test_admm_takes_them_too(dense_ms):
    asked = [f"budget.latency_ms_max={0.6 * dense_ms}", "schedule.iterations=1"]
    assert run(["prune", *asked, *DEVICE, *QUICK, "hydra.run.dir=out"]) == 0
    metrics = json.loads(Path("out/metrics.json").read_text())
    assert metrics["budget"]["achieved"]["latency_ms"] <= 0.6 * dense_ms and metrics["admm"]["iterations"]


def test_iterative_pruning_takes_them_too(dense_ms):
    asked = [
        f"budget.latency_ms_max={0.6 * dense_ms}",
        "budget.memory_mb_max=0.008",
        "schedule.steps=3",
        "schedule.epochs=0",
    ]
    assert run(["prune", "method=iterative", *asked, *DEVICE, *QUICK, "hydra.run.dir=out"]) == 0
    achieved = json.loads(Path("out/metrics.json").read_text())["budget"]["achieved"]
    assert achieved["latency_ms"] <= 0.6 * dense_ms and achieved["memory_mb"] <= 0.008


def test_a_limit_that_the_dense_network_holds_is_said(dense_ms, capsys):
    asked = ["budget.latency_ms_max=1000", "budget.filters_removed=0.2", "method=one_shot"]
    assert run(["prune", *asked, *DEVICE, *QUICK, "hydra.run.dir=out"]) == 0
    output = capsys.readouterr()
    assert "budget.latency_ms_max=1000" in output.out + output.err and "holds already" in output.out + output.err


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["budget.latency_ms_max=0"], "above zero"),
        (["budget.memory_mb_max=-1"], "above zero"),
        (["budget.artifact_mb_max=much"], "not a number"),
        (["budget.latency_ms_max=0.001"], "ms remain"),
        (
            ["budget.memory_mb_max=0.0001", "budget.filters_removed=0.2"],
            "while budget.filters_removed alone could be met",
        ),
        (["budget.params_removed=0.99", "projection.min_units=18"], "the floors bind in conv1"),
        (["budget.latency_ms_max=5", "model=resnet20"], "made for other layers"),
        (["budget.latency_ms_max=5", "groups.include=[conv1]", "device.table=damaged.json"], "is damaged"),
        (["budget.latency_ms_max=5", "device.table=nowhere.json"], "there is no latency table nowhere.json"),
        (["budget.latency_ms_max=5", "device.engine=tflite"], "engine=tflite is asked for"),
        (["budget.latency_ms_max=5", "device=none"], "needs to know the device"),
    ],
)
def test_wrong_requests_are_one_line_and_leave_nothing_undone(dense_ms, overrides, says, capsys):
    Path("damaged.json").write_text(Path("carried.json").read_text().replace('"threads":2', '"threads":3'))
    device = [d for d in DEVICE if d.partition("=")[0] not in {o.partition("=")[0] for o in overrides}]
    if "device=none" in overrides:
        device = []
    assert run(["prune", *QUICK, *device, *overrides, "hydra.run.dir=out"]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("easiedge: ") and says in said
    assert not Path("out/dense").exists()
