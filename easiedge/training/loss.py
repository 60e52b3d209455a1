"""The losses of training, as pure functions of logits."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def classification_loss(logits: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy in nats of logits ``[batch, classes]`` against class numbers ``[batch]``; computed in float32 or wider."""
    return F.cross_entropy(_wide(logits), targets, label_smoothing=label_smoothing)


def distillation_loss(
    logits: Tensor,
    tutor_logits: Tensor,
    targets: Tensor,
    temperature: float,
    alpha: float,
    label_smoothing: float = 0.0,
) -> Tensor:
    """``(1 - alpha) * CE(z, y) + alpha * T^2 * KL(softmax(z_tutor / T) || softmax(z / T))``, mean over the batch.

    The factor T^2 keeps the gradient's size as T changes.  Hinton, Vinyals & Dean 2015, section 2.

    Args:
        logits: ``z`` ``[batch, classes]`` of the network in training.
        tutor_logits: ``[batch, classes]`` of the tutor, without gradient.
        targets: class numbers ``[batch]``.
        temperature: ``T``, over 0.
        alpha: weight of the tutor in [0, 1].
        label_smoothing: on the labels' part.
    """
    log_p = F.log_softmax(_wide(logits) / temperature, dim=1)
    log_q = F.log_softmax(_wide(tutor_logits.detach()) / temperature, dim=1)
    soft = F.kl_div(log_p, log_q, reduction="batchmean", log_target=True) * temperature**2
    return (1.0 - alpha) * classification_loss(logits, targets, label_smoothing) + alpha * soft


def _wide(logits: Tensor) -> Tensor:
    return logits if logits.element_size() >= 4 else logits.float()
