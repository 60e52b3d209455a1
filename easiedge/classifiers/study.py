"""Classical classifiers on the features of one network, beside the network itself."""

from __future__ import annotations

from functools import partial
from statistics import median

import torch

from easiedge.assembly import Parts
from easiedge.classifiers.features import classifying_layer, deep_features
from easiedge.classifiers.fitted import KINDS, fit_best
from easiedge.classifiers.request import ClassifiersRequest
from easiedge.classifiers.timing import seconds_by_turns
from easiedge.data.in_memory import Batches
from easiedge.model.artifact_size import artifact_bytes
from easiedge.report.bar import Bar
from easiedge.report.classifiers_record import ClassifierRow, Classifiers
from easiedge.training.evaluate import accuracy


def classifiers_on(parts: Parts, request: ClassifiersRequest) -> Classifiers:
    """Fit on training images without augmentation, choose on validation images, read the test images once for accuracies.

    Seconds are those of all test images, features included: medians over rounds in which the network and the classifiers take turns.
    """
    layer = request.layer or classifying_layer(parts.network)
    data, network = parts.data, parts.network
    plain = Batches(data.train, 250, data.mean, data.std)
    test = list(data.test_dataloader())
    with Bar(len(request.kinds) + 2, "classifiers", "kinds") as bar:
        own = accuracy(network, test)
        train = deep_features(network, plain, layer)
        val = deep_features(network, data.val_dataloader(), layer)
        x, y = deep_features(network, test, layer)
        bar.step("features")
        fitted = {}
        for kind in request.kinds:
            fitted[kind] = fit_best(kind, train, val, parts.seed)
            bar.step(kind)
        said = {kind: torch.from_numpy(found.model.predict(x.numpy())) for kind, found in fitted.items()}
        rounds = seconds_by_turns(  # all of them have run by now: none is cold
            {"network": lambda: accuracy(network, test), "features": lambda: deep_features(network, test, layer)}
            | {kind: partial(found.model.predict, x.numpy()) for kind, found in fitted.items()}
        )
        bar.step("times")
    megabytes, seconds = sum(artifact_bytes(network)) / 1e6, median(each["network"] for each in rounds)
    rows = [ClassifierRow("network", "the network itself", "", None, None, own, megabytes, seconds, 0.0, True)]
    for kind, found in fitted.items():
        right = float((said[kind] == y).double().mean())
        seconds = median(each["features"] + each[kind] for each in rounds)
        rows.append(
            ClassifierRow(
                kind, KINDS[kind].words, KINDS[kind].setting, found.value, found.val_accuracy, right,
                megabytes + found.megabytes, seconds, found.seconds, found.converged,
            )
        )  # fmt: skip
    return Classifiers(
        parts.names.model, parts.names.data, parts.seed, layer, x.shape[1], len(train[1]), len(y), tuple(rows)
    )
