"""easiedge predict, and the two examples that use a network without it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from run_with_network import digits, make_run

from easiedge.cli import run
from easiedge.deploy.artifact import load, save
from easiedge.deploy.image_input import ImageInput, image_input
from easiedge.deploy.provenance import read_provenance
from easiedge.errors import DataError, ModelError

pytestmark = pytest.mark.usefixtures("elsewhere")
EXAMPLES = Path(__file__).resolve().parents[1] / "experiments" / "use_the_network"
IMAGES = 12


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run, test images as files, and what the network says to their pixels."""
    folder = tmp_path_factory.mktemp("predict") / "run"
    folder.mkdir()
    net, data = make_run(folder), digits()
    files = []
    for i in range(IMAGES):
        files.append(folder.parent / f"{i}.png")
        Image.fromarray(data.test.pixels[i, 0].numpy()).save(files[-1])
    x = data.evaluation_batches("test")[0][0][:IMAGES]
    with torch.no_grad():
        return folder, [str(f) for f in files], net(x).softmax(1)


@pytest.fixture(scope="module")
def exported(whole, tmp_path_factory):
    pytest.importorskip("onnxruntime", reason="the extra easiedge[export] is not installed")
    pytest.importorskip("onnxscript", reason="the extra easiedge[export] is not installed")
    folder = tmp_path_factory.mktemp("exported") / "run"
    shutil.copytree(whole[0], folder)
    assert run(["export", str(folder)]) == 0
    return folder


def answered(capsys, arguments):
    capsys.readouterr()
    assert run(["predict", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def check(found, files, wanted):
    for file, each, probabilities in zip(files, found["predictions"], wanted, strict=True):
        assert each["image"] == file and each["labels"][0] == str(int(probabilities.argmax()))
        assert each["probabilities"] == pytest.approx(
            sorted(probabilities.tolist(), reverse=True)[: len(each["labels"])], abs=1e-5
        )
        assert each["ms"] > 0


def test_the_artifact_says_to_files_what_it_says_to_tensors(whole, capsys):
    folder, files, wanted = whole
    found = answered(capsys, [str(folder), *files, "--top", "3"])
    assert "artifact" in found["engine"] and found["skipped"] == []
    check(found, files, wanted)
    check(answered(capsys, [str(folder / "pruned"), *files]), files, wanted)  # the artifact alone, as on a device


def test_the_exported_network_answers_where_there_is_one(exported, whole, capsys):
    _, files, wanted = whole
    found = answered(capsys, [str(exported), *files, "--top", "20"])
    assert "ONNX Runtime" in found["engine"]
    check(found, files, wanted)
    assert "artifact" in answered(capsys, [str(exported), *files, "--engine", "torch"])["engine"]


def test_a_changed_or_outdated_export_is_not_used(exported, whole, tmp_path, capsys):
    _, files, _ = whole
    folder = tmp_path / "run"
    shutil.copytree(exported, folder)
    path = folder / "export" / "pruned.onnx"
    content = path.read_bytes()
    path.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    assert run(["predict", str(folder), files[0], "--json"]) == 0
    out, err = capsys.readouterr()
    assert "artifact" in json.loads(out)["engine"] and "pruned.onnx was changed since it was exported" in err
    assert run(["predict", str(folder), files[0], "--engine", "onnx"]) == 2
    err = capsys.readouterr().err
    assert "pruned.onnx was changed" in err and f"easiedge export {folder} --to onnx" in err and err.count("\n") == 1
    path.write_bytes(content)
    assert "ONNX" in answered(capsys, [str(folder), files[0]])["engine"]
    network, about = load(folder / "pruned"), read_provenance(folder / "pruned")
    with torch.no_grad():
        network.get_parameter("8.bias")[5] += 50
    save(network, folder / "pruned", {"input": about["input"], "classes": about["classes"]})
    found = answered(capsys, [str(folder), files[0]])
    assert "artifact" in found["engine"] and found["predictions"][0]["labels"] == ["5"]
    assert run(["predict", str(folder), files[0], "--engine", "onnx"]) == 2
    assert f"easiedge export {folder}" in capsys.readouterr().err


def test_without_the_engine_the_artifact_answers(exported, whole, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert "artifact" in answered(capsys, [str(exported), whole[1][0]])["engine"]
    assert run(["predict", str(exported), whole[1][0], "--engine", "onnx"]) == 2
    assert "pip install 'easiedge[export]'" in capsys.readouterr().err


def test_unreadable_images_are_named_and_the_others_answered(whole, tmp_path, capsys):
    folder, files, wanted = whole
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    given = [files[0], str(tmp_path / "broken.jpg"), str(tmp_path / "nowhere.png"), str(tmp_path), files[1]]
    assert run(["predict", str(folder), *given, "--json"]) == 0
    out, err = capsys.readouterr()
    check(json.loads(out), files[:2], wanted[:2])
    assert err.count("easiedge: skipped:") == 3 and "broken.jpg" in err and "nowhere.png" in err
    assert run(["predict", str(folder), *given[1:4]]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "none of the images can be read" in err and "and 2 more" in err


def test_the_table_names_image_label_probability_and_milliseconds(whole, capsys):
    folder, files, wanted = whole
    assert run(["predict", str(folder), files[0]]) == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("image", "label", "probability", "ms", f"{float(wanted[0].max()):.3f}"))


@pytest.mark.parametrize(("arguments", "message"), [
    (["--top", "0"], "--top 0 must be at least 1"), (["--engine", "magic"], "auto, onnx, torch"), (["--threads", "0"], "--threads 0 must be from 1 to"),
    (["--threads", "1000000"], "--threads 1000000 must be from 1 to"),
    (["--network", "dense"], "has no dense/"),
])  # fmt: skip
def test_wrong_requests_are_one_sentence(whole, capsys, arguments, message):
    assert run(["predict", str(whole[0]), whole[1][0], *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1


@pytest.mark.parametrize("name", ["model.safetensors", "architecture.json"])
def test_partial_run_directories_are_one_sentence(whole, tmp_path, capsys, name):
    shutil.copytree(whole[0], tmp_path / "run")
    where = tmp_path / "run" / "pruned" / name
    where.unlink()
    for message in (f"({name} is missing)", f"{name} is not a file"):
        for engine in ("auto", "onnx", "torch"):
            assert run(["predict", str(tmp_path / "run"), whole[1][0], "--engine", engine]) == 2
            err = capsys.readouterr().err
            assert message in err and err.count("\n") == 1
        where.mkdir(exist_ok=True)


@pytest.mark.parametrize(("wrong", "message"), [
    ({"shape": [3, 9, 9], "mean": [0.5], "std": [0.5]}, "does not take images of the shape [3, 9, 9] that its provenance names"),
    ({"mean": [1e308], "std": [1e-308]}, "is no image"), ({"mean": [float("1e17")], "std": [1e-17]}, "logits that are not finite"),
])  # fmt: skip
def test_provenance_that_does_not_fit_the_network_is_one_sentence(whole, tmp_path, capsys, wrong, message):
    network, about = load(whole[0] / "pruned"), read_provenance(whole[0] / "pruned")
    with torch.no_grad():
        network.get_parameter("3.weight").mul_(1e10)
    save(network, tmp_path / "pruned", {"input": about["input"] | wrong, "classes": about["classes"]})
    assert run(["predict", str(tmp_path), whole[1][0]]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1


@pytest.mark.parametrize("classes", ["abcdefghij", {"a": 1}, None, 7])
def test_classes_that_are_no_list_are_refused(classes, tmp_path):
    about = ImageInput((3, 4, 4), (0.5,), (0.5,), ("a",)).as_json() | {"classes": classes}
    with pytest.raises(ModelError, match="does not say how its images are prepared"):
        image_input(about, tmp_path)


def test_an_artifact_that_says_nothing_about_images_is_refused(whole, tmp_path, capsys):
    save(load(whole[0] / "pruned"), tmp_path / "pruned")
    assert run(["predict", str(tmp_path), whole[1][0]]) == 2
    assert "does not say how its images are prepared" in capsys.readouterr().err


def test_colour_size_and_scale_are_those_of_training(tmp_path):
    form = ImageInput((3, 4, 6), (0.5, 0.25, 0.0), (0.5, 0.5, 2.0), ("a", "b"))
    Image.new("RGB", (40, 20), (255, 0, 51)).save(tmp_path / "x.png")
    x = form.read(tmp_path / "x.png")
    assert x.shape == (1, 3, 4, 6) and x.dtype == torch.float32
    assert torch.allclose(x[0, :, 0, 0], torch.tensor([1.0, -0.5, 0.1]))
    assert image_input(form.as_json(), tmp_path) == form
    cropped = ImageInput(form.shape, form.mean, form.std, form.classes, "crop")
    assert image_input(cropped.as_json(), tmp_path) == cropped and cropped.as_json() != form.as_json()
    with pytest.raises(DataError, match="2 channels"):
        ImageInput((2, 4, 4), (0.5,), (0.5,), ("a",)).read(tmp_path / "x.png")


@pytest.mark.parametrize("wrong", [
    {"shape": [3, 4]}, {"shape": [3, -4, 4]}, {"shape": [3, True, 4]}, {"shape": "abc"}, {"mean": ["x"]}, {"std": [0.0]}, {"mean": [0.1, 0.2]},
    {"std": None}, {"mean": [1e308]}, {"std": [1e-308]}, {"mean": [float("inf")]}, {"std": [float("nan")]}, {"mean": [True]},
    {"fit": "fill"}, {"fit": None}, {"fit": ["crop"]},
])  # fmt: skip
def test_inputs_that_are_no_images_are_refused(wrong, tmp_path):
    about = ImageInput((3, 4, 4), (0.5,), (0.5,), ("a",)).as_json()
    about["input"] |= wrong
    with pytest.raises(ModelError):
        image_input(about, tmp_path)


def example(name, arguments, forbidden):
    code = f"import runpy, sys; sys.modules.update(dict.fromkeys({forbidden}, None)); sys.argv = {[name, *arguments]!r}; runpy.run_path({str(EXAMPLES / name)!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=EXAMPLES.parents[1]
    )
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


@pytest.mark.parametrize("name", ["plain_torch.py", "onnxruntime_only.py"])
def test_the_examples_say_the_same(exported, whole, name):
    _, files, wanted = whole
    if name == "plain_torch.py":
        lines = example(
            name,
            [str(exported / "pruned"), *files],
            ["pytorch_lightning", "hydra", "torchvision", "wandb", "onnxruntime"],
        )
    else:
        lines = example(name, [str(exported / "export" / "pruned.onnx"), *files], ["easiedge", "torch"])
    assert [label for _, label, _ in lines] == [str(int(p.argmax())) for p in wanted]
    assert [float(p) for *_, p in lines] == pytest.approx([float(p.max()) for p in wanted], abs=2e-3)
    lines = (EXAMPLES / name).read_text().splitlines()
    assert len([line for line in lines if line.strip()]) <= 22


def test_predicting_imports_nothing_of_training():
    names = ["pytorch_lightning", "hydra", "omegaconf", "wandb", "sklearn", "scipy", "matplotlib", "torchvision"]
    code = f"import sys, easiedge.predict, easiedge.predict_command; sys.exit(len(set({names}) & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=EXAMPLES.parents[1]).returncode == 0


HOSTILE = ["[/b]", "\x1b[2J\x1b]0;evil\x07", "two\nlines", "[red]red", ":smile:", *"56789"]


def test_names_of_classes_and_files_are_shown_and_do_nothing(whole, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    folder = tmp_path / "r[/x]"
    about = read_provenance(whole[0] / "pruned")
    save(load(whole[0] / "pruned"), folder / "pruned", {"input": about["input"], "classes": HOSTILE})
    image = tmp_path / "[red]a[b]:smile:\x1b[7m.png"
    shutil.copyfile(whole[1][0], image)
    assert run(["predict", str(folder), str(image), str(tmp_path / "\x1b[2J"), "--top", "10"]) == 0
    out, err = capsys.readouterr()
    assert (
        "\x1b" not in out + err and "[red]a[b]:smile:\\x1b[7m.png" in out and "skipped: " in err and "\\x1b[2J" in err
    )
    for name in ("[/b]", "\\x1b[2J\\x1b]0;evil\\x07", "two\\nlines", "[red]red", ":smile:"):
        assert f" {name} " in out
    assert run(["predict", str(tmp_path / "\x1b[2J"), str(image)]) == 2
    assert "\x1b" not in capsys.readouterr().err
