"""A run directory as others read it: what is missing is said, and nothing that its files name is called."""

import pytest
import torch
import yaml
from run_with_network import digits, make_run

from easiedge.errors import DataError, EasiEdgeError, RunError
from easiedge.run_directory import run_data, run_network


def configured(folder, **data):
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"data": data}))
    return folder


def test_network_and_data_are_those_of_the_run(tmp_path):
    net = make_run(tmp_path, split_seed=3)
    found, data = run_network(tmp_path), run_data(tmp_path)
    x = data.calibration_batches(4)[0][0]
    assert torch.allclose(found.network(x), net(x), atol=1e-5) and found.provenance["classes"] == [
        str(d) for d in range(10)
    ]
    assert data.split_seed == 3 and not torch.equal(data.test.pixels, digits().test.pixels)
    assert run_data(tmp_path, ["data.split_seed=0"]).split_seed == 0


@pytest.mark.parametrize(("make", "message"), [
    (lambda run: None, "does not exist"),
    (lambda run: run.write_text("x"), "is a file"),
    (lambda run: run.mkdir(), "is no run directory"),
    (lambda run: configured(run, _target_="easiedge.data.digits.Digits"), "interrupted, or failed"),
    (lambda run: (run / "dense").mkdir(parents=True), "--network dense takes the network in dense/"),
    (lambda run: (run / "pruned").mkdir(parents=True), "architecture.json is missing"),
])  # fmt: skip
def test_missing_and_partial_runs_are_told_apart(tmp_path, make, message):
    make(tmp_path / "run")
    with pytest.raises(EasiEdgeError, match=message):
        run_network(tmp_path / "run")


@pytest.mark.parametrize("target", [
    "os.system", "subprocess.Popen", "easiedge.data.digits.load_digits", "easiedge.data.in_memory.Batches", "builtins.eval", None, 3,
    ["easiedge.data.digits.Digits"], "easiedge.data.digits.Digits.__init__.__globals__",
])  # fmt: skip
def test_nothing_but_easiedges_own_data_is_made_for_a_file(tmp_path, target, monkeypatch):
    import subprocess

    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: pytest.fail("a file called it"))
    with pytest.raises(RunError, match="not one of easiedge's own data"):
        run_data(configured(tmp_path, _target_=target, root="touch /tmp/x"))


def test_nested_targets_and_tags_are_plain_values_or_refused(tmp_path):
    nested = {"_target_": "os.system", "command": "false"}
    with pytest.raises(DataError, match="must be a whole number"):
        run_data(configured(tmp_path, _target_="easiedge.data.digits.Digits", batch_size="many"))
    assert run_data(configured(tmp_path, _target_="easiedge.data.digits.Digits", more=nested)).batch_size == 64
    (tmp_path / "config.yaml").write_text("data: !!python/object/apply:os.system ['false']\n")
    with pytest.raises(RunError, match="no plain YAML"):
        run_data(tmp_path)


def test_data_that_are_elsewhere_say_which_override_gives_them(tmp_path):
    for name in (
        "mnist.MNIST",
        "cifar10.CIFAR10",
        "cifar100.CIFAR100",
        "image_folder.ImageFolder",
        "imagenet.ImageNet",
    ):
        run = configured(tmp_path, _target_=f"easiedge.data.{name}", root=str(tmp_path / "gone"), download=True)
        with pytest.raises(DataError, match=r"data\.root=DIR after the run directory"):
            run_data(run)
        assert not (tmp_path / "gone" / "MNIST").exists()


@pytest.mark.parametrize(
    "override", ["data.rot=1", "seed=1", "data.root", "data.mean=[", "data._target_=os.system", "+data.root=x"]
)
def test_overrides_that_the_data_do_not_have_are_refused(tmp_path, override):
    run = configured(tmp_path, _target_="easiedge.data.cifar10.CIFAR10", root="gone")
    with pytest.raises(DataError, match=r"no override of the run's data|cannot be read"):
        run_data(run, [override])


def test_a_run_without_its_configuration_has_no_data(tmp_path):
    with pytest.raises(RunError, match=r"has no config\.yaml"):
        run_data(tmp_path)


def test_data_of_another_network_are_refused(tmp_path, capsys):
    from easiedge.report.network_provenance import input_of

    make_run(tmp_path)
    found, data = run_network(tmp_path), digits()
    assert input_of(data, found.provenance, tmp_path).shape == (1, 8, 8)
    data.mean = (0.5,)
    with pytest.raises(DataError, match=r"the data have mean \(0\.5,\)"):
        input_of(data, found.provenance, tmp_path)
    assert input_of(data, {}, tmp_path).mean == (0.5,)
