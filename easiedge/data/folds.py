"""Cross-validation: every image is a test image in one fold, whatever the data set."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from easiedge.data.image_data import ImageData
from easiedge.data.split import stratified
from easiedge.errors import DataError

log = logging.getLogger(__name__)


def expect(data: ImageData, folds: Mapping[str, Any]) -> None:
    """Tell data that are not loaded yet how many images of a class the section ``folds`` of a configuration will need."""
    if folds["count"] is not None:
        data.least_of_a_class = max(3, least_of_a_class(folds["count"]))


def least_of_a_class(count: int) -> int:
    """Images of each class with which every fold has one to test, one to validate and one to train on."""
    return 4 if count == 2 else count


def deal(data: ImageData, folds: Mapping[str, Any], seed: int) -> None:
    """Split ``data`` as the section ``folds`` of a configuration says; without a count they stay as they are.

    Args:
        data: loaded.
        folds: ``count``, ``fold``, ``val_share``, ``seed``.
        seed: of the run, which is the fold modulo count where none is given.

    Raises:
        DataError: as `in_folds`; a fold without a count.
    """
    count, fold = folds["count"], folds["fold"]
    if count is None:
        if fold is not None:
            raise DataError(f"folds.fold={fold} says which of how many: give folds.count= too")
        return
    in_folds(data, count, seed % count if fold is None else fold, folds["val_share"], folds["seed"])
    if fold is None and seed >= count:
        log.warning(
            "seed=%d with folds.count=%d is fold %d: seed=%d is tested on the same images, so that the two are not two folds",
            seed, count, seed % count, seed % count,
        )  # fmt: skip


def count_over_seeds(folds: Mapping[str, Any]) -> int | None:
    """Of the section ``folds``: how many folds seeds stand for; None where they stand for none."""
    return folds["count"] if folds["fold"] is None else None


def refuse_repeated(count: int | None, seeds: Sequence[int]) -> None:
    """A study over seeds takes each for a draw of its own; two of the same of ``count`` folds are none.

    Raises:
        DataError: more seeds than folds, or two that stand for one fold.
    """
    if count is None:
        return
    met: dict[int, int] = {}
    for seed in seeds:
        first = met.setdefault(seed % count, seed)
        if first != seed:
            raise DataError(
                f"seeds {first} and {seed} are the same of {count} folds: give compare.seeds={count}, or folds.count={len(seeds)} or more"
            )


def in_folds(data: ImageData, count: int, fold: int, val_share: float, seed: int = 0) -> None:
    """Pool the parts of ``data`` and split them anew, in place.

    The images are dealt into ``count`` parts with the same class shares; part ``fold`` becomes the test images, and ``val_share`` of each class of the
    others the validation images.  The parts depend on ``seed`` and on how the data were
    split before, which has to be the same in all folds (``data.split_seed``, ``data.val_share``, ``data.test_share``): then the test images of all
    folds together are all images, each once.

    Raises:
        DataError: fewer images than folds, a class that cannot be in every fold, or a share that leaves nothing to train on.
    """
    every = data.train.joined([data.val, data.test])
    if count < 2 or count > len(every):
        raise DataError(f"folds.count={count} must be between 2 and the {len(every)} images there are: 5 is usual")
    if not 0 <= fold < count:
        raise DataError(f"folds.fold={fold} must be between 0 and {count - 1}, or null for the seed's")
    if not 0.0 < val_share < 1.0:
        raise DataError(
            f"folds.val_share={val_share} is outside (0, 1): give the share of the other folds to choose epochs on"
        )
    sizes = torch.bincount(every.labels, minlength=data.num_classes)
    rare = int(sizes.argmin())
    found, least = int(sizes[rare]), least_of_a_class(count)
    if found < least:
        fewer = f", or folds.count={found}" if 3 <= found < count else ""
        raise DataError(
            f"class {data.class_names[rare]!r} has {found} images, and {count} folds need at least {least} of each class: give more of it{fewer}"
        )
    from sklearn.model_selection import StratifiedKFold  # takes half a second to import

    parts = StratifiedKFold(count, shuffle=True, random_state=seed).split(every.labels, every.labels)
    rest, test = (torch.from_numpy(index) for index in list(parts)[fold])
    train, val = stratified(every.labels[rest], val_share, seed)
    data.train, data.val, data.test = every.take(rest[train]), every.take(rest[val]), every.take(test)
