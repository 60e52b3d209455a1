"""Products that may round their factors to bf16: what they are, and where they may not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from easiedge import bf16_products as module
from easiedge.bf16_products import bf16_products
from easiedge.surgery.least_squares import LeastSquares
from easiedge.surgery.normal_equations import NormalEquations
from easiedge.surgery.pulled import digits, pull_of, solve_pulled

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


@pytest.mark.usefixtures("faster")
@pytest.mark.parametrize("positions", [24, 512], ids=["by positions", "by unknowns"])
@pytest.mark.parametrize("bias", [False, True])
def test_a_layer_on_the_way_is_refitted_nearly_as_one_that_is_kept(positions, bias):
    torch.manual_seed(0)
    layer = nn.Linear(96, 8, bias=bias)
    a, wanted = rows()[:positions, None], torch.randn(positions, 8)
    solved = {}
    for rounded in (False, True):
        fit = LeastSquares(layer, bias, rounded)
        fit.add(a, wanted)
        solved[rounded] = fit.solve(ridge=0.1)
    weight, offset = solved[True]
    assert 0 < away(weight, solved[False][0]) < 0.01
    assert weight.dtype == torch.float64
    if bias:
        assert away(offset, solved[False][1]) < 0.01


def test_what_float32_does_not_resolve_is_solved_for_in_float64():
    assert digits(4608, ridge=0.1, rounded=True) == torch.float32
    assert digits(4608, ridge=1e-3, rounded=True) == torch.float64
    assert digits(96, ridge=1e-3, rounded=True) == torch.float64
    assert digits(96, ridge=0.1, rounded=False) == torch.float64


def test_what_rounding_does_to_the_solution_stays_below_the_bound():
    torch.manual_seed(0)
    direction = torch.randn(1, 64)
    a = torch.randn(400, 1) @ direction + 1e-4 * torch.randn(
        400, 64
    )  # nearly one direction: the worst that a trace allows
    right = a.T @ torch.randn(400, 4)
    for ridge in (1.0, 0.1, 0.01):
        found = {}
        for dtype in (torch.float32, torch.float64):
            matrix = (a.double().T @ a.double())[None]
            pull = pull_of(matrix.diagonal(dim1=1, dim2=2).sum(1), 64, ridge)
            found[dtype] = solve_pulled(matrix.to(dtype), pull.to(dtype), right[None].to(dtype))
        assert away(found[torch.float32], found[torch.float64]) < 64 / ridge * torch.finfo(torch.float32).eps
