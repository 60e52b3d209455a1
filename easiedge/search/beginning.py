"""What a search begins with: samples in memory, and what must hold before anything is removed."""

from __future__ import annotations

import copy

import torch
from torch import nn

from easiedge.data.image_data import ImageData
from easiedge.data.in_memory import Images, normalise
from easiedge.data.split import draw_stratified
from easiedge.errors import DataError, TrainingError
from easiedge.search.lean_training import LeanTraining, Quality, Samples


def check_classes(data: ImageData) -> None:
    """Raise unless every class has images for training and validation.

    Raises:
        DataError: names one that has none.
    """
    for what, part in (("training", data.train), ("validation", data.val)):
        for number, name in enumerate(data.class_names):
            if not bool((part.labels == number).any()):
                raise DataError(
                    f"class {name!r} is empty: it has no {what} image, so that no accuracy would count it; leave it out"
                )


def samples_of(images: Images, data: ImageData, most: int | None, seed: int) -> Samples:
    """Images as a network takes them, all in memory; at most ``most`` of them, classes even.

    Raises:
        DataError: ``most`` leaves a class without an image.
    """
    if most is not None and most < data.num_classes:
        raise DataError(
            f"search.images={most} leaves a class without a training image: give at least one for each of the {data.num_classes} classes"
        )
    if most is not None and most < len(images):
        images = images.take(draw_stratified(images.labels, most, seed, "search.images"))
    pixels = images.pixels[torch.arange(len(images))]
    return Samples(normalise(pixels, data.mean, data.std), images.labels)


def check_start(name: str, network: nn.Module, start: Quality, floor: float, lean: LeanTraining, seed: int) -> None:
    """Raise where the search would begin under its own threshold, or with a network that has learnt nothing.

    Raises:
        TrainingError: says what was reached and what would help.
    """
    guess = float(torch.bincount(lean.val.y).max()) / len(lean.val)
    if start.accuracy <= guess:
        raise TrainingError(
            f"{name} has a validation accuracy of {start.accuracy:.2%}, no better than always saying the largest class ({guess:.2%}), so that any "
            "structure would pass: train it for longer (recipe.train.epochs) or give other weights="
        )
    if start.accuracy < floor:
        raise TrainingError(
            f"{name} cannot reach the threshold at the start: its validation accuracy is {start.accuracy:.2%}, under {floor:.2%} (search.T times "
            "search.original): lower one of them, or start from a better network"
        )
    if lean.from_scratch:
        found = lean(copy.deepcopy(network), seed)
        if found.accuracy < floor:
            raise TrainingError(
                f"{name} cannot reach the threshold at the start: trained from scratch for {lean.recipe.epochs} epochs, the whole of it has a "
                f"validation accuracy of {found.accuracy:.2%}, under {floor:.2%}: give more search.epochs, or search.start=inherit"
            )
