"""The resumable oracle: the same figures as in one go, nothing measured twice, nothing lost, nothing mixed up."""

import json

import pytest
import torch
from networks import images, network

import easiedge.scoring.measured_oracle as measured_oracle
from easiedge.errors import EasiEdgeError
from easiedge.model.filter_groups import find_groups
from easiedge.scoring.measured_oracle import measure, sampled_units
from easiedge.scoring.score import score

MODEL, X = network("Residual"), images(6)
GROUPS = find_groups(MODEL, X)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(measured_oracle, "BLOCK", 2)


def test_equals_the_oracle_in_one_go(tmp_path):
    found, told = measure(MODEL, GROUPS, [X[:4], X[4:]], tmp_path / "o.jsonl"), []
    whole = score(MODEL, GROUPS, [X], "information_gain")
    for g in GROUPS:
        assert torch.allclose(found.gains[g.name], whole.values[g.name], rtol=1e-4, atol=1e-8)
    measure(
        MODEL, GROUPS, [X[:4], X[4:]], tmp_path / "o.jsonl", progress=lambda done, of, seconds: told.append((done, of))
    )
    units = sum(g.size for g in GROUPS)
    assert told[0] == told[-1] == (units, units)  # everything was there already


def test_goes_on_after_an_interrupt_even_in_the_middle_of_a_line(tmp_path, monkeypatch):
    file, asked = tmp_path / "o.jsonl", []
    true_gains = measured_oracle.gains_of

    def counted(model, groups, batches, units):
        if len(asked) == 3:
            raise KeyboardInterrupt
        asked.append(units)
        return true_gains(model, groups, batches, units)

    monkeypatch.setattr(measured_oracle, "gains_of", counted)
    with pytest.raises(KeyboardInterrupt):
        measure(MODEL, GROUPS, [X], file)
    with file.open("a") as out:
        out.write('{"group": "stem", "unit": 0, "gai')  # a crash while writing
    again = []

    def recorded(model, groups, batches, units):
        again.append(units)
        return true_gains(model, groups, batches, units)

    monkeypatch.setattr(measured_oracle, "gains_of", recorded)
    found = measure(MODEL, GROUPS, [X], file)
    assert not [units for units in again if units in asked]
    monkeypatch.setattr(measured_oracle, "gains_of", true_gains)
    fresh = measure(MODEL, GROUPS, [X], tmp_path / "fresh.jsonl")
    assert all(torch.equal(found.gains[n], v) for n, v in fresh.gains.items())
    assert measure(MODEL, GROUPS, [X], file).seconds == pytest.approx(found.seconds)
    lines = file.read_text().splitlines()
    assert sorted({(r["group"], r["unit"]) for r in map(json.loads, lines[1:])}) == sorted(
        (g.name, i) for g in GROUPS for i in range(g.size)
    )
    assert len(lines) == 1 + sum(g.size for g in GROUPS)


def test_a_share_measures_some_units_of_every_group_and_they_are_the_same_each_time(tmp_path):
    units = sampled_units(GROUPS, 0.5, seed=3)
    assert all(torch.equal(units[n], v) for n, v in sampled_units(GROUPS, 0.5, seed=3).items())
    assert {n: len(v) for n, v in units.items()} == {g.name: max(1, round(0.5 * g.size)) for g in GROUPS}
    found = measure(MODEL, GROUPS, [X], tmp_path / "o.jsonl", share=0.5, seed=3)
    whole = score(MODEL, GROUPS, [X], "information_gain")
    for n, v in units.items():
        assert torch.allclose(found.gains[n], whole.values[n][v], rtol=1e-4, atol=1e-8)


def test_another_network_or_other_images_are_refused(tmp_path):
    measure(MODEL, GROUPS[:1], [X], tmp_path / "o.jsonl")
    for model, x in ((network("Residual", seed=1), X), (MODEL, X + 1)):
        with pytest.raises(EasiEdgeError, match="another network or of other images"):
            measure(model, GROUPS[:1], [x], tmp_path / "o.jsonl")
    assert json.loads((tmp_path / "o.jsonl").read_text().splitlines()[0])["identity"]


def test_a_larger_share_measures_only_what_is_missing(tmp_path, monkeypatch):
    measure(MODEL, GROUPS, [X], tmp_path / "o.jsonl", share=0.5, seed=1)
    asked, true_gains = [], measured_oracle.gains_of

    def recorded(model, groups, batches, units):
        asked.extend((groups[0].name, u) for u in units[groups[0].name])
        return true_gains(model, groups, batches, units)

    monkeypatch.setattr(measured_oracle, "gains_of", recorded)
    found = measure(MODEL, GROUPS, [X], tmp_path / "o.jsonl")
    had = {(n, u) for n, units in sampled_units(GROUPS, 0.5, 1).items() for u in units.tolist()}
    assert set(asked) == {(g.name, i) for g in GROUPS for i in range(g.size)} - had
    monkeypatch.setattr(measured_oracle, "gains_of", true_gains)
    fresh = measure(MODEL, GROUPS, [X], tmp_path / "fresh.jsonl")
    assert all(torch.equal(found.gains[n], v) for n, v in fresh.gains.items())


@pytest.mark.parametrize("begun", ["", '{"identi'])
def test_a_record_that_a_crash_left_without_its_first_line_is_begun_anew(tmp_path, begun):
    file = tmp_path / "o.jsonl"
    file.write_text(begun)
    measure(MODEL, GROUPS[:1], [X], file)
    assert len(file.read_text().splitlines()) == 1 + GROUPS[0].size


def test_the_same_weights_in_another_forward_are_another_network(tmp_path):
    class Other(type(MODEL)):
        def forward(self, x):
            return -super().forward(x)

    other = Other().eval()
    other.load_state_dict(MODEL.state_dict())
    measure(MODEL, GROUPS[:1], [X], tmp_path / "o.jsonl")
    with pytest.raises(EasiEdgeError, match="another network"):
        measure(other, GROUPS[:1], [X], tmp_path / "o.jsonl")


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_shares_outside_0_to_1_are_refused(share):
    with pytest.raises(EasiEdgeError, match="outside"):
        sampled_units(GROUPS, share, 0)
