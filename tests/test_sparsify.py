"""easiedge sparsify on the command line: figures, files, going on after an interrupt, wrong requests."""

import csv
import json
from pathlib import Path

import pytest
import torch

import easiedge
from easiedge import sparsify
from easiedge.cli import conf_dir, run
from easiedge.configuration import composed
from easiedge.data.digits import Digits
from easiedge.errors import EasiEdgeError
from easiedge.model.lenet import lenet
from easiedge.model.weights import load_weights
from easiedge.sparsity_request import sparsity_request
from easiedge.training.evaluate import accuracy
from easiedge.weights.sparse_file import load_sparse

QUICK = [
    "sparsify",
    "calibration.images=64",
    "trainer.progress=false",
    "logger=none",
    "hydra.run.dir=out",
    "sparsity.epochs=1",
    "+trainer.options.limit_train_batches=0.5",
]

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dense")
    assert (
        run(["train", "recipe.train.epochs=4", "trainer.progress=false", "logger=none", f"hydra.run.dir={folder}"]) == 0
    )
    return folder / "dense" / "model.safetensors"


def record():
    return json.loads(Path("out/sparsity.json").read_text())


def fresh(state):
    network = lenet(num_classes=10, in_channels=1, image_size=8).eval()
    load_weights(network, state) if isinstance(state, Path) else network.load_state_dict(state)
    return network


def test_figures_files_and_the_saved_network_agree(weights, capsys):
    assert (
        run(
            [
                *QUICK,
                f"weights={weights}",
                "sparsity.schedule=iterative",
                "sparsity.ratios=[0.9,0,0.6]",
                "sparsity.sensitivity=[0.9]",
            ]
        )
        == 0
    )
    found, metrics, data = record(), json.loads(Path("out/metrics.json").read_text()), Digits()
    data.setup()
    test, val = list(data.test_dataloader()), list(data.val_dataloader())
    dense = fresh(weights)
    assert found["dense"]["accuracy"] == pytest.approx(accuracy(dense, test))
    assert [level["ratio"] for level in found["levels"]] == [0.0, 0.6, 0.9]
    before = None
    for level in found["levels"]:
        path = Path("out/levels") / f"{level['ratio']:.3f}" / "csr.safetensors"
        network = fresh(load_sparse(path))
        matrices = [p for p in network.parameters() if p.ndim > 1]
        zeros = sum(int((p == 0).sum()) for p in matrices) / sum(p.numel() for p in matrices)
        assert (
            level["removed"] == pytest.approx(zeros)
            and zeros >= level["ratio"] - 1e-6
            and path.stat().st_size == level["bytes"]["csr"]
        )
        assert level["accuracy"] == pytest.approx(accuracy(network, test)) and level["val_accuracy"] == pytest.approx(
            accuracy(network, val)
        )
        assert level["nonzero"] == sum(int((p != 0).sum()) for p in network.parameters())
        assert before is None or all(bool(((a == 0) <= (b == 0)).all()) for a, b in zip(before, matrices, strict=True))
        before = matrices
    assert (
        found["levels"][0]["accuracy_cut"] == found["dense"]["accuracy"]
        and found["levels"][0]["params"] == found["dense"]["params"]
    )
    compact = easiedge.load("out/pruned")
    with torch.no_grad():
        assert torch.allclose(compact(test[0][0]), network(test[0][0]), atol=1e-4)
    assert (
        metrics["method"] == "magnitude_weight_iterative"
        and metrics["pruned"]["accuracy"] == found["levels"][-1]["accuracy"]
    )
    assert metrics["pruned"]["params"] == easiedge.count(compact, test[0][0])["params"]
    for each in found["layers"]:
        alone = fresh(weights)
        weight = alone.get_submodule(each["layer"]).weight.data
        weight[weight.abs() <= weight.abs().flatten().sort().values[-(-9 * weight.numel() // 10) - 1]] = 0
        assert each["accuracy"] == pytest.approx(accuracy(alone, val))
    with Path("out/sparsity.csv").open() as file:
        assert [float(row["accuracy"]) for row in csv.DictReader(file)] == [
            level["accuracy"] for level in found["levels"]
        ]
    assert Path("out/sparsity.png").stat().st_size > 10_000
    shown = capsys.readouterr().out
    assert "weights by magnitude, global, iterative" in shown and max(map(len, shown.splitlines()[:-1])) <= 80
    assert run(["report", "out"]) == 0


def test_levels_are_removed_for_real_and_timed(weights):
    given = [*QUICK, f"weights={weights}", "sparsity.epochs=0", "sparsity.ratios=[0.6]"]
    assert run([*given, "sparsity.level=channel", "sparsity.seconds=0.05", "sparsity.batch=3"]) == 0
    (level,) = record()["levels"]
    assert level["params"] <= 0.41 * record()["dense"]["params"] and level["units"] < 570
    times = {t["network"]: t for t in level["times"]}
    assert list(times) == ["dense", "masked", "sparse", "smaller"] and times["dense"]["times_faster"] == 1.0
    assert all(t["ms"] > 0 and t["batch"] == 3 for t in times.values())
    assert run([*given, "sparsity.level=strided", "sparsity.ratios=[0.5]", "hydra.run.dir=strided"]) == 0
    smaller = easiedge.load("strided/pruned")
    assert smaller.conv1.weight.shape[2:].numel() <= 4 and smaller.conv2.weight.shape[2:].numel() <= 4


@pytest.mark.parametrize(
    "how",
    [["sparsity.criterion=optimal_brain_surgeon", "sparsity.options.block=20", "sparsity.include=[conv*,fc2]"],
     ["sparsity.criterion=channel_activity", "sparsity.schedule=layer_by_layer", "sparsity.scope=layerwise"]],
)  # fmt: skip
def test_other_criteria_and_schedules_reach_the_ratio(weights, how):
    assert run([*QUICK, f"weights={weights}", "sparsity.ratios=[0.7]", *how]) == 0
    (level,) = record()["levels"]
    kept = level["weights_kept"]
    assert level["removed"] == pytest.approx(0.7, abs=1e-3) and level["accuracy"] > 0.6
    if "surgeon" in how[0]:
        assert list(kept) == ["conv1", "conv2", "fc2"]
    else:
        sizes = {n: m.weight.numel() for n, m in fresh(weights).named_modules() if n in kept}
        assert all(kept[n] / sizes[n] == pytest.approx(0.3, abs=0.01) for n in kept)


def test_an_interrupted_run_goes_on_with_the_next_ratio(weights, monkeypatch):
    given = [*QUICK, f"weights={weights}", "sparsity.ratios=[0.5,0.8]", "sparsity.schedule=iterative"]
    assert run([*given, "hydra.run.dir=unbroken"]) == 0
    true, seen = sparsify._measured, []

    def stopped(*arguments):
        if seen:
            raise KeyboardInterrupt
        seen.append(0)
        return true(*arguments)

    monkeypatch.setattr(sparsify, "_measured", stopped)
    assert run(given) == 130 and [level["ratio"] for level in record()["levels"]] == [0.5]
    monkeypatch.setattr(sparsify, "_measured", true)
    import easiedge.training.fit as fit

    trained, fitted = [], fit.pl.Trainer.fit
    monkeypatch.setattr(fit.pl.Trainer, "fit", lambda self, *a, **o: trained.append(0) or fitted(self, *a, **o))
    assert run(["sparsify", "resume=out"]) == 0 and not trained  # both trainings were done
    whole = json.loads(Path("unbroken/sparsity.json").read_text())
    assert [level["accuracy"] for level in record()["levels"]] == [level["accuracy"] for level in whole["levels"]]
    assert [level["bytes"] for level in record()["levels"]] == [level["bytes"] for level in whole["levels"]]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("ratios=[0.5,1.0]", r"sparsity.ratios: ratio=1.0 is outside \[0, 1\)"),
        ("ratios=[-0.1]", r"outside \[0, 1\)"),
        ("ratios=0.5", "must be a list"),
        ("ratios=[]", "asks for nothing"),
        ("ratios=[0.5,0.5]", "twice"),
        ("ratios=[0.9511,0.9514]", "twice, to three digits"),
        ("criterion=optimal_brain_damage sparsity.options.probe=guess", "unknown probe 'guess': choose one of exact"),
        ("sensitivity=[2]", "sparsity.sensitivity: ratio=2 is outside"),
        ("schedule=often", "direct, iterative, layer_by_layer"),
        ("criterion=luck", "magnitude, optimal_brain_damage"),
        ("level=row", "weight, kernel, strided, channel"),
        ("scope=here", "global, layerwise"),
        ("epochs=-1", "whole number from 0"),
        ("steps=0", "whole number from 1"),
        ("batch=x", "whole number from 1"),
        ("seconds=-1", "number from 0"),
        ("include=fc1", "list of texts"),
        ("options.passes=0", "whole number from 1"),
        ("options.block=4.5", "whole number from 2"),
        ("options.block=4", "it takes none"),
        (
            "criterion=optimal_brain_surgeon sparsity.options.damping=0",
            "damping=0 of optimal_brain_surgeon must be above 0",
        ),
        ("level=channel sparsity.schedule=layer_by_layer", "method=reduce_and_reuse"),
        ("level=channel sparsity.sensitivity=[0.5]", "easiedge sensitivity"),
    ],
)
def test_wrong_requests_name_the_value(asked, says):
    with pytest.raises(EasiEdgeError, match=says):
        sparsity_request(composed(conf_dir(), f"sparsity.{asked}".split()).sparsity)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("sparsity.ratios=[1.2]", "ratio=1.2 is outside [0, 1): give the share of the weights that goes"),
        ("sparsity.include=[bn1]", "'bn1' (BatchNorm2d) has no weight matrix of its own that could be stored sparsely"),
        ("sparsity.level=kernel sparsity.include=[fc1]", "no convolution is among fc1"),
        ("sparsity.criterion=optimal_brain_surgeon", "at once, 4,096 are its limit: give block=64"),
    ],
)
def test_bad_requests_are_one_sentence_before_any_training(capsys, asked, says):
    assert run([*QUICK, *asked.split()]) == 2
    err = capsys.readouterr().err
    assert says in err and err.count("\n") == 1 and "Traceback" not in err and not Path("out/dense").exists()
