"""Classifiers that scikit-learn fits, with the setting that validation images like best."""

import pickle

import pytest
import torch

from easiedge.classifiers import fitted
from easiedge.classifiers.fitted import KINDS, fit_best


def blobs(images, seed, spread=0.6):
    g = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 3, (images,), generator=g)
    centres = 3.0 * torch.eye(3)
    return centres[labels] + spread * torch.randn(images, 3, generator=g), labels


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_classes_that_lie_apart_are_told_apart(kind):
    found = fit_best(kind, blobs(90, 0), blobs(60, 1))
    x, y = blobs(80, 2)
    assert (found.model.predict(x.numpy()) == y.numpy()).mean() > 0.95
    assert found.val_accuracy > 0.95 and found.value in KINDS[kind].values and found.converged
    assert found.megabytes == pytest.approx(len(pickle.dumps(found.model)) / 1e6)


def test_the_value_is_the_best_on_validation_images_and_not_on_training_images():
    """One neighbour is always right on the images it holds, and wrong where classes overlap."""
    train, val = blobs(300, 0, spread=2.5), blobs(300, 1, spread=2.5)
    found = fit_best("knn", train, val)
    rights = {}
    for k in KINDS["knn"].values:
        model = fitted.make_pipeline(fitted.StandardScaler(), KINDS["knn"].make(k, 0)).fit(
            train[0].numpy(), train[1].numpy()
        )
        rights[k] = float((model.predict(val[0].numpy()) == val[1].numpy()).mean())
    assert found.value == max(rights, key=rights.get) != 1
    assert found.val_accuracy == max(rights.values())


def test_more_neighbours_than_images_are_not_tried():
    assert fit_best("knn", blobs(4, 0), blobs(20, 1)).value <= 4


def test_a_solver_that_was_stopped_says_so(monkeypatch):
    monkeypatch.setattr(fitted, "ITERATIONS", 1)
    assert not fit_best("svm_hinge", blobs(200, 0, spread=3.0), blobs(50, 1, spread=3.0)).converged
