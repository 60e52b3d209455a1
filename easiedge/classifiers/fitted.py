"""K-nearest neighbours, a support vector machine and one with linear hinge loss, each with the setting that validation images like best."""

from __future__ import annotations

import pickle
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from easiedge.classifiers.features import Labelled

ITERATIONS = 20_000


@dataclass(frozen=True)
class Kind:
    """A kind of classifier.

    Attributes:
        words: for tables.
        setting: the name of what validation images choose.
        values: its values, the first wins a tie.
        make: from a value and a seed to a classifier.
    """

    words: str
    setting: str
    values: tuple[float, ...]
    make: Callable[[float, int], Any]


KINDS: Mapping[str, Kind] = {
    "knn": Kind("k-nearest neighbours", "k", (1, 3, 5, 9, 15), lambda k, _: KNeighborsClassifier(int(k))),
    "svc": Kind("support vector machine, radial kernel", "C", (1.0, 10.0, 100.0), lambda c, _: SVC(C=c)),
    "svm_hinge": Kind(
        "support vector machine, linear, hinge loss", "C", (0.001, 0.01, 0.1, 1.0),
        lambda c, seed: LinearSVC(C=c, loss="hinge", max_iter=ITERATIONS, random_state=seed),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Fitted:
    """A classifier on features.

    Attributes:
        kind: one of `KINDS`.
        value: of its setting.
        model: of scikit-learn; standardises the features first.
        val_accuracy: in [0, 1], by which the value was chosen.
        converged: False if the solver was stopped at its limit.
        seconds: to fit all values.
    """

    kind: str
    value: float
    model: Any
    val_accuracy: float
    converged: bool
    seconds: float

    @property
    def megabytes(self) -> float:
        """Size of the saved classifier in MB of 10^6 bytes."""
        return len(pickle.dumps(self.model)) / 1e6


def fit_best(kind: str, train: Labelled, val: Labelled, seed: int = 0) -> Fitted:
    """Fit every value of the kind's setting to ``train`` and keep the one that is right most often on ``val``."""
    chosen, begun = KINDS[kind], time.perf_counter()
    best: Fitted | None = None
    for value in chosen.values:
        if kind == "knn" and value > len(train[1]):
            continue
        model = make_pipeline(StandardScaler(), chosen.make(value, seed))
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", ConvergenceWarning)
            model.fit(train[0].numpy(), train[1].numpy())
        converged = not any(issubclass(w.category, ConvergenceWarning) for w in told)
        right = float((model.predict(val[0].numpy()) == val[1].numpy()).mean())
        if best is None or right > best.val_accuracy:
            best = Fitted(kind, value, model, right, converged, 0.0)
    assert best is not None
    return Fitted(best.kind, best.value, best.model, best.val_accuracy, best.converged, time.perf_counter() - begun)
