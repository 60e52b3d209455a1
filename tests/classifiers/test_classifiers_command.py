"""easiedge classifiers on the command line."""

import csv
import json
from pathlib import Path

import pytest

from easiedge.cli import run

QUICK = [
    "classifiers",
    "recipe.train.epochs=3",
    "calibration.images=32",
    "trainer.progress=false",
    "logger=none",
    "hydra.run.dir=out",
]

pytestmark = pytest.mark.usefixtures("elsewhere")


def test_three_classifiers_beside_the_network(capsys):
    assert run(QUICK) == 0
    record = json.loads(Path("out/classifiers.json").read_text())
    rows = {row["name"]: row for row in record["rows"]}
    assert list(rows) == ["network", "knn", "svc", "svm_hinge"]
    assert record["layer"] == "fc2" and record["features"] == 500
    assert all(row["test_accuracy"] > 0.8 and row["seconds"] > 0 for row in record["rows"])
    assert rows["knn"]["megabytes"] > rows["svm_hinge"]["megabytes"] > rows["network"]["megabytes"] > 0
    assert [row["name"] for row in csv.DictReader(Path("out/classifiers.csv").read_text().splitlines())] == list(rows)
    assert "radial kernel" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("classifiers.kinds=[knn,forest]", "knn, svc, svm_hinge"),
        ("classifiers.kinds=[]", "must be a list"),
        ("classifiers.kinds=[svc,svc]", "each once"),
        ("classifiers.layer=nine", "no layer of the network"),
        ("classifiers=3", "classifiers"),
    ],
)
def test_wrong_requests(given, says, capsys):
    assert run([*QUICK[:1], *QUICK[2:], "recipe.train.epochs=1", given]) == 2
    assert says in capsys.readouterr().err
