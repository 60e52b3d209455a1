"""What is asked of a search, checked before anything is made."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from easiedge.cli import conf_dir
from easiedge.errors import EasiEdgeError
from easiedge.search.choose_design import best_design
from easiedge.search.jump import Jump
from easiedge.search.request import search_request

PRESETS = sorted(Path(conf_dir() / "search").glob("*.yaml"))


def request(*overrides, preset="grs", weights=None):
    cfg = OmegaConf.load(conf_dir() / "search" / f"{preset}.yaml")
    for override in overrides:
        key, _, value = override.partition("=")
        OmegaConf.update(cfg, key, OmegaConf.create(f"v: {value}").v)
    return search_request(cfg, weights)


@pytest.mark.parametrize("path", PRESETS, ids=lambda p: p.stem)
def test_every_preset_is_a_request_with_a_strategy(path):
    made = request(preset=path.stem)
    assert made.T == 0.985 and made.tq.T_weights == 0.995 and made.tq.T_digits == 0.99
    assert isinstance(made.make_strategy([]), Jump) == (path.stem == "jump_grs")


def test_presets_hold_the_same_keys():
    assert len({tuple(sorted(OmegaConf.load(path))) for path in PRESETS}) == 1 and len(PRESETS) == 6


@pytest.mark.parametrize("share", ["0", "1.01", "-0.5", "true"])
def test_thresholds_outside_their_interval(share):
    for name in ("T", "tq.T_weights", "tq.T_digits", "original"):
        with pytest.raises(EasiEdgeError, match=rf"search.{name}=.* is outside \(0, 1\]"):
            request(f"{name}={share}")
    assert request("T=1").T == 1


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (["strategy=best"], "search.strategy=best is unknown: choose one of greedy_random"),
        (["start=cold"], "search.start=cold is unknown"),
        (["choose=luck"], "search.choose=luck is unknown"),
        (["rate=1.0"], "search.rate=1.0 must be a share"),
        (["attempts=5"], "search.attempts=5 counts the candidates of a jump"),
        (["rate=0.5"], "search.rate=0.5 is of search=joint_information_gain"),
        (["jumps=[1.5]"], "search.jumps holds 1.5"),
        (["strategy=joint_information_gain", "jumps=[0.5]", "rate=0.5"], "give one of them"),
        (["families=[nn1,nn9]"], "must be different ones of nn1"),
        (["families=[nn1,nn1]"], "must be different ones of nn1"),
        (["tq.step=0"], "search.tq.step=0 must be a number"),
        (["tq.threshold=-1"], "search.tq.threshold=-1 must be a number"),
    ],
)
def test_wrong_values_are_named(wrong, says):
    with pytest.raises(EasiEdgeError, match=says):
        request(*wrong)


def test_families_do_not_go_with_weights():
    with pytest.raises(EasiEdgeError, match="weights= are of one network"):
        request("families=[nn1]", weights="w.safetensors")


def test_without_tq_its_values_are_not_looked_at():
    assert request("tq.enabled=false", "tq.step=0").tq is None


def test_the_chosen_design_is_the_best_by_its_criterion():
    designs = {
        "a": {"params": 10, "macs": 30, "val_accuracy": 0.9},
        "b": {"params": 12, "macs": 20, "val_accuracy": 0.8},
        "c": {"params": 12, "macs": 40, "val_accuracy": 0.95},
        "d": {"params": 10, "macs": 30, "val_accuracy": 0.9},
    }
    assert [best_design(designs, choose) for choose in ("params", "macs", "accuracy")] == ["a", "b", "c"]
