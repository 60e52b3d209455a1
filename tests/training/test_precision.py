"""The rule that chooses bf16 and channels_last."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import nn
from training import tiny

from easiedge.bf16_gain import bf16_gain
from easiedge.errors import TrainingError
from easiedge.training import precision
from easiedge.training.precision import choose_precision

X = torch.randn(2, 3, 32, 32)


def _wide() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)
    )


@pytest.fixture
def bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_bf16", lambda: "avx512_bf16")
    monkeypatch.setattr(precision, "bf16_gain", lambda: 2.0)


@pytest.mark.usefixtures("bf16")
def test_bf16_for_a_large_network_and_not_for_a_small_one(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        large = choose_precision(_wide(), X)
    assert large.precision == "bf16-mixed"
    assert large.channels_last
    assert "avx512_bf16" in caplog.text
    small = choose_precision(tiny.network(), torch.randn(2, 1, 8, 8))
    assert small.precision == "32-true"
    assert "too few" in small.reason


@pytest.mark.usefixtures("bf16")
def test_depthwise_networks_stay_in_float32() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 64, 3, padding=1),
        nn.Conv2d(64, 64, 3, padding=1, groups=64),
        nn.Flatten(),
        nn.Linear(64 * 32 * 32, 10),
    )
    assert "depthwise" in choose_precision(net, X).reason
    assert choose_precision(net, X).precision == "32-true"


@pytest.mark.usefixtures("bf16")
def test_float32_where_the_instruction_is_slower(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "bf16_gain", lambda: 0.5)
    chosen = choose_precision(_wide(), X)
    assert chosen.precision == "32-true"
    assert "2.0 of its float32 time" in chosen.reason


def test_the_gain_is_measured_once_and_leaves_generator_and_threads_alone() -> None:
    bf16_gain.cache_clear()
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    assert bf16_gain() > 0
    assert torch.get_rng_state().equal(state) and torch.get_num_threads() == threads
    assert bf16_gain() == bf16_gain()


def test_float32_without_the_instruction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_bf16", lambda: None)
    assert choose_precision(_wide(), X).precision == "32-true"


def test_requests_are_obeyed_and_checked() -> None:
    chosen = choose_precision(tiny.network(), torch.randn(2, 1, 8, 8), "bf16-mixed", channels_last=False)
    assert chosen.precision == "bf16-mixed"
    assert not chosen.channels_last
    assert not choose_precision(nn.Linear(3, 2), torch.randn(2, 3), "32-true").channels_last
    with pytest.raises(TrainingError, match="fp8"):
        choose_precision(_wide(), X, "fp8")
    with pytest.raises(TrainingError, match="channels_last"):
        choose_precision(_wide(), X, channels_last="sometimes")
