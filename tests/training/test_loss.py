"""Losses against their formulas."""

from __future__ import annotations

import pytest
import torch

from easiedge.training.loss import classification_loss, distillation_loss


def _random() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(6, 5, dtype=torch.float64), torch.randn(6, 5, dtype=torch.float64), torch.randint(0, 5, (6,))


def test_classification_with_smoothing() -> None:
    z, _, y = _random()
    logp = z.log_softmax(1)
    expected = -(0.9 * logp[range(6), y] + 0.1 * logp.mean(1)).mean()
    torch.testing.assert_close(classification_loss(z, y, 0.1), expected)


def test_distillation_is_the_mix_of_its_parts() -> None:
    z, t, y = _random()
    T = 3.0
    p, q = (z / T).softmax(1), (t / T).softmax(1)
    kl = (q * (q.log() - p.log())).sum(1).mean() * T**2
    expected = 0.25 * classification_loss(z, y) + 0.75 * kl
    torch.testing.assert_close(distillation_loss(z, t, y, T, 0.75), expected)
    torch.testing.assert_close(distillation_loss(z, t, y, T, 0.0), classification_loss(z, y))
    assert distillation_loss(z, z, y, T, 1.0).item() == pytest.approx(0.0, abs=1e-12)


def test_the_tutor_gets_no_gradient() -> None:
    z, t, y = _random()
    z.requires_grad_()
    t.requires_grad_()
    distillation_loss(z, t, y, 2.0, 0.5).backward()
    assert t.grad is None
    assert z.grad is not None
    assert float(z.grad.abs().sum()) > 0


def test_half_precision_logits_are_widened() -> None:
    z, t, y = _random()
    loss = distillation_loss(z.bfloat16(), t.bfloat16(), y, 2.0, 0.5)
    assert loss.dtype == torch.float32
