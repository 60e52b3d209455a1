"""Reading image files: formats, archives in place, the cache, and files that cannot be read."""

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from easiedge.data.image_files import ImageFiles, load_classes
from easiedge.errors import DataError

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 6, 3), dtype=np.uint8)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("EASIEDGE_CACHE", str(folder))
    return folder


@pytest.fixture
def folder(tmp_path, cache):
    root = tmp_path / "images"
    for c in "ab":
        (root / c).mkdir(parents=True)
        for i in range(3):
            Image.fromarray(np.roll(PIXELS, i, 0) // (1 if c == "a" else 2)).save(root / c / f"{i}.png")
    return root


def zipped(folder, where):
    with zipfile.ZipFile(where, "w") as archive:
        for path in sorted(folder.rglob("*.png")):
            archive.write(path, path.relative_to(folder))
    return where


def test_a_folder_and_the_same_archive_give_the_same_pixels(folder, tmp_path):
    archive = zipped(folder, tmp_path / "images.zip")
    before = sorted(tmp_path.iterdir())
    a, b = (load_classes(f, f.classes(), ["a", "b"], 6) for f in (ImageFiles(folder), ImageFiles(archive)))
    assert a.pixels.shape == (6, 3, 6, 6)
    assert np.array_equal(a.pixels.numpy(), b.pixels.numpy())
    assert np.array_equal(a.pixels[0].permute(1, 2, 0).numpy(), PIXELS)
    assert a.labels.tolist() == b.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert {p.name for p in tmp_path.iterdir()} == {p.name for p in before} | {"cache"}  # nothing was unpacked


@pytest.mark.parametrize(
    ("mode", "suffix"), [("L", "png"), ("RGBA", "png"), ("P", "gif"), ("CMYK", "tif"), ("1", "bmp"), ("LA", "png")]
)
def test_every_kind_of_image_becomes_rgb_or_grey(mode, suffix, tmp_path, cache):
    (tmp_path / "x").mkdir()
    source = Image.fromarray(PIXELS).convert(mode)
    source.save(tmp_path / "x" / f"0.{suffix}")
    files = ImageFiles(tmp_path / "x")
    with Image.open(tmp_path / "x" / f"0.{suffix}") as saved:
        expected = np.asarray(saved.convert("RGB")).transpose(2, 0, 1)
    assert np.array_equal(files.decode(files.names, 6)[0], expected)
    assert files.decode(files.names, 6, grey=True).shape == (1, 1, 6, 6)


def test_sixteen_bit_grey_keeps_its_contrast(tmp_path, cache):
    """Pillow's conversion clips everything above 255 to white."""
    values = (np.arange(36, dtype=np.uint16) * 1800).reshape(6, 6)
    Image.fromarray(values).save(tmp_path / "deep.png")
    files = ImageFiles(tmp_path)
    assert np.array_equal(files.decode(files.names, 6, grey=True)[0, 0], values // 256)


def test_pixels_without_a_range_are_refused(tmp_path, cache):
    Image.fromarray(np.linspace(0, 1, 36, dtype=np.float32).reshape(6, 6)).save(tmp_path / "real.tif")
    files = ImageFiles(tmp_path)
    with pytest.raises(DataError, match=r"real\.tif.*32-bit.*8 or 16 bits"):
        files.decode(files.names, 6)


@pytest.mark.parametrize("damage", ["truncated", "empty", "text"])
@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "tif", "webp"])
def test_an_unreadable_image_is_named(damage, suffix, folder):
    buffer = io.BytesIO()
    Image.fromarray(PIXELS.repeat(10, 0).repeat(10, 1)).save(
        buffer, {"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix.upper())
    )
    content = {"truncated": buffer.getvalue()[: len(buffer.getvalue()) // 2], "empty": b"", "text": b"not an image"}
    (folder / "b" / f"bad.{suffix}").write_bytes(content[damage])
    files = ImageFiles(folder)
    with pytest.raises(DataError, match=rf"b/bad\.{suffix}.*cannot be read \(\w.*\).*remove or replace") as caught:
        load_classes(files, files.classes(), ["a", "b"], 6)
    assert " at 0x" not in str(caught.value)


def test_a_damaged_archive_member_is_named(folder, tmp_path):
    archive = zipped(folder, tmp_path / "images.zip")
    content = bytearray(archive.read_bytes())
    content[60:120] = bytes(60)
    archive.write_bytes(bytes(content))
    files = ImageFiles(archive)
    with pytest.raises(DataError, match=r"a/0\.png"):
        files.decode(files.names, 6)


def test_images_of_several_sizes_need_image_size(folder):
    Image.fromarray(PIXELS[:4]).save(folder / "b" / "9.png")
    files = ImageFiles(folder)
    with pytest.raises(DataError, match=r"b/9\.png is 4x6.*6x6.*data\.image_size"):
        files.decode(files.names, None)
    assert files.decode(files.names, 5).shape == (7, 3, 5, 5)


@pytest.mark.parametrize("make", [lambda _: None, lambda p: p.mkdir(), lambda p: p.write_bytes(b"x")])
def test_no_folder_an_empty_one_and_a_file_are_refused_by_name(make, tmp_path):
    make(tmp_path / "here")
    with pytest.raises(DataError, match=r"here (does not exist|holds no images|is neither)"):
        ImageFiles(tmp_path / "here")


def test_hidden_files_and_other_files_are_passed_over(folder):
    (folder / "a" / ".hidden.png").write_bytes(b"x")
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "0.png").write_bytes(b"x")
    (folder / "a" / "notes.txt").write_text("x")
    assert len(ImageFiles(folder).names) == 6


def test_the_second_time_nothing_is_decoded(folder, cache, monkeypatch):
    files = ImageFiles(folder)
    first = files.decode(files.names, 6)
    assert len(list(cache.glob("*.npy"))) == 1
    monkeypatch.setattr(ImageFiles, "decode_one", None)
    again = ImageFiles(folder)
    assert np.array_equal(again.decode(again.names, 6), first)


def test_a_changed_file_is_decoded_anew(folder, cache):
    files = ImageFiles(folder)
    before = files.decode(files.names, 6)
    Image.fromarray(255 - PIXELS).save(folder / "a" / "0.png")
    os.utime(folder / "a" / "0.png", (1, 1))
    files = ImageFiles(folder)
    after = files.decode(files.names, 6)
    assert np.array_equal(after[0], 255 - before[0])
    assert np.array_equal(after[1:], before[1:])


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01", b"garbage"])
def test_a_damaged_cache_is_replaced(content, folder, cache):
    files = ImageFiles(folder)
    first = files.decode(files.names, 6)
    (stored,) = cache.glob("*.npy")
    stored.write_bytes(content)
    assert np.array_equal(files.decode(files.names, 6), first)
    assert np.array_equal(np.load(stored), first)


def test_without_a_writable_cache_images_are_decoded_each_time(folder, cache):
    cache.write_text("a file where the folder should be")
    files = ImageFiles(folder)
    assert files.decode(files.names, 6).shape == (6, 3, 6, 6)
    assert cache.is_file()


def test_nothing_is_written_into_the_data(folder):
    before = sorted(Path(folder).rglob("*"))
    files = ImageFiles(folder)
    files.decode(files.names, 6)
    assert sorted(Path(folder).rglob("*")) == before
