"""The main job with hardly any data, or data that say nothing, ends with figures that are figures."""

import json
import math

import numpy as np
import pytest
from PIL import Image

from easiedge.cli import run

pytestmark = pytest.mark.usefixtures("elsewhere")
QUICK = [
    "data=image_folder", "data.image_size=16", "data.grey=true", "data.shift=0", "logger=none", "trainer.progress=false", "recipe.train.epochs=2",
    "recipe.admm.epochs=1", "schedule.iterations=2", "recipe.finetune.epochs=1",
]  # fmt: skip


def images(folder, count, value=None):
    draw = np.random.default_rng(0)
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            pixels = (
                draw.integers(0, 256, (16, 16), dtype=np.uint8) if value is None else np.full((16, 16), value, np.uint8)
            )
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return f"data.root={folder}"


def test_the_study_of_photographs_runs_on_few_of_them(tmp_path, capsys):
    """Its file asks for 256 calibration images; who types a number himself is told that there are not so many."""
    given = [images(tmp_path / "data", 8), "model=lenet", "data.image_size=16", "data.grey=true", "folds.count=2"]
    quick = ["recipe.train.epochs=1", "logger=none", "trainer.progress=false"]
    asked = ["train", "experiment=infrastructure/vgg16", *given, *quick, f"hydra.run.dir={tmp_path / 'out'}"]
    assert run([*asked, "calibration.images=256"]) == 2
    assert "calibration.images=256 is more than the 6 images there are" in capsys.readouterr().err
    assert run(asked) == 0
    output = capsys.readouterr()
    assert "calibration.images=256, but there are 6 training images: all of them are taken" in output.out + output.err


def numbers(value):
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from numbers(part)
    elif not isinstance(value, str):
        yield value


@pytest.mark.parametrize(
    ("count", "value", "more"),
    [
        (3, None, []),  # one image a class for each part
        (8, 0, ["calibration.images=2"]),  # black: nothing to tell classes apart by
        (4, None, ["calibration.images=1", "method=one_shot"]),
        (4, 128, ["calibration.images=1", "method=iterative", "schedule.steps=2"]),
    ],
    ids=str,
)
def test_the_main_job_ends(tmp_path, count, value, more):
    quick = [o for o in QUICK if not (o.startswith("schedule") and any("method" in m for m in more))]
    out = tmp_path / "out"
    assert run(["prune", *quick, images(tmp_path / "data", count, value), *more, f"hydra.run.dir={out}"]) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    metrics["admm"] = {}  # residuals may be null
    assert all(isinstance(v, bool) or (v is not None and math.isfinite(v)) for v in numbers(metrics))
    assert metrics["budget"]["achieved"]["filters_removed"] >= 0.5
