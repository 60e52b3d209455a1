"""Breast cancer: three parts, classes even, scaled by the training part alone."""

import torch

from easiedge.data.breast_cancer import BreastCancer


def ready(**options):
    data = BreastCancer(**options)
    data.setup()
    return data


def test_parts_are_whole_and_stratified():
    data = ready()
    parts = (data.train, data.val, data.test)
    assert [len(p) for p in parts] == [342, 114, 113] and data.class_names == ["malignant", "benign"]
    assert all(abs(float(p.labels.float().mean()) - 0.627) < 0.01 for p in parts)
    assert data.input_shape == (1, 1, 30) and data.train.pixels.dtype == torch.uint8


def test_the_training_part_fills_the_eight_bits_of_each_measurement():
    data = ready()
    columns = data.train.pixels.reshape(-1, 30)
    assert bool((columns.amin(0) == 0).all()) and bool((columns.amax(0) == 255).all())
    shuffled = ready(split_seed=1)
    assert not torch.equal(data.test.pixels, shuffled.test.pixels)
    assert torch.equal(ready(seed=5).test.pixels, data.test.pixels)
