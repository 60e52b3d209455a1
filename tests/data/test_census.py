"""Image files of another colour model, too small, or unreadable: converted, counted, left out where that is asked for."""

import errno
import logging

import pytest
from data.test_image_folder import fill, ready
from PIL import Image

from easiedge.data import census as counting
from easiedge.data import image_folder
from easiedge.data.census import census, unreadable
from easiedge.data.image_files import ImageFiles
from easiedge.errors import DataError


@pytest.fixture
def mixed(tmp_path, monkeypatch):
    """Twenty images of 12x9: three grey, two with transparency."""
    monkeypatch.setenv("EASIEDGE_CACHE", str(tmp_path / "cache"))
    root = fill(tmp_path / "images")
    for i, mode in enumerate(["L", "L", "L", "RGBA", "RGBA"]):
        path = root / "a" / f"{i}.png"
        with Image.open(path) as image:
            image.convert(mode).save(path)
    return root


def test_what_is_converted_and_enlarged_is_counted(mixed, caplog):
    with caplog.at_level(logging.INFO):
        data = ready(mixed, image_size=10)
    assert data.train.pixels.shape[1:] == (3, 10, 10)
    assert "of 20 images, 3 grey, 2 with transparency: converted to RGB" in caplog.text
    assert "20 of 20 images are smaller than 10x10" in caplog.text and "has 9 pixels" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.INFO):
        ready(mixed, image_size=9, grey=True)
    assert "15 in colour, 2 with transparency: converted to grey" in caplog.text and "smaller" not in caplog.text


def test_streamed_images_are_counted_unless_they_are_many(mixed, caplog, monkeypatch):
    for most, said in ((20, True), (19, False)):
        monkeypatch.setattr(image_folder, "MOST_COUNTED", most)
        caplog.clear()
        with caplog.at_level(logging.INFO):
            ready(mixed, image_size=10, stream=True)
        assert ("of 20 images, 3 grey, 2 with transparency: converted to RGB" in caplog.text) is said
        assert ("20 of 20 images are smaller than 10x10" in caplog.text) is said


def test_nothing_is_said_of_images_that_are_as_they_will_be(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        ready(fill(tmp_path))
    assert "images" not in caplog.text


def test_headers_are_read_once_and_again_when_a_file_changes(mixed, monkeypatch):
    files = ImageFiles(mixed)
    first = census(files, files.names)
    assert dict(first.kinds) == {"RGB": 15, "L": 3, "RGBA": 2} and dict(first.sides) == {9: 20}
    looked, before = [], counting._head
    monkeypatch.setattr(counting, "_head", lambda *given: looked.append(given) or before(*given))
    assert census(files, files.names) == first and not looked
    with Image.open(mixed / "b" / "0.png") as image:
        image.resize((40, 40)).convert("CMYK").save(mixed / "b" / "0.tif")
    (mixed / "b" / "0.png").unlink()
    files = ImageFiles(mixed)
    again = census(files, files.names)
    assert len(looked) == 20
    assert dict(again.kinds) == {"RGB": 14, "L": 3, "RGBA": 2, "CMYK": 1} and dict(again.sides) == {9: 19, 40: 1}


@pytest.mark.parametrize("stream", [False, True])
def test_damaged_files_are_left_out_and_counted(mixed, stream, caplog):
    whole = (mixed / "b" / "0.png").read_bytes()
    (mixed / "b" / "0.png").write_bytes(whole[: len(whole) // 2])
    (mixed / "b" / "1.png").write_text("no image")
    if not stream:
        with pytest.raises(DataError, match=r"b/0\.png .*cannot be read.*data\.unreadable=skip"):
            ready(mixed)
    with caplog.at_level(logging.WARNING):
        data = ready(mixed, unreadable="skip", stream=stream)
    assert sum(map(len, (data.train, data.val, data.test))) == 18
    assert "2 of 20 images cannot be read and are left out: b/0.png, b/1.png" in caplog.text
    assert len(data.train.pixels[data.train.labels.argsort()]) == len(data.train)


def test_where_all_of_a_class_are_damaged_it_is_named(mixed):
    for path in (mixed / "b").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"class .b. .* has 0 images"):
        ready(mixed, unreadable="skip")


@pytest.mark.parametrize("gone", ["all", "one class"])
def test_a_part_without_readable_images_of_a_class_is_named(gone, mixed, tmp_path):
    for part in ("train", "val"):
        fill(tmp_path / "parts" / part)
    for path in (tmp_path / "parts" / "val").glob("*/*" if gone == "all" else "b/*"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"class '[ab]' .* no image in val that can be read"):
        ready(tmp_path / "parts", unreadable="skip")


def test_what_is_the_machines_fault_is_not_held_against_the_file(mixed, monkeypatch):
    files, opened = ImageFiles(mixed), ImageFiles(mixed).opened

    def exhausted(name):
        if name == "a/5.png":
            raise OSError(errno.EMFILE, "Too many open files")
        return opened(name)

    files.opened = exhausted
    with pytest.raises(DataError, match=r"a/5\.png.*Too many open files"):
        unreadable(files, files.names)
    files.opened = opened
    assert unreadable(files, files.names) == []


def test_an_unknown_wish_is_refused(mixed):
    with pytest.raises(DataError, match=r"data\.unreadable=mend .*error or skip"):
        ready(mixed, unreadable="mend")


def test_a_damaged_record_is_made_anew(mixed, tmp_path):
    files = ImageFiles(mixed)
    first = census(files, files.names)
    for damage in ("{", "{}", "[]", "null", '{"kinds": {"L": 1}, "sides": {"x": 2}}'):
        for record in (tmp_path / "cache").glob("files-*.json"):
            record.write_text(damage)
        assert census(files, files.names) == first
    assert unreadable(files, files.names) == []
    for damage in ('["elsewhere.png"]', '[["a/0.png"]]'):
        for record in (tmp_path / "cache").glob("files-*.json"):
            record.write_text(damage)
        assert unreadable(files, files.names) == []
