"""Which cells count as finished."""

import json

import pytest
from omegaconf import OmegaConf

from easiedge.compare.finished import check_settings, finished_metrics
from easiedge.errors import EasiEdgeError, RunError

WHOLE = {
    "schema": 1, "seed": 0, "method": "one_shot", "model": "m", "data": "d", "versions": {},
    "dense": {"accuracy": 0.9, "filters": 10, "params": 100, "macs": 1000}, "masked": {"accuracy": 0.5},
    "pruned": {"accuracy": 0.8, "accuracy_before_finetune": 0.5, "filters": 5, "params": 50, "macs": 500},
    "budget": {"requested": {"filters_removed": 0.5}, "achieved": {"filters_removed": 0.5}, "reached": True}, "seconds": {"total": 1.0},
}  # fmt: skip


def write(home, text):
    home.mkdir(exist_ok=True)
    (home / "metrics.json").write_text(text)
    return home


def test_whole_figures_are_taken(tmp_path):
    assert finished_metrics(tmp_path) is None
    assert finished_metrics(write(tmp_path, json.dumps(WHOLE))) == WHOLE


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(WHOLE)[:-30],
        "",
        "[]",
        json.dumps(WHOLE | {"pruned": WHOLE["pruned"] | {"accuracy": None}}),
        json.dumps(WHOLE | {"pruned": WHOLE["pruned"] | {"accuracy": float("nan")}}),
        json.dumps(WHOLE | {"pruned": WHOLE["pruned"] | {"accuracy": 80}}),
        json.dumps(WHOLE | {"pruned": WHOLE["pruned"] | {"accuracy": "0.8"}}),
        json.dumps(WHOLE | {"dense": 0.9}),
        json.dumps({k: v for k, v in WHOLE.items() if k != "pruned"}),
    ],
)
def test_half_or_hand_edited_figures_are_named(tmp_path, text):
    with pytest.raises(RunError, match=r"metrics\.json"):
        finished_metrics(write(tmp_path, text))


def test_other_settings_are_refused_and_named_but_not_those_that_change_nothing(tmp_path):
    asked = OmegaConf.create(
        {"recipe": {"finetune": {"epochs": 10}}, "seed": 1, "logger": {"kind": "csv"}, "compare": {"seeds": 3}}
    )
    (tmp_path / "config.yaml").write_text(
        OmegaConf.to_yaml(OmegaConf.merge(asked, {"logger": {"kind": "none"}, "compare": {"seeds": 9}}))
    )
    check_settings(tmp_path, asked)
    (tmp_path / "config.yaml").write_text(
        OmegaConf.to_yaml(OmegaConf.merge(asked, {"recipe": {"finetune": {"epochs": 20}}}))
    )
    with pytest.raises(EasiEdgeError, match=r"recipe\.finetune\.epochs: 20 then, 10 now"):
        check_settings(tmp_path, asked)
    (tmp_path / "config.yaml").write_text("a: [1")
    with pytest.raises(RunError, match=r"config\.yaml: "):
        check_settings(tmp_path, asked)
