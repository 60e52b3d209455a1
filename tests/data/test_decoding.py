"""Pixels of image files: the whole image squashed, or its central part as ImageNet networks expect."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from easiedge.data.decoding import pixels_of
from easiedge.data.in_memory import normalise
from easiedge.deploy.image_input import ImageInput


def content(width, height):
    """A smooth image, so that two ways of resizing it differ by rounding alone."""
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([255 * x / width, 255 * y / height, 127 + 100 * np.sin(x / 20)], 2).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


@pytest.mark.parametrize(("width", "height"), [(200, 120), (90, 160), (64, 64), (40, 30)])
def test_crop_is_what_torchvision_does_to_images_for_its_weights(width, height):
    file = content(width, height)
    usual = transforms.Compose([transforms.Resize(64), transforms.CenterCrop(56)])
    expected = np.asarray(usual(Image.open(io.BytesIO(file)))).transpose(2, 0, 1).astype(float)
    found = pixels_of(file, (56, 56), fit="crop")
    assert found.shape == (3, 56, 56) and found.dtype == np.uint8
    assert np.abs(found - expected).mean() < 1.0
    assert np.abs(pixels_of(file, (56, 56)) - expected).mean() > 2.0


def test_squash_keeps_the_edges_and_crop_does_not():
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, :4] = 255
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    assert pixels_of(file.getvalue(), (10, 10))[:, :, 0].min() > 50
    assert pixels_of(file.getvalue(), (10, 10), fit="crop").max() == 0


def test_the_network_sees_what_it_was_trained_on(tmp_path):
    (tmp_path / "x.png").write_bytes(content(70, 50))
    form = ImageInput((3, 16, 24), (0.0,), (1.0,), ("a", "b"), "crop")
    pixels = torch.from_numpy(pixels_of(content(70, 50), (16, 24), fit="crop").copy())
    assert torch.equal(form.read(tmp_path / "x.png"), normalise(pixels[None], (0.0,), (1.0,)))


def test_another_shape_is_cut_in_its_own_proportions():
    """A square image into 1:2: 0.875 of its width, and half as much of its height."""
    file = content(160, 160)
    expected = Image.open(io.BytesIO(file)).crop((10, 45, 150, 115)).resize((28, 14), Image.Resampling.BILINEAR)
    found = pixels_of(file, (14, 28), fit="crop").astype(float)
    assert np.abs(found - np.asarray(expected).transpose(2, 0, 1)).mean() < 1.0
