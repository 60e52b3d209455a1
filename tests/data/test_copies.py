"""Files that are there twice are counted, wherever they are, and the first pair is named."""

import logging
import shutil

import pytest
from data.test_image_folder import fill, ready

from easiedge.data import copies as module
from easiedge.data.copies import copies
from easiedge.data.image_files import ImageFiles


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Twenty images and three copies: two of one, in both classes, and one of another."""
    monkeypatch.setenv("EASIEDGE_CACHE", str(tmp_path / "cache"))
    folder = fill(tmp_path / "images")
    for source, copy in (("a/0.png", "a/x.png"), ("a/0.png", "b/x.png"), ("b/3.png", "b/y.png")):
        shutil.copy(folder / source, folder / copy)
    return folder


@pytest.mark.parametrize("packed", [False, True])
def test_each_copy_is_found_with_the_first_of_its_kind(root, packed):
    files = ImageFiles(shutil.make_archive(str(root), "zip", root) if packed else root)
    assert copies(files, files.names) == [("a/x.png", "a/0.png"), ("b/x.png", "a/0.png"), ("b/y.png", "b/3.png")]


@pytest.mark.parametrize("stream", [False, True])
def test_the_user_is_told_how_many_and_which_and_again_from_memory(root, stream, caplog, monkeypatch):
    said = "3 of 23 images are copies, byte for byte, of another, such as a/x.png of a/0.png"
    for again in (False, True):
        if again:
            monkeypatch.setattr(module, "_digest", None)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            data = ready(root, stream=stream)
        assert said in caplog.text and sum(map(len, (data.train, data.val, data.test))) == 23


def test_copies_among_the_parts_are_found_too(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("EASIEDGE_CACHE", str(tmp_path / "cache"))
    for part in ("train", "test"):
        fill(tmp_path / "parts" / part)
    shutil.copy(tmp_path / "parts" / "train" / "b" / "2.png", tmp_path / "parts" / "test" / "b" / "copy.png")
    with caplog.at_level(logging.WARNING):
        ready(tmp_path / "parts")
    assert (
        "1 of 41 images is a copy, byte for byte, of another, such as train/b/2.png of test/b/copy.png" in caplog.text
    )


def test_only_files_of_one_size_are_read(root, monkeypatch):
    files, read = ImageFiles(root), []
    for number, name in enumerate(files.names):
        with (root / name).open("ab") as file:
            file.write(bytes(1000 * number))  # all of different lengths
    (root / "a" / "z.png").write_bytes((root / "a" / "0.png").read_bytes())
    files, before = ImageFiles(root), module._digest
    monkeypatch.setattr(module, "_digest", lambda files, name: read.append(name) or before(files, name))
    assert copies(files, files.names) == [("a/z.png", "a/0.png")]
    assert sorted(read) == ["a/0.png", "a/z.png"]


def test_files_that_cannot_be_read_and_damaged_records(root, tmp_path):
    files, opened = ImageFiles(root), ImageFiles(root).opened

    def failing(name):
        if name == "a/x.png":
            raise OSError("gone")
        return opened(name)

    files.opened = failing
    expected = [("b/x.png", "a/0.png"), ("b/y.png", "b/3.png")]
    assert copies(files, files.names) == expected
    for damage in ("{", "{}", "null", "[3]", '[["a/0.png"]]', '[["a/0.png", "elsewhere.png"]]', '[["a/0.png", []]]'):
        for record in (tmp_path / "cache").glob("files-*.json"):
            record.write_text(damage)
        assert copies(files, files.names) == expected


def test_empty_files_are_nobodys_copies(root):
    for name in ("a/e.png", "b/e.png"):
        (root / name).write_bytes(b"")
    files = ImageFiles(root)
    assert len(copies(files, files.names)) == 3


def test_nothing_is_said_where_all_differ(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        ready(fill(tmp_path))
    assert "copies" not in caplog.text and "copy" not in caplog.text
