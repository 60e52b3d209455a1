"""easiedge bench: dense beside pruned in each engine, recorded, drawn, and refused where it should be."""

import importlib.util
import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from run_with_network import digits
from torch import nn

import easiedge
import easiedge.bench as bench_module
from easiedge.bench import BenchRequest, bench
from easiedge.cli import run
from easiedge.deploy.artifact import load, save
from easiedge.deploy.bench import bench_record
from easiedge.deploy.bench.engine import Loaded
from easiedge.deploy.bench.engines import ENGINES
from easiedge.deploy.bench.memory import Memory
from easiedge.errors import EasiEdgeError
from easiedge.model.lenet import lenet
from easiedge.report.network_provenance import form_of

pytestmark = pytest.mark.usefixtures("elsewhere")
ONNX = all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime", "onnxscript"))
QUICK = ["--seconds", "0.2"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run whose dense network has to be made again."""
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    model, x = lenet(image_size=8).eval(), torch.randn(2, 1, 8, 8)
    groups = easiedge.find_groups(model, x)
    scores = easiedge.score(model, groups, [x], criterion="l1_magnitude")
    budget = easiedge.Budget(filters_removed=0.6)
    mask = easiedge.project(scores, groups, budget=budget, scope="layerwise", model=model, example_inputs=x)
    save(easiedge.shrink(model, groups, mask, x), folder / "pruned", form_of(digits()).as_json())
    torch.save(model.state_dict(), folder / "weights.pt")
    settings = {
        "model": {"_target_": "easiedge.model.lenet.lenet", "_partial_": True}, "weights": str(folder / "weights.pt"),
        "data": {"_target_": "easiedge.data.digits.Digits", "root": None, "batch_size": 64, "split_seed": 0, "shift": 1, "seed": 0},
    }  # fmt: skip
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    return folder


@pytest.fixture
def made(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def quick_memory(monkeypatch):
    """Memory without a process of its own, which takes seconds."""
    monkeypatch.setattr("easiedge.bench.measured_memory", lambda *_: Memory(1.0, 2.0, 3.0))


def content(folder):
    return json.loads((folder / "bench" / "bench.json").read_text())


@pytest.mark.skipif(not ONNX, reason="the extra easiedge[export] is not installed")
def test_both_networks_in_two_engines_at_two_batches(made, capsys, monkeypatch):
    real = bench_module.measured_memory  # a process each, which takes seconds: of the larger batch only
    monkeypatch.setattr(bench_module, "measured_memory", lambda *a: real(*a) if a[2][0] == 4 else Memory(1.0, 2.0, 3.0))
    assert run(["export", str(made), "--int8", "--drop", "100", "--images", "50"]) == 0
    assert run(["bench", str(made), "--engines", "torch,onnxruntime", "--batch", "1,4", *QUICK]) == 0
    said, found = capsys.readouterr().out, content(made)
    rows = {(r["engine"], r["network"], r["precision"], r["batch"]): r for r in found["rows"]}
    floats = {(e, n, "float32", b) for e in ("torch", "onnxruntime") for n in ("dense", "pruned") for b in (1, 4)}
    assert set(rows) == floats | {("onnxruntime", "pruned", "int8", b) for b in (1, 4)}
    for key, r in rows.items():
        assert (
            0 < r["p5_ms"] <= r["median_ms"] <= r["p95_ms"]
            and r["runs"] >= 20
            and 0 <= r["disturbed"] <= 1
            and r["engine_version"]
        )
        assert -5 < r["peak_mb"] < 60  # next to nothing: the network has 0.1 MB
        assert (r["times_faster"] is None) == (key[1] == "dense")
        assert r["images_per_s"] == pytest.approx(1e3 * r["batch"] / r["median_ms"])
        macs = found["networks"][r["network"]]["macs"] * r["batch"]
        peak = found["sittings"]["1"]["gmacs_per_s"]
        assert r["share_of_peak"] == pytest.approx(macs / (r["median_ms"] * 1e6) / peak)
    dense, pruned = found["networks"]["dense"], found["networks"]["pruned"]
    assert dense["macs"] > 2 * pruned["macs"] and "weights.pt" in dense["source"]
    assert {n: easiedge.count(load(made / "pruned"), torch.zeros(2, 1, 8, 8))[n] for n in ("params", "macs")} == {
        n: pruned[n] for n in ("params", "macs")
    }
    assert (
        rows["onnxruntime", "pruned", "int8", 1]["file_bytes"]
        < rows["onnxruntime", "pruned", "float32", 1]["file_bytes"]
    )
    assert rows["onnxruntime", "pruned", "float32", 1]["file_bytes"] == pytest.approx(
        (made / "export" / "pruned.onnx").stat().st_size, rel=0.1
    )
    assert [r["layer"] for r in found["layers"]["1"]] == ["conv1", "conv2", "fc1", "fc2"]
    for picture in ("bench.png", "layers.png"):
        assert (made / "bench" / picture).read_bytes().startswith(b"\x89PNG")
    assert "times fewer" in said and "pruned int8" in said and "eager torch" in said


@pytest.mark.usefixtures("quick_memory")
def test_sittings_add_up_until_the_network_changes(made):
    quick = {"run": made, "engines": ("torch",), "seconds": 0.1, "layers": False}
    bench(BenchRequest(**quick, batches=(1,)))
    bench(BenchRequest(**quick, batches=(2,)))
    again = bench(BenchRequest(**quick, batches=(1,)))
    assert [(r["batch"], r["network"]) for r in content(made)["rows"]] == [
        (2, "dense"),
        (2, "pruned"),
        (1, "dense"),
        (1, "pruned"),
    ]
    assert {r["batch"] for r in again.measured} == {1}
    other = lenet(image_size=8).eval()
    save(other, made / "pruned", form_of(digits()).as_json())
    bench(BenchRequest(**quick, batches=(4,)))
    assert {r["batch"] for r in content(made)["rows"]} == {4}


@pytest.mark.usefixtures("quick_memory")
def test_an_interrupt_keeps_the_engines_that_are_done(made, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(ENGINES["torch_compile"], "about", dict)
    monkeypatch.setattr(ENGINES["torch_compile"], "load", interrupted)
    assert run(["bench", str(made), "--engines", "torch,torch_compile", "--batch", "1", "--no-layers", *QUICK]) == 130
    assert {r["engine"] for r in content(made)["rows"]} == {"torch"}


@pytest.mark.usefixtures("quick_memory")
def test_an_engine_that_computes_something_else_is_not_timed(made, monkeypatch, capsys):
    true = type(ENGINES["torch"]).load

    def off(self, file, images, threads):
        loaded = true(self, file, images, threads)
        return Loaded(loaded.run, lambda output: loaded.logits(output) + 0.1)

    monkeypatch.setattr(type(ENGINES["torch"]), "load", off)
    assert run(["bench", str(made), "--engines", "torch", "--no-layers", *QUICK]) == 2
    assert "does not compute what the dense artifact does" in capsys.readouterr().err
    assert content(made)["rows"] == []


@pytest.mark.usefixtures("quick_memory")
def test_one_engine_that_fails_does_not_sink_the_others(made, monkeypatch, capsys):
    def fails(*_):
        raise EasiEdgeError("operator Foo is unknown")

    monkeypatch.setattr(ENGINES["torch_compile"], "about", dict)
    monkeypatch.setattr(ENGINES["torch_compile"], "load", fails)
    assert run(["bench", str(made), "--engines", "torch_compile,torch", "--batch", "1", "--no-layers", *QUICK]) == 0
    assert "torch_compile: operator Foo is unknown" in capsys.readouterr().out
    assert content(made)["reasons"] == {"torch_compile": "operator Foo is unknown"}


@pytest.mark.usefixtures("quick_memory")
@pytest.mark.parametrize(
    "damage", ['{"schema": 1, "machine"', "[]", '{"schema": 1, "rows": 3}', "rows", "row", "engines"]
)
def test_a_damaged_record_is_named_and_made_anew(made, damage, caplog):
    quick = {"run": made, "engines": ("torch",), "seconds": 0.1, "layers": False}
    path = made / "bench" / bench_record.RECORD
    bench(BenchRequest(**quick, batches=(2,)))
    known = json.loads(path.read_text())
    if damage == "rows":
        known["rows"] = 3
    elif damage == "row":
        del known["rows"][0]["threads"]
    elif damage == "engines":
        known["sittings"] = []
    path.write_text(damage if damage.startswith(("{", "[")) else json.dumps(known))
    bench(BenchRequest(**quick, batches=(1,)))
    assert [r["batch"] for r in content(made)["rows"]] == [1, 1]
    assert "measured anew" in caplog.text and bench_record.RECORD in caplog.text


@pytest.mark.usefixtures("quick_memory")
def test_a_record_of_a_later_easiedge_is_left_alone(made, capsys):
    (made / "bench").mkdir()
    (made / "bench" / bench_record.RECORD).write_text('{"schema": 2, "rows": []}')
    assert run(["bench", str(made), "--engines", "torch", *QUICK]) == 2
    assert "of a later easiedge" in capsys.readouterr().err
    assert content(made) == {"schema": 2, "rows": []}


@pytest.mark.usefixtures("quick_memory")
def test_where_a_run_lies_does_not_matter_for_what_was_measured(made, monkeypatch):
    quick = {"engines": ("torch",), "seconds": 0.1, "layers": False}
    bench(BenchRequest(made, batches=(1,), **quick))
    moved = made.rename(made.parent / "moved")
    monkeypatch.chdir(moved.parent)
    bench(BenchRequest(Path("moved"), batches=(2,), **quick))
    assert sorted({r["batch"] for r in content(moved)["rows"]}) == [1, 2]


@pytest.mark.parametrize("other", ["images", "classes", "size"])
def test_a_dense_network_that_is_not_the_one_that_was_pruned(made, tmp_path, capsys, other):
    network = {
        "images": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 10)),
        "classes": lambda: lenet(image_size=8, num_classes=3),
        "size": lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10)),
    }[other]()
    save(network.eval(), tmp_path / "other")
    assert run(["bench", str(made), "--dense", str(tmp_path / "other"), *QUICK]) == 2
    err = capsys.readouterr().err
    assert "give the one that was pruned, --dense DIR" in err and err.count("\n") == 1


@pytest.mark.usefixtures("quick_memory")
def test_int8_that_gives_no_numbers_is_left_out_and_named(made, monkeypatch, capsys):
    class Quantized(type(ENGINES["torch"])):
        name, quantized = "onnxruntime", True

        def load(self, file, images, threads):
            loaded = super().load(made / "pruned" if file.suffix == ".onnx" else file, images, threads)
            bad = float("nan") if file.suffix == ".onnx" else 0.0
            return Loaded(loaded.run, lambda output: loaded.logits(output) + bad)

    (made / "export").mkdir()
    (made / "export" / "pruned-int8.onnx").write_bytes(b"x")
    monkeypatch.setitem(ENGINES, "onnxruntime", Quantized())
    monkeypatch.setattr("easiedge.bench_networks.exported_file", lambda folder, *_, **__: folder / "pruned-int8.onnx")
    assert run(["bench", str(made), "--engines", "onnxruntime", "--batch", "1", "--no-layers", *QUICK]) == 0
    assert [r["precision"] for r in content(made)["rows"]] == ["float32", "float32"]
    assert "no finite numbers" in content(made)["reasons"]["onnxruntime int8"]
    assert "no finite numbers" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--engines", "tensorrt"], "choose among torch"),
        (["--batch", "0"], "whole numbers from 1"),
        (["--batch", "1,1"], "different whole numbers"),
        (["--batch", "one"], "no list of whole numbers"),
        (["--threads", "0"], "from 1 to"),
        (["--threads", "999"], "from 1 to"),
        (["--seconds", "0"], "above 0"),
        (["--seconds", "nan"], "above 0"),
        (["--dense", "nowhere"], "does not exist"),
        (["model=vgg16"], "easiedge latency"),
        (["--fast"], "unrecognized arguments"),
    ],
)
def test_wrong_requests(made, capsys, arguments, says):
    assert run(["bench", str(made), *arguments]) == 2
    err = capsys.readouterr().err
    assert says in err and err.count("\n") == 1 and not (made / "bench").exists()


def test_directories_that_are_no_runs(made, tmp_path, capsys):
    assert run(["bench"]) == 2
    assert "RUN_DIR" in capsys.readouterr().err
    assert run(["bench", str(tmp_path / "nothing")]) == 2
    assert "does not exist" in capsys.readouterr().err
    shutil.rmtree(made / "pruned")
    assert run(["bench", str(made)]) == 2
    assert "holds no network" in capsys.readouterr().err


def test_a_changed_artifact_is_refused(made, capsys):
    weights = made / "pruned" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x07")
    assert run(["bench", str(made), *QUICK]) == 2
    assert "model.safetensors" in capsys.readouterr().err
