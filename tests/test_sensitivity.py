"""easiedge sensitivity on the command line: figures, files, going on after an interrupt, wrong requests."""

import json
from pathlib import Path

import pytest
import torch
import wandb_file

import easiedge
from easiedge import sensitivity
from easiedge.cli import run
from easiedge.data.digits import Digits
from easiedge.model.lenet import lenet
from easiedge.model.weights import load_weights
from easiedge.surgery.group_accuracy import GroupAccuracy
from easiedge.training.evaluate import accuracy
from easiedge.unit import FilterMask

QUICK = ["sensitivity", "calibration.images=64", "trainer.progress=false", "scoring=l1_magnitude", "hydra.run.dir=out"]

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dense")
    assert (
        run(["train", "recipe.train.epochs=6", "trainer.progress=false", "logger=none", f"hydra.run.dir={folder}"]) == 0
    )
    return folder / "dense" / "model.safetensors"


def record():
    return json.loads(Path("out/sensitivity.json").read_text())


def validation_images():
    data = Digits()
    data.setup()
    return data


def test_every_accuracy_is_that_of_filters_zeroed_by_hand(weights):
    assert run([*QUICK, f"weights={weights}", "logger=none", "sensitivity.shares=[0.5,0.25,0.97]"]) == 0
    found, data = record(), validation_images()
    network = lenet(num_classes=10, in_channels=1, image_size=8).eval()
    load_weights(network, weights)
    batches = list(data.val_dataloader())
    assert (found["split"], found["images"], found["criterion"]) == ("val", len(data.val), "l1_magnitude")
    assert found["shares"] == [0.25, 0.5, 0.97] and found["dense"] == pytest.approx(accuracy(network, batches))
    assert [(g["name"], g["size"]) for g in found["groups"]] == [("conv1", 20), ("conv2", 50), ("fc1", 500)]
    went = {"conv1": [5, 10, 19], "conv2": [13, 25, 49], "fc1": [125, 250, 485]}
    norms = {"conv1": "bn1", "conv2": "bn2", "fc1": "bn3"}
    for group in found["groups"]:
        assert group["removed"] == went[group["name"]]
        layer = network.get_submodule(group["name"])
        order = layer.weight.flatten(1).abs().sum(1).argsort()
        for count, value in zip(group["removed"], group["accuracy"], strict=True):
            by_hand = lenet(num_classes=10, in_channels=1, image_size=8).eval()
            load_weights(by_hand, weights)
            for name in (group["name"], norms[group["name"]]):
                module = dict(by_hand.named_modules()).get(name)
                for parameter in module.parameters() if module is not None else ():
                    parameter.data[order[:count]] = 0
            assert value == pytest.approx(accuracy(by_hand, batches), abs=1.5 / len(data.val))


def test_the_test_split_and_fewer_images_only_when_asked_for(weights):
    asked = ["sensitivity.split=test", "sensitivity.images=50", "sensitivity.shares=[0.5]"]
    assert run([*QUICK, f"weights={weights}", "logger=none", *asked]) == 0
    assert (record()["split"], record()["images"]) == ("test", 50)


def test_the_refit_is_that_of_compensate_and_helps(weights):
    asked = [
        "sensitivity.shares=[0.6]",
        "groups.include=[conv1,conv2]",
        "calibration.images=256",
        f"weights={weights}",
        "logger=none",
    ]
    assert run([*QUICK, *asked, "sensitivity.compensation=least_squares"]) == 0
    refitted = record()
    data = validation_images()
    network = lenet(num_classes=10, in_channels=1, image_size=8).eval()
    load_weights(network, weights)
    calibration = data.calibration_batches(256, 128, 0)
    groups = [g for g in easiedge.find_groups(network, calibration[0][0][:2]) if g.name in ("conv1", "conv2")]
    keep = torch.ones(20, dtype=torch.bool)
    keep[network.conv1.weight.flatten(1).abs().sum(1).argsort()[:12]] = False
    mask = FilterMask({"conv1": keep, "conv2": torch.ones(50, dtype=torch.bool)})
    fitted = easiedge.shrink(
        easiedge.compensate(network, groups, mask, calibration), groups, mask, calibration[0][0][:2]
    )
    assert refitted["groups"][0]["accuracy"][0] == pytest.approx(accuracy(fitted, data.val_dataloader()), abs=1.5 / 143)
    assert run([*QUICK[:-1], *asked, "hydra.run.dir=plain"]) == 0
    plain = json.loads(Path("plain/sensitivity.json").read_text())
    assert refitted["groups"][0]["accuracy"][0] > plain["groups"][0]["accuracy"][0] + 0.05


def test_an_interrupt_loses_no_group_and_the_same_command_goes_on(weights, monkeypatch):
    measured, without = [], GroupAccuracy.without

    def stopped(self, group, removed):
        if len(measured) == 2:
            raise KeyboardInterrupt
        measured.append(group.name)
        return without(self, group, removed)

    command = [*QUICK, f"weights={weights}", "logger=none", "sensitivity.shares=[0.3,0.6]"]
    with monkeypatch.context() as patch:
        patch.setattr(GroupAccuracy, "without", stopped)
        assert run(command) == 130
    first = record()
    assert [g["name"] for g in first["groups"]] == measured == ["conv1", "conv2"]
    monkeypatch.setattr(
        GroupAccuracy,
        "without",
        lambda self, group, removed: measured.append(group.name) or without(self, group, removed),
    )
    assert run(command) == 0
    assert measured == ["conv1", "conv2", "fc1"]
    whole = record()
    assert whole["groups"][:2] == first["groups"]
    assert whole["seconds"]["one_global_scoring"] == first["seconds"]["one_global_scoring"]
    monkeypatch.setattr(sensitivity, "score", None)  # nothing is left to do
    assert run(command) == 0
    assert record() == whole
    assert run([*QUICK[:-1], *command[len(QUICK) :], "hydra.run.dir=alone"]) == 1  # scores anew


def test_another_request_does_not_go_on_with_it(weights, capsys):
    command = [*QUICK, f"weights={weights}", "logger=none", "groups.include=[conv1]"]
    assert run([*command, "sensitivity.shares=[0.3]"]) == 0
    before = record()
    assert run([*command, "sensitivity.shares=[0.4]"]) == 2
    assert "another request" in capsys.readouterr().err and record() == before


def test_wandb_and_the_terminal_hold_it_too(weights, capsys):
    assert run([*QUICK, f"weights={weights}", "sensitivity.shares=[0.3]"]) == 0
    (log,) = Path("out/wandb").glob("offline-run-*/run-*.wandb")
    assert not wandb_file.missing(
        log, (b"sensitivity_heat_map", b"sensitivity_curves", b"lost/conv1", b"sensitivity/dense_accuracy")
    )
    for name in ("sensitivity_curves", "sensitivity_heat_map"):
        assert all(Path("out", f"{name}.{form}").stat().st_size > 0 for form in ("png", "svg"))
    text = capsys.readouterr().out
    assert "dense" in text and "one global scoring of all 570 units" in " ".join(text.split())


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sensitivity.shares=[1.0]", "holds 1.0: give shares between 0 and 1"),
        ("sensitivity.shares=[0]", "holds 0"),
        ("sensitivity.shares=[x]", "holds x"),
        ("sensitivity.shares=[true]", "holds True"),
        ("sensitivity.shares=0.5", "must be a list"),
        ("sensitivity.shares=[]", "must be a list"),
        ("sensitivity.shares=null", "must be a list"),
        ("sensitivity.shares=[0.5,0.5]", "twice"),
        ("sensitivity.split=train", "choose one of val, test"),
        ("sensitivity.compensation=magic", "choose one of none, least_squares"),
        ("sensitivity.images=0", "whole number from 1"),
        ("sensitivity.images=many", "whole number from 1"),
        ("sensitivity.images=5000", "sensitivity.images=5000 is more than"),
        ("scoring=magic", "l1_magnitude"),
        ("sensitivity.no_key=1", "no_key"),
    ],
)
def test_wrong_requests_are_refused_with_status_2(override, message, weights, capsys):
    assert run([*QUICK, f"weights={weights}", "logger=none", override]) == 2
    err = capsys.readouterr().err
    (line,) = [x for x in err.splitlines() if x.startswith("easiedge:")]
    assert message in line
