"""What a configuration may name to be called: easiedge's own; the user's own where he typed it; nothing because a file names it."""

import json
import sys

import pytest
from omegaconf import OmegaConf

from easiedge import resume
from easiedge.cli import conf_dir, run
from easiedge.configuration import composed
from easiedge.errors import EasiEdgeError
from easiedge.targets import OWN, check_hydra_targets, check_targets, typed_targets

PLAIN = {place: {"_target_": names[0]} for place, names in OWN.items() if "." not in place}


def configuration(place, target):
    cfg = OmegaConf.create(PLAIN)
    OmegaConf.update(cfg, f"{place}._target_", target, force_add=True)
    return cfg


def test_all_that_the_configuration_names_is_easiedges_own():
    named = set()
    for path in conf_dir().rglob("*.yaml"):
        if path.parent.parent.name != "hydra" and path.parent.name != "sweep":
            named |= {line.split()[1] for line in path.read_text().splitlines() if line.strip().startswith("_target_:")}
    assert named <= {name for names in OWN.values() for name in names}
    for names in OWN.values():
        for name in names:
            check_targets(configuration(next(p for p, n in OWN.items() if name in n), name), [])


@pytest.mark.parametrize("place", ["data", "model", "schedule", "schedule.policy", "recipe.train"])
@pytest.mark.parametrize(
    "target",
    ["os.system", "subprocess.run", "builtins.eval", "torch.os.system", "torch.load", "torch.hub.load", "easiedge.cli.main", "hydra.utils.call", "pickle.load",
     "json.decoder.JSONDecoder", "numpy.load", "easiedge.cli.sys.exit", "eval", "3", "a b", "__import__"],
)  # fmt: skip
def test_what_makes_nothing_that_belongs_there_is_refused_though_it_was_typed(place, target):
    with pytest.raises(EasiEdgeError, match=r"choose easiedge\.") as error:
        check_targets(configuration(place, target), [f"{place}._target_='{target}'"])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("place", ["logger", "data.mean", "budget", "trainer.options.callbacks"])
def test_nothing_else_is_made(place):
    target = "easiedge.data.digits.Digits"
    with pytest.raises(EasiEdgeError, match="names something to be called"):
        check_targets(configuration(place, target), [f"+{place}._target_={target}"])


OWN_CODE = """
from torch import nn
from easiedge.data.digits import Digits
class Mine(Digits): pass
class Net(nn.Linear): pass
def net(num_classes): return nn.Linear(64, num_classes)
from os import system as tool
"""


@pytest.fixture
def own_package(tmp_path, monkeypatch):
    (tmp_path / "own_code_of_a_user.py").write_text(OWN_CODE)
    monkeypatch.syspath_prepend(tmp_path)
    yield "own_code_of_a_user"
    sys.modules.pop("own_code_of_a_user", None)


@pytest.mark.parametrize(("place", "name"), [("data", "Mine"), ("model", "Net"), ("model", "net")])
def test_ones_own_is_made_where_it_was_typed_and_not_where_a_file_names_it(own_package, place, name):
    cfg = configuration(place, f"{own_package}.{name}")
    check_targets(cfg, [f"{place}._target_={own_package}.{name}"])
    check_targets(cfg, [f"{place}={{_target_: {own_package}.{name}}}"])
    sys.modules.pop(own_package)
    with pytest.raises(EasiEdgeError, match="was not typed on this command line"):
        check_targets(cfg, [f"+experiment={place}"])
    assert own_package not in sys.modules  # not even imported


@pytest.mark.parametrize(("place", "name"), [("data", "Net"), ("data", "net"), ("model", "tool"), ("model", "Digits")])
def test_ones_own_of_the_wrong_kind_is_not_called(own_package, place, name):
    with pytest.raises(EasiEdgeError, match="is not called, since it makes no"):
        check_targets(configuration(place, f"{own_package}.{name}"), [f"{place}._target_={own_package}.{name}"])


def test_ones_own_network_goes_through_composition(own_package):
    cfg = composed(conf_dir(), [f"model._target_={own_package}.net"])
    assert cfg.model._target_ == f"{own_package}.net"


@pytest.mark.parametrize(
    "override",
    ["hydra.callbacks.x._target_=os.system", "+hydra.callbacks={x: {_target_: os.system}}", "hydra.job_logging.handlers.console.class=os.system",
     "+hydra.job_logging.handlers={a: {class: os.system}}", "hydra.searchpath=[file:///tmp]", "hydra.sweeper._target_=my.Sweeper"],
)  # fmt: skip
def test_hydras_own_configuration_names_hydras_own(override):
    with pytest.raises(EasiEdgeError):
        check_hydra_targets([override])
    check_hydra_targets(["hydra/launcher=joblib", "hydra.run.dir=x", "model._target_=a.b"])


def test_every_way_of_typing_a_target_is_seen():
    found = typed_targets(
        ["model._target_=a.b", "+data={_target_: c.d}", "schedule._target_=e.f,g.h", "x=[{_target_: i.j}]", "seed=1"]
    )
    assert found == {"a.b", "c.d", "e.f", "g.h", "i.j"}


@pytest.mark.parametrize(
    "flag", ["--config-dir=/tmp", "-cd", "--config-d=/tmp", "--config-name", "--config-path", "--experimental-rerun"]
)
@pytest.mark.usefixtures("elsewhere")
def test_flags_that_read_configurations_from_files_are_refused(flag, capsys):
    assert run(["prune", "--help", flag, "/tmp"]) == 2
    assert "is not taken" in capsys.readouterr().err


def remembered(directory, *overrides):
    (directory / resume.FOLDER).mkdir(parents=True)
    content = {"command": "prune", "overrides": overrides}
    (directory / resume.FOLDER / resume.COMMAND).write_text(json.dumps(content))
    return [f"resume={directory}"]


@pytest.mark.parametrize(
    "override",
    ["model._target_=os.system", "+data={_target_: my.data}", "hydra.callbacks.x._target_=os.system", "--experimental-rerun=x", "+hydra.searchpath=[/tmp]",
     "data.root=${oc.env:HOME}", "logger.project=${ oc.decode:1}", "seed=["],
)  # fmt: skip
def test_a_command_line_in_a_file_calls_nothing_and_reads_no_environment(tmp_path, override):
    with pytest.raises(EasiEdgeError, match=r"file|cannot be read"):
        resume.resumed_overrides("prune", remembered(tmp_path / "run", override))


def test_a_run_of_ones_own_network_is_resumed_when_the_network_is_typed_again(tmp_path):
    given = remembered(tmp_path / "run", "model._target_=my.net", "seed=3")
    with pytest.raises(EasiEdgeError, match="type it again after"):
        resume.resumed_overrides("prune", given)
    assert resume.resumed_overrides("prune", [*given, "model._target_=my.net"])[:2] == [
        "model._target_=my.net",
        "seed=3",
    ]
