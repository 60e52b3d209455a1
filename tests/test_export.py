"""easiedge export: every file computes what the artifact does, or is not there."""

import importlib.util
import json
import shutil
import sys
import tomllib
from pathlib import Path

import pytest
import torch
from PIL import Image
from run_with_network import digits, entries, make_run

from easiedge import export
from easiedge.cli import run
from easiedge.deploy.artifact import load, save
from easiedge.deploy.export import onnx_format
from easiedge.deploy.export.formats import FORMATS
from easiedge.deploy.export.torch_export_format import TorchExport
from easiedge.deploy.provenance import read_provenance
from easiedge.errors import ModelError

onnx = pytest.importorskip("onnx", reason="the extra easiedge[export] is not installed")
ort = pytest.importorskip("onnxruntime", reason="the extra easiedge[export] is not installed")
pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    make_run(folder)
    return folder


@pytest.fixture
def made(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture(scope="module")
def exported(whole, tmp_path_factory):
    """One export that many tests look at."""
    folder = tmp_path_factory.mktemp("exported") / "run"
    shutil.copytree(whole, folder)
    assert run(["export", str(folder), "--int8", "--to", "onnx,torch_export", "--calibration", "200"]) == 0
    return folder


def refused(arguments, capsys):
    assert run(arguments) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    return err


def test_every_file_agrees_and_the_record_says_how_far(exported):
    found = entries(exported)
    assert set(found) == {"pruned.onnx", "pruned-int8.onnx", "pruned.pt2"}
    images = len(digits().test)
    for name, each in found.items():
        assert each["bytes"] == (exported / "export" / name).stat().st_size and each["images"] == images
        assert each["engine"] and each["version"] and each["artifact_accuracy"] > 0.5
    for name in ("pruned.onnx", "pruned.pt2"):
        assert found[name]["max_abs_diff"] < 1e-4 and found[name]["agreement"] == 1.0
        assert found[name]["accuracy"] == found[name]["artifact_accuracy"]
    assert found["pruned.onnx"]["opset"] == 20 and found["pruned.onnx"]["dynamic_batch"]
    assert not [p for p in (exported / "export").iterdir() if p.name.startswith(".")]


def test_figures_are_those_of_an_independent_reading(exported):
    session = ort.InferenceSession(exported / "export" / "pruned.onnx", providers=["CPUExecutionProvider"])
    x = torch.cat([x for x, _ in digits().test_dataloader()])
    labels = torch.cat([y for _, y in digits().test_dataloader()])
    with torch.no_grad():
        wanted = load(exported / "pruned")(x)
    found = torch.from_numpy(session.run(None, {"images": x.numpy()})[0])
    each = entries(exported)["pruned.onnx"]
    assert each["max_abs_diff"] == pytest.approx(float((found - wanted).abs().max()), abs=2e-6)
    assert each["accuracy"] == float((found.argmax(1) == labels).double().mean())
    alone = session.run(None, {"images": x[:1].numpy()})[0]
    assert abs(alone - wanted[:1].numpy()).max() < 1e-4


def test_norms_are_folded_and_the_metadata_are_enough_to_use_it(exported):
    model = onnx.load(exported / "export" / "pruned.onnx")
    assert "BatchNormalization" not in {n.op_type for n in model.graph.node}
    assert not model.graph.input[0].type.tensor_type.shape.dim[0].HasField("dim_value")
    about = json.loads({p.key: p.value for p in model.metadata_props}["easiedge"])
    assert about["input"]["mean"] == [0.3] and about["classes"][3] == "3" and len(about["from"]) == 2


def test_int8_holds_integers_is_smaller_and_keeps_its_accuracy(exported):
    model = onnx.load(exported / "export" / "pruned-int8.onnx")
    kinds = {t.data_type for t in model.graph.initializer if t.dims and len(t.dims) > 1}
    assert onnx.TensorProto.INT8 in kinds and onnx.TensorProto.FLOAT not in kinds
    scales = [t for t in model.graph.initializer if "scale" in t.name and t.dims == [6]]
    assert scales, "weights are quantized by output channel"
    each = entries(exported)["pruned-int8.onnx"]
    assert each["precision"] == "int8" and each["calibration_images"] == 200 and each["max_abs_diff"] > 0
    assert abs(each["accuracy"] - each["artifact_accuracy"]) <= 0.02


def test_openvino_agrees_in_float_and_int8(made):
    pytest.importorskip("openvino", reason="the extra easiedge[openvino] is not installed")
    assert run(["export", str(made), "--int8", "--to", "openvino", "--images", "100"]) == 0
    found = entries(made)
    assert found["pruned.xml"]["agreement"] == 1.0 and found["pruned.xml"]["max_abs_diff"] < 1e-3
    assert found["pruned.xml"]["images"] == 100 and found["pruned.xml"]["dynamic_batch"]
    assert set(found["pruned-int8.xml"]["sha256"]) == {"pruned-int8.xml", "pruned-int8.bin"}
    assert abs(found["pruned-int8.xml"]["accuracy"] - found["pruned-int8.xml"]["artifact_accuracy"]) <= 0.02


def test_executorch_agrees(made):
    pytest.importorskip("executorch.runtime", reason="the extra easiedge[executorch] is not installed")
    assert run(["export", str(made), "--to", "executorch"]) == 0
    found = entries(made)["pruned.pte"]
    assert found["agreement"] == 1.0 and found["max_abs_diff"] < 1e-3 and not found["dynamic_batch"]


def test_a_file_that_disagrees_is_removed_and_the_others_stay(made, capsys, monkeypatch):
    true = onnx_format.onnx_bytes

    def wrong(network, *arguments, **options):
        with torch.no_grad():
            network.get_parameter("8.bias")[3] += 0.01
        try:
            return true(network, *arguments, **options)
        finally:
            with torch.no_grad():
                network.get_parameter("8.bias")[3] -= 0.01

    monkeypatch.setattr(onnx_format, "onnx_bytes", wrong)
    err = refused(["export", str(made), "--to", "onnx,torch_export"], capsys)
    assert "pruned.onnx does not compute what the artifact does" in err and "0.01" in err
    assert set(entries(made)) == {"pruned.pt2"}
    assert not (made / "export" / "pruned.onnx").exists()


def test_int8_that_costs_too_much_is_removed(made, capsys, monkeypatch):
    true = export.quantize

    def coarse(source, target, images):
        true(source, target, images * 0.05)  # ranges that clip nearly everything

    monkeypatch.setattr(export, "quantize", coarse)
    err = refused(["export", str(made), "--int8"], capsys)
    assert "pruned-int8.onnx costs" in err and "more than --drop 2" in err
    assert set(entries(made)) == {"pruned.onnx"} and not (made / "export" / "pruned-int8.onnx").exists()


def test_an_operator_that_an_engine_does_not_have_is_named(tmp_path, capsys):
    make_run(tmp_path / "odd", pool=torch.nn.Sequential(torch.nn.AdaptiveMaxPool2d(3), torch.nn.AdaptiveAvgPool2d(2)))
    arguments = ["export", str(tmp_path / "odd"), "--int8"]
    if importlib.util.find_spec("openvino"):
        arguments += ["--to", "onnx,openvino"]
    err = refused(arguments, capsys)
    assert err.count("aten.adaptive_max_pool2d") == 1 and "GraphModule" not in err
    assert (
        "pruned.onnx" in err
        and "pruned-int8.onnx" in err
        and f"cannot be made from {tmp_path / 'odd' / 'pruned'}: the network cannot" in err
    )
    assert not list((tmp_path / "odd" / "export").iterdir())


@pytest.mark.parametrize(("engine", "package", "extra"), [
    ("onnx", "onnxruntime", "export"), ("openvino", "openvino", "openvino"), ("executorch", "executorch.exir", "executorch"),
])  # fmt: skip
def test_a_missing_engine_is_refused_before_anything_is_done(made, capsys, monkeypatch, engine, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    err = refused(["export", str(made), "--to", engine], capsys)
    assert f"{package.partition('.')[0]}, which is not installed: pip install 'easiedge[{extra}]'" in err
    assert not (made / "export").exists()


@pytest.mark.parametrize(("arguments", "message"), [
    (["--to", "tflite"], "'tflite' is unknown: choose among onnx, openvino, torch_export, executorch"),
    (["--images", "0"], "--images 0 must be at least 1"),
    (["--threads", "0"], "--threads 0 must be from 1 to"),
    (["--threads", "1000000"], "--threads 1000000 must be from 1 to"),
    (["--int8", "--to", "torch_export"], "--int8 needs a format that holds it: --to onnx or openvino"),
    (["data.rot=x"], "'data.rot=x' is no override of the run's data"),
    (["budget.filters_removed=1"], "is no override of the run's data"),
    (["--network", "dense"], "has no dense/"),
    (["--calibrate"], "easiedge export --help"),
    (["--drop", "nan"], "--drop nan must be"),
])  # fmt: skip
def test_wrong_requests_are_one_sentence(made, capsys, arguments, message):
    assert message in refused(["export", str(made), *arguments], capsys)


def listing(folder):
    return {p.name: p.read_bytes() for p in (folder / "export").iterdir()}


def other_network(folder):
    network = load(folder / "pruned")
    with torch.no_grad():
        network.get_parameter("8.bias").add_(0.5)
    about = read_provenance(folder / "pruned")
    save(network, folder / "pruned", {k: about[k] for k in ("input", "classes")})


def breaking(network, *arguments, **options):
    raise ModelError("the network cannot be exported: operator x")


def test_refused_after_an_earlier_success_both_stay_or_both_go(made, capsys, monkeypatch):
    assert run(["export", str(made), "--to", "onnx,torch_export", "--images", "50"]) == 0
    before = listing(made)
    monkeypatch.setattr(onnx_format, "onnx_bytes", breaking)
    err = refused(["export", str(made), "--images", "50"], capsys)
    assert "operator x; the earlier pruned.onnx, made from the same artifact, is still there" in err
    assert listing(made) == before
    other_network(made)
    assert "was not made from this artifact, was removed" in refused(["export", str(made), "--images", "50"], capsys)
    assert set(entries(made)) == {"pruned.pt2"} and set(listing(made)) == {"pruned.pt2", "export.json"}


def test_interrupted_in_the_middle_what_is_there_is_what_the_record_says(made, capsys, monkeypatch):
    assert run(["export", str(made), "--to", "torch_export", "--images", "50"]) == 0
    before = listing(made)

    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(TorchExport, "runner", interrupt)
    assert run(["export", str(made), "--to", "onnx,torch_export", "--images", "50"]) == 130
    assert set(entries(made)) == {"pruned.onnx", "pruned.pt2"} and listing(made)["pruned.pt2"] == before["pruned.pt2"]
    assert set(listing(made)) == {"pruned.onnx", "pruned.pt2", "export.json"}


def test_an_artifact_changed_by_one_byte_is_not_exported(made, capsys):
    path = made / "pruned" / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    assert "model.safetensors was changed" in refused(["export", str(made)], capsys)


def test_files_of_an_earlier_artifact_are_forgotten(made):
    assert run(["export", str(made), "--to", "torch_export"]) == 0
    network = load(made / "pruned")
    with torch.no_grad():
        network.get_parameter("8.bias").add_(0.5)
    save(
        network,
        made / "pruned",
        {k: v for k, v in read_provenance(made / "pruned").items() if k in ("input", "classes")},
    )
    assert run(["export", str(made), "--images", "50"]) == 0
    assert set(entries(made)) == {"pruned.onnx"} and not (made / "export" / "pruned.pt2").exists()


def test_every_format_is_offered_in_the_help(capsys):
    assert run(["export", "--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in FORMATS)


def test_formats_may_be_given_as_an_override(made, capsys):
    assert run(["export", str(made), "format=c", "--images", "50"]) == 0
    assert [entry["format"] for entry in json.loads((made / "export" / "export.json").read_text())["files"]] == ["c"]
    assert "given twice" in refused(["export", str(made), "format=c", "--to", "onnx"], capsys)
    assert "pixels" in refused(["export", str(made), "format=pixels"], capsys)


def test_missing_images_say_which_override_gives_them(tmp_path, capsys):
    make_run(tmp_path, target="easiedge.data.mnist.MNIST", root=str(tmp_path / "gone"))
    err = refused(["export", str(tmp_path), "--int8"], capsys)
    assert "the run's images are needed" in err and "data.root=DIR after the run directory" in err
    assert not (tmp_path / "export").exists()


@pytest.mark.parametrize("target", ["cifar10.CIFAR10", "image_folder.ImageFolder"])
def test_missing_training_images_are_named_and_what_needs_them(tmp_path, capsys, target):
    for name in "ab":
        (tmp_path / "data" / "test" / name).mkdir(parents=True)
        for i in range(3):
            Image.new("RGB", (32, 32), (i, 0, 0)).save(tmp_path / "data" / "test" / name / f"{i}.png")
    make_run(tmp_path / "run", target=f"easiedge.data.{target}", root=str(tmp_path / "data"))
    for option, why in (
        (["--int8"], "--int8 takes its ranges from the training images"),
        ([], "its training images must be there too"),
    ):
        err = refused(["export", str(tmp_path / "run"), *option], capsys)
        assert "no images in train/<class>/: the training images are missing" in err and why in err
    assert not (tmp_path / "run" / "export").exists()


@pytest.mark.parametrize("name", ["model.safetensors", "architecture.json"])
def test_partial_run_directories_are_one_sentence(made, capsys, name):
    (made / "pruned" / name).unlink()
    message = "is missing" if name == "model.safetensors" else "architecture.json"
    assert message in refused(["export", str(made)], capsys)
    (made / "pruned" / name).mkdir()
    assert f"{name} is not a file" in refused(["export", str(made)], capsys)


def test_logits_that_are_not_finite_are_refused_in_every_precision(made, capsys, monkeypatch):
    def broken(self, path, threads):
        return lambda images: torch.full((len(images), 10), float("nan"))

    monkeypatch.setattr(onnx_format.Onnx, "runner", broken)
    err = refused(["export", str(made), "--int8", "--drop", "100", "--images", "50"], capsys)
    assert "pruned.onnx does not compute what the artifact does: its logits are not finite on 50 of 50 images" in err
    assert "pruned-int8.onnx does not compute" in err and not list((made / "export").iterdir())


def test_an_artifact_whose_logits_are_not_finite_is_not_exported(made, capsys):
    network, about = load(made / "pruned"), read_provenance(made / "pruned")
    with torch.no_grad():
        network.get_parameter("8.bias")[3] = float("inf")
    save(network, made / "pruned", {k: about[k] for k in ("input", "classes")})
    assert "pruned gives logits that are not finite on the run's images" in refused(["export", str(made)], capsys)
    assert not (made / "export").exists()


def test_a_damaged_record_is_refused_before_anything_is_done(made, capsys):
    (made / "export").mkdir()
    (made / "export" / "export.json").write_text('{"schema": 1, "files": [{"file": "pruned.onnx"}]}')
    assert "does not say its format: remove it and export again" in refused(["export", str(made)], capsys)
    assert set(listing(made)) == {"export.json"}


def test_openvino_asks_for_onnx_runtime_only_for_int8(made, capsys, monkeypatch):
    pytest.importorskip("openvino", reason="the extra easiedge[openvino] is not installed")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert "onnxruntime, which is not installed" in refused(["export", str(made), "--to", "openvino", "--int8"], capsys)
    assert not (made / "export").exists()
    assert run(["export", str(made), "--to", "openvino", "--images", "50"]) == 0
    assert set(entries(made)) == {"pruned.xml"}


def test_the_extra_openvino_brings_what_its_export_needs():
    extras = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    assert {"openvino", "onnx", "onnxscript"} <= {each.partition(">")[0] for each in extras["openvino"]}


def test_the_name_of_a_run_is_shown_and_does_nothing(whole, tmp_path, capsys):
    folder = tmp_path / "r[/x]\x1b[2J"
    shutil.copytree(whole, folder)
    assert run(["export", str(folder), "--to", "torch_export", "--images", "50"]) == 0
    out, err = capsys.readouterr()
    assert "r[/x]\\x1b[2J/export" in out and "\x1b" not in out + err
