"""Classical classifiers on the features of one network, beside the network itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import torch

from easiedge.assembly import Parts
from easiedge.classifiers.features import classifying_layer, deep_features
from easiedge.classifiers.fitted import KINDS, fit_best
from easiedge.classifiers.request import ClassifiersRequest
from easiedge.data.in_memory import Batches
from easiedge.model.artifact_size import artifact_bytes
from easiedge.report.bar import Bar
from easiedge.report.classifiers_record import ClassifierRow, Classifiers
from easiedge.training.evaluate import accuracy

log = logging.getLogger(__name__)


def classifiers_on(parts: Parts, request: ClassifiersRequest) -> Classifiers:
    """Fit on training images without augmentation, choose on validation images, read the test images once.

    Seconds are those of all test images, features included, measured one after the other in this run.
    """
    layer = request.layer or classifying_layer(parts.network)
    data, rows = parts.data, []
    plain = Batches(data.train, 250, data.mean, data.std)
    test = list(data.test_dataloader())
    own, seconds = _timed(lambda: accuracy(parts.network, test))
    network_mb = sum(artifact_bytes(parts.network)) / 1e6
    rows.append(ClassifierRow("network", "the network itself", "", None, None, own, network_mb, seconds, 0.0, True))
    with Bar(len(request.kinds) + 1, "classifiers", "kinds") as bar:
        train = deep_features(parts.network, plain, layer)
        val = deep_features(parts.network, data.val_dataloader(), layer)
        (x, y), reading = _timed(lambda: deep_features(parts.network, test, layer))
        bar.step("features")
        for kind in request.kinds:
            fitted = fit_best(kind, train, val, parts.seed)
            said, deciding = _timed(lambda model=fitted.model: torch.from_numpy(model.predict(x.numpy())))  # type: ignore[misc]
            right = float((said == y).double().mean())
            rows.append(
                ClassifierRow(
                    kind, KINDS[kind].words, KINDS[kind].setting, fitted.value, fitted.val_accuracy, right,
                    network_mb + fitted.megabytes, reading + deciding, fitted.seconds, fitted.converged,
                )
            )  # fmt: skip
            bar.step(kind)
    return Classifiers(
        parts.names.model, parts.names.data, parts.seed, layer, x.shape[1], len(train[1]), len(y), tuple(rows)
    )


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    begun = time.perf_counter()
    return work(), time.perf_counter() - begun
