"""What ``compare.*`` may ask for, and how the rest is refused."""

import pytest
from omegaconf import OmegaConf

from easiedge.cli import conf_dir
from easiedge.compare.request import request_of
from easiedge.configuration import composed
from easiedge.errors import EasiEdgeError


def request(first_seed=0, **given):
    cfg = composed(conf_dir(), []).compare
    return request_of(OmegaConf.merge(cfg, given), first_seed)


def test_seeds_are_a_number_from_the_first_or_a_list():
    assert request(first_seed=3, seeds=4).seeds == (3, 4, 5, 6)
    assert request(seeds=[7, 1]).seeds == (7, 1)


def test_one_value_stands_for_a_list_of_it():
    found = request(methods="one_shot", budgets=0.4, scopes="global", criteria="random")
    assert (found.methods, found.budgets, found.scopes, found.criteria) == (
        ("one_shot",),
        (0.4,),
        ("global",),
        ("random",),
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"methods": []}, "compare.methods"),
        ({"methods": ["a", "a"]}, "twice"),
        ({"methods": [3]}, "compare.methods"),
        ({"scopes": ["everywhere"]}, "global, layerwise"),
        ({"by": "filters"}, "filters_removed, params_removed"),
        ({"budgets": []}, "compare.budgets"),
        ({"budgets": ["half"]}, "compare.budgets"),
        ({"budgets": [1.5]}, "filters_removed=1.5"),
        ({"budgets": [0, 0.5]}, "removes nothing"),
        ({"by": "latency_ms_max", "budgets": [-1]}, "latency_ms_max=-1"),
        ({"seeds": 0}, "compare.seeds"),
        ({"seeds": [1, -1]}, "compare.seeds"),
        ({"seeds": [1, 1]}, "twice"),
        ({"seeds": True}, "compare.seeds"),
        ({"epochs": 0}, "compare.epochs"),
        ({"varied": ["recipe.train.lr"]}, "recipe.finetune and calibration"),
        ({"varied": [True]}, "recipe.finetune and calibration"),
        ({"varied": ["recipe.finetune"]}, "recipe.finetune and calibration"),
        ({"varied": ["recipe.finetune.epochs"]}, "compare.epochs"),
        ({"varied": ["recipe.finetune.lr", "recipe.finetune.lr"]}, "twice"),
        ({"control": "maybe"}, "compare.control"),
        ({"confidence": 95}, "compare.confidence"),
    ],
)
def test_what_means_nothing_is_refused_in_one_sentence(given, said):
    with pytest.raises(EasiEdgeError) as refused:
        request(**given)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
