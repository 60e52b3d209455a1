"""Products that may round their factors to bf16: what they are, and where they may not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from easiedge import bf16_products as module
from easiedge.bf16_products import bf16_products
from easiedge.surgery.normal_equations import NormalEquations

CPU = torch.device("cpu")


@pytest.fixture
def faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "bf16_gain", lambda: 2.0)


def rows() -> Tensor:
    """Inputs as a ReLU leaves them ``[rows, width]``."""
    return torch.randn(512, 96, generator=torch.Generator().manual_seed(0)).relu()


def gram(a: Tensor) -> Tensor:
    """``a' a``."""
    return a.T @ a


def away(one: Tensor, other: Tensor) -> float:
    """Relative distance in the norm of Frobenius."""
    return float((one.double() - other.double()).norm() / other.double().norm())


@pytest.mark.usefixtures("faster")
def test_factors_may_be_rounded_and_sums_are_not():
    a = rows()
    exact = gram(a.double())
    with bf16_products(CPU):
        product = gram(a)
        assert torch.equal(gram(a.double()), exact)
    assert min(away(product, exact), away(product, gram(a.bfloat16().double()))) < 1e-6
    assert away(gram(a), exact) < 1e-6  # outside


def test_nothing_is_rounded_where_nothing_is_gained(monkeypatch):
    monkeypatch.setattr(module, "bf16_gain", lambda: 1.1)
    a = rows()
    with bf16_products(CPU):
        assert torch.get_float32_matmul_precision() == "highest"
        assert away(gram(a), gram(a.double())) < 1e-6


@pytest.mark.usefixtures("faster")
def test_the_setting_is_put_back_after_an_error():
    with pytest.raises(RuntimeError), bf16_products(CPU):  # noqa: PT012
        assert torch.get_float32_matmul_precision() == "medium"
        raise RuntimeError
    assert torch.get_float32_matmul_precision() == "highest"


@pytest.mark.usefixtures("faster")
@pytest.mark.parametrize("offset", [False, True])
def test_rounded_normal_equations_give_nearly_the_same_weights(offset):
    a, wanted = rows()[None], torch.randn(1, 512, 8, generator=torch.Generator().manual_seed(1))
    start = torch.zeros(1, 8, 96 + offset, dtype=torch.float64)
    solved = {}
    for rounded in (False, True):
        equations = NormalEquations(start, offset, rounded)
        equations.add(a[:, :300], wanted[:, :300])
        equations.add(a[:, 300:], wanted[:, 300:])
        solved[rounded] = equations.change(ridge=1e-3)
    assert away(solved[True], solved[False]) < 0.02
    assert torch.get_float32_matmul_precision() == "highest"
