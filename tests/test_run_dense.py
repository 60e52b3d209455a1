"""The dense network of a run, kept, given, or made again; nothing that a file names is called."""

import pytest
import torch
import yaml
from run_with_network import digits

import easiedge
from easiedge.deploy.artifact import load, save
from easiedge.errors import ModelError, RunError
from easiedge.model.lenet import lenet
from easiedge.report.network_provenance import form_of
from easiedge.run_dense import dense_of

PROVENANCE = form_of(digits()).as_json()
LENET = {"_target_": "easiedge.model.lenet.lenet", "_partial_": True}


@pytest.fixture
def made(tmp_path):
    def make(model=LENET, weights=None):
        run = tmp_path / "run"
        run.mkdir()
        (run / "config.yaml").write_text(yaml.safe_dump({"model": model, "weights": weights}))
        return run

    return make


def outputs(folder):
    torch.manual_seed(0)
    return load(folder)(torch.randn(4, 1, 8, 8))


def test_the_runs_own_is_taken(made, tmp_path):
    run, net = made(), lenet(image_size=8).eval()
    save(net, run / "dense")
    found = dense_of(run, PROVENANCE, tmp_path / "new")
    assert found.artifact == run / "dense" and not (tmp_path / "new").exists()


def test_it_is_made_again_with_the_weights_of_the_run(made, tmp_path):
    net = lenet(image_size=8).eval()
    torch.save(net.state_dict(), tmp_path / "w.pt")
    found = dense_of(made(weights=str(tmp_path / "w.pt")), PROVENANCE, tmp_path / "new")
    save(net, tmp_path / "same")
    assert torch.equal(outputs(found.artifact), outputs(tmp_path / "same")) and "w.pt" in found.source


def test_where_the_weights_are_gone_the_source_says_random(made, tmp_path):
    found = dense_of(made(weights=str(tmp_path / "gone.pt")), PROVENANCE, tmp_path / "new")
    assert "random weights" in found.source
    assert easiedge.count(load(found.artifact), torch.zeros(2, 1, 8, 8)) == easiedge.count(
        lenet(image_size=8), torch.zeros(2, 1, 8, 8)
    )


def test_options_of_the_model_are_kept(made, tmp_path):
    model = {
        "_target_": "easiedge.model.torchvision_classifier.torchvision_classifier",
        "name": "squeezenet1_1",
        "pretrained": True,
    }
    provenance = {**PROVENANCE, "input": {**PROVENANCE["input"], "shape": [3, 64, 64]}}
    found = dense_of(made(model), provenance, tmp_path / "new")
    assert load(found.artifact)(torch.zeros(2, 3, 64, 64)).shape == (2, 10)  # nothing was downloaded


def test_a_given_one_is_taken(made, tmp_path):
    save(lenet(image_size=8).eval(), tmp_path / "mine")
    run, other = made(), tmp_path / "other"
    save(lenet(image_size=8).eval(), other / "dense")
    assert dense_of(run, PROVENANCE, tmp_path / "new", tmp_path / "mine").artifact == tmp_path / "mine"
    assert dense_of(run, PROVENANCE, tmp_path / "new", other).artifact == other / "dense"


@pytest.mark.parametrize("target", ["os.system", "easiedge.model.vgg.os", "mine.network", None, ["a"]])
def test_other_targets_are_not_called(made, tmp_path, target):
    with pytest.raises(RunError, match="--dense DIR"):
        dense_of(made({"_target_": target, "name": "touch hacked"}), PROVENANCE, tmp_path / "new")


def test_what_cannot_be_made_or_read_is_told(made, tmp_path):
    with pytest.raises(RunError, match="neither dense/ nor config"):
        dense_of(tmp_path, PROVENANCE, tmp_path / "new")
    with pytest.raises(RunError, match="does not exist"):
        dense_of(tmp_path, PROVENANCE, tmp_path / "new", tmp_path / "nothing")
    (tmp_path / "w.pt").write_bytes(b"no weights")
    with pytest.raises(RunError, match="--dense DIR"):
        dense_of(made(weights=str(tmp_path / "w.pt")), PROVENANCE, tmp_path / "new")


def test_an_unknown_torchvision_name_is_told(made, tmp_path):
    model = {"_target_": "easiedge.model.torchvision_classifier.torchvision_classifier", "name": "resnet1"}
    with pytest.raises((RunError, ModelError), match="resnet1"):
        dense_of(made(model), PROVENANCE, tmp_path / "new")
