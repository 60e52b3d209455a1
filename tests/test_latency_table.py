"""``easiedge latency``: what it makes, and how it refuses."""

import json
import sys

import pytest
from device import made_up_table

from easiedge.cli import run, with_assumed
from easiedge.deploy.latency.table_file import load_table, save_table
from easiedge.model.filter_groups import find_groups
from easiedge.model.lenet import lenet

try:
    import onnx  # noqa: F401
    import onnxruntime  # noqa: F401
    import onnxscript  # noqa: F401
except ImportError:
    ABSENT = True
else:
    ABSENT = False
SHAPE = ["device.input_shape=[1,8,8]", "device.classes=10"]
pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture
def table_file(tmp_path):
    """A table for LeNet on 8x8 images, from another machine."""
    import torch

    model, x = lenet(image_size=8).eval(), torch.zeros(2, 1, 8, 8)
    save_table(made_up_table(model, find_groups(model, x), x, count=16), tmp_path / "carried.json")
    return tmp_path / "carried.json"


@pytest.mark.skipif(ABSENT, reason="the optional packages of easiedge[export] are not installed")
def test_a_table_and_a_picture_are_made(tmp_path, capsys):
    out = tmp_path / "run"
    assert run(["latency", *SHAPE, "device.networks=8", "device.repetitions=3", f"hydra.run.dir={out}"]) == 0
    table = load_table(out / "latency_table.json")
    assert table.layers == ("conv1", "conv2", "fc1", "fc2") and table.quality.repetitions == 3
    assert (out / "latency.png").read_bytes().startswith(b"\x89PNG")
    said = capsys.readouterr().out
    assert "ms an image of 1x8x8" in said and "onnxruntime" in said and "8 networks" in said


def test_a_carried_table_is_shown_without_the_engine(tmp_path, table_file, monkeypatch, capsys):
    for package in ("onnx", "onnxruntime", "onnxscript"):
        monkeypatch.setitem(sys.modules, package, None)
    out = tmp_path / "run"
    assert run(["latency", *SHAPE, "device=table", f"device.table={table_file}", f"hydra.run.dir={out}"]) == 0
    assert (out / "latency_table.json").read_bytes() == table_file.read_bytes()
    assert "a made-up processor" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["device=table"], "device.table=FILE"),
        (["device=phone"], "choose one of none, table, this_machine"),
        (["device=table", "device.table=nowhere.json"], "there is no latency table nowhere.json"),
        (["device=table", "device.table=carried.json", "device.threads=1"], "threads=1 is asked for"),
        (["device=table", "device.table=carried.json", "device.engine=tflite"], "engine=tflite is asked for"),
        (["device=table", "device.table=carried.json", "device.input_shape=[1,16,16]"], "made for other layers"),
        (["device.input_shape=[1,8]"], "three whole numbers"),
        (["device.threads=0"], "threads=0"),
    ],
)
def test_wrong_requests_are_one_line(overrides, says, table_file, capsys):
    assert run(["latency", *SHAPE, *overrides]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("easiedge: ") and says in said


def test_no_device_is_nothing_to_measure(capsys):
    assert run(["latency", "device=none"]) == 2
    assert "device=none has nothing to measure" in capsys.readouterr().err


def test_a_missing_engine_is_refused_before_anything_is_measured(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert run(["latency", *SHAPE]) == 2
    assert "pip install 'easiedge[export]'" in capsys.readouterr().err


def test_a_damaged_table_is_refused(table_file, capsys):
    content = json.loads(table_file.read_text())
    content["factor"] *= 2
    table_file.write_text(json.dumps(content))
    assert run(["latency", *SHAPE, "device=table", f"device.table={table_file}"]) == 2
    assert "damaged" in capsys.readouterr().err


def test_bench_measures_this_machine_unless_told_otherwise():
    assert with_assumed("latency", ["seed=1"]) == ["device=this_machine", "seed=1"]
    assert with_assumed("latency", ["device=none"]) == ["device=none"]
    assert with_assumed("prune", ["seed=1"]) == ["seed=1"]
