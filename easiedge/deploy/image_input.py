"""How image files become a network's input, and what its outputs are called: all that is needed to use it.

x = (pixels / 255 - mean) / std        pixels: uint8, RGB or grey, resized to the input's height and width (bilinear), the whole image or a central part
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from easiedge.data.decoding import FITS, pixels_of, reason_of
from easiedge.data.in_memory import normalise
from easiedge.errors import DataError, ModelError
from easiedge.plain_values import is_number, is_whole

LARGEST = 1e18  # of a mean, and of 1 / std: their quotient is a float32


@dataclass(frozen=True)
class ImageInput:
    """The images that a network takes.

    Attributes:
        shape: channels, height, width.
        mean, std: of each channel (or one for all), for pixels in [0, 1].
        classes: names of the outputs, in order.
        fit: how an image of other proportions becomes one of ``shape``, see `easiedge.data.decoding.pixels_of`.
    """

    shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: tuple[str, ...]
    fit: str = "squash"

    def __post_init__(self) -> None:
        """Refuse what describes no images."""
        numbers = all(is_whole(s) and s > 0 for s in self.shape)
        scales = all(is_number(v) and -LARGEST <= v <= LARGEST for v in (*self.mean, *self.std))
        if len(self.shape) != 3 or not numbers or not scales or any(s < 1 / LARGEST for s in self.std):
            raise ModelError(
                f"an input of shape {list(self.shape)}, mean {self.mean} and std {self.std} is no image: save the network again with the "
                "right ones"
            )
        if self.fit not in FITS:
            raise ModelError(
                f"an input's fit is {str(self.fit)[:40]!r}, which is none of {', '.join(FITS)}: save it with one of them"
            )
        if not {len(self.mean), len(self.std)} <= {1, self.shape[0]}:
            raise ModelError(
                f"mean and std must have 1 or {self.shape[0]} values, not {len(self.mean)} and {len(self.std)}"
            )

    def as_json(self) -> dict[str, Any]:
        """The entries ``input`` and ``classes`` of an artifact's provenance."""
        colour = {1: "grey", 3: "RGB"}.get(self.shape[0], "channels")
        return {
            "input": {
                "shape": list(self.shape), "colour": colour, "resize": "bilinear", "fit": self.fit,
                "scale": "pixels / 255",
                "mean": list(self.mean), "std": list(self.std),
            },
            "classes": list(self.classes),
        }  # fmt: skip

    def read(self, path: str | Path) -> Tensor:
        """One image file as input ``[1, channels, height, width]`` float32.

        Raises:
            DataError: it cannot be read.
        """
        if self.shape[0] not in (1, 3):
            raise DataError(
                f"the network takes {self.shape[0]} channels, which image files do not have: use it from Python"
            )
        try:
            pixels = pixels_of(Path(path).read_bytes(), self.shape[1:], grey=self.shape[0] == 1, fit=self.fit)
        except Exception as error:  # decoders raise a dozen kinds on damaged files
            raise DataError(f"{path} cannot be read as an image ({reason_of(error)})") from error
        return normalise(torch.from_numpy(pixels.copy())[None], self.mean, self.std)


def image_input(provenance: Mapping[str, Any], where: str | Path) -> ImageInput:
    """What the provenance of the network in ``where`` says about its images.

    Raises:
        ModelError: it says nothing, or something that cannot be.
    """
    try:
        given, classes = provenance["input"], provenance["classes"]
        if not isinstance(classes, list | tuple):
            raise TypeError("classes are no list")
        shape, mean, std = (tuple(given[name]) for name in ("shape", "mean", "std"))
        fit = given.get("fit", "squash")  # earlier artifacts know no other
        return ImageInput(shape, mean, std, tuple(str(name) for name in classes), fit)  # type: ignore[arg-type]
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"the network in {where} does not say how its images are prepared: prune again with this version of easiedge, or save it "
            "with easiedge.save(network, directory, provenance)"
        ) from error
