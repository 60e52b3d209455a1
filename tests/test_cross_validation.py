"""Folds and transferred weights on the command line."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from easiedge.cli import run
from easiedge.data.digits import Digits
from easiedge.data.folds import in_folds
from easiedge.run_directory import run_data

QUICK = [
    "recipe.train.epochs=1",
    "recipe.finetune.epochs=1",
    "calibration.images=32",
    "trainer.progress=false",
    "logger=none",
]

SMALL = [
    "data=image_folder", "data.image_size=16", "data.grey=true", "data.shift=0", "model=lenet", "recipe.train.epochs=1", "trainer.progress=false",
    "logger=none",
]  # fmt: skip

pytestmark = pytest.mark.usefixtures("elsewhere")


def test_the_seed_is_the_fold_and_the_run_knows_its_images():
    assert run(["train", *QUICK, "folds.count=4", "seed=6", "hydra.run.dir=out"]) == 0
    data = Digits(seed=6)
    data.setup()
    every = len(data.train) + len(data.val) + len(data.test)
    in_folds(data, 4, 6 % 4, 0.15)
    found = run_data(Path("out"))
    assert abs(len(found.test) - every / 4) < 2
    assert found.test.pixels.equal(data.test.pixels) and found.train.pixels.equal(data.train.pixels)
    known = json.loads(Path("out/metrics.json").read_text())["dense"]["accuracy"] * len(found.test)
    assert known == pytest.approx(round(known), abs=1e-6)  # counted on that many images


def test_the_test_images_are_read_at_every_level_where_that_is_asked_for():
    asked = ["method=iterative", "schedule.steps=3", "budget.filters_removed=0.6", "folds.count=4"]
    assert run(["prune", *QUICK, *asked, "schedule.test_levels=true", "hydra.run.dir=out"]) == 0
    metrics = json.loads(Path("out/metrics.json").read_text())
    images = round(len(run_data(Path("out")).test))
    for level in metrics["levels"]:
        for known in (level["test_accuracy_before"] * images, level["test_accuracy"] * images):
            assert known == pytest.approx(round(known), abs=1e-6)
    last = metrics["levels"][-1]
    assert last["test_accuracy_before"] == metrics["pruned"]["accuracy_before_finetune"]
    assert last["test_accuracy"] == metrics["pruned"]["accuracy"]
    assert run(["prune", *QUICK, *asked, "hydra.run.dir=quiet"]) == 0
    assert "test_accuracy" not in json.loads(Path("quiet/metrics.json").read_text())["levels"][0]


def test_a_body_is_transferred_and_trained_on():
    assert run(["train", *QUICK, "hydra.run.dir=first"]) == 0
    body = "transfer=first/dense/model.safetensors"
    assert (
        run(["train", *QUICK, body, "recipe.train.lr=1e-9", "recipe.train.weight_decay=0", "hydra.run.dir=second"]) == 0
    )
    from safetensors.torch import load_file

    one, two = load_file("first/dense/model.safetensors"), load_file("second/dense/model.safetensors")
    assert (one["conv2.weight"] - two["conv2.weight"]).abs().max() < 1e-5
    assert (one["fc2.weight"] - two["fc2.weight"]).abs().max() > 1e-2


def photographs(folder, each):
    """Grey images of two classes, dark and bright; returns the override that names them."""
    draw = np.random.default_rng(0)
    for name, least in (("dark", 0), ("bright", 120)):
        (folder / name).mkdir(parents=True)
        for i in range(each):
            pixels = draw.integers(least, least + 136, (16, 16), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return f"data.root={folder}"


def test_folds_of_photographs_without_the_damaged_one(tmp_path, capsys):
    asked = ["train", *SMALL, photographs(tmp_path / "data", 6), "folds.count=3", "hydra.run.dir=out"]
    (tmp_path / "data" / "dark" / "2.png").write_text("no image")
    assert run([*asked, "seed=1"]) == 2
    assert "dark/2.png" in (said := capsys.readouterr().err) and said.rstrip().endswith("data.unreadable=skip")
    assert run([*asked, "data.unreadable=skip", "seed=1"]) == 0
    output = capsys.readouterr()
    assert "1 of 12 images cannot be read and are left out: dark/2.png" in output.out + output.err
    found = run_data(Path("out"))
    parts = [found.train, found.val, found.test]
    assert sum(map(len, parts)) == 11 and len(found.test) in (3, 4)
    assert all(set(part.labels.tolist()) == {0, 1} for part in parts)
    assert len({pixels.numpy().tobytes() for part in parts for pixels in part.pixels}) == 11  # each in one part


@pytest.mark.parametrize(("each", "says"), [(2, "has 2 images: give at least 5 to"), (4, "or folds.count=4")])
def test_too_few_photographs_for_the_folds_are_refused_with_the_number_that_is_needed(each, says, tmp_path, capsys):
    assert run(["train", *SMALL, photographs(tmp_path / "data", each), "folds.count=5"]) == 2
    assert says in capsys.readouterr().err


def test_classifiers_read_the_test_images_of_their_fold(tmp_path):
    asked = [
        "classifiers",
        *SMALL,
        photographs(tmp_path / "data", 8),
        "folds.count=4",
        "classifiers.kinds=[knn,svm_hinge]",
    ]
    assert run([*asked, "seed=3", "folds.val_share=0.25", "hydra.run.dir=out"]) == 0
    record = json.loads(Path("out/classifiers.json").read_text())
    assert (record["test_images"], record["train_images"]) == (4, 8)
    assert [row["name"] for row in record["rows"]] == ["network", "knn", "svm_hinge"]
    for row in record["rows"]:
        assert 4 * row["test_accuracy"] == round(4 * row["test_accuracy"])
    assert len(run_data(Path("out")).test) == 4


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["folds.fold=1"], "give folds.count="),
        (["folds.count=5", "folds.fold=5"], "folds.fold=5"),
        (["folds.count=one"], "folds.count"),
        (["folds.count=4000"], "between 2 and the 1797"),
        (["folds.count=500"], "500 folds need at least 500 of each class: give more of it, or folds.count=174"),
        (["transfer=nowhere.safetensors"], "is not a file"),
        (["transfer=a", "weights=b"], "do not go together"),
    ],
)
def test_wrong_requests(given, says, capsys):
    assert run(["train", *QUICK, *given]) == 2
    assert says in capsys.readouterr().err
