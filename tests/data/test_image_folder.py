"""Anyone's own images: layouts, splits, and folders that are not what they should be."""

import shutil

import numpy as np
import pytest
from PIL import Image

from easiedge.data.decoding import pixels_of
from easiedge.data.folds import expect
from easiedge.data.image_folder import ImageFolder
from easiedge.errors import DataError


def fill(folder, classes="ab", count=10, mode="RGB"):
    """Images all different, so that one in two parts would be seen."""
    for c in classes:
        (folder / c).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            pixels = np.random.default_rng([i, ord(c), len(str(folder))]).integers(0, 256, (9, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).convert(mode).save(folder / c / f"{i}.png")
    return folder


def ready(root, **options):
    data = ImageFolder(str(root), **{"image_size": 8, **options})
    data.setup()
    return data


def contents(data):
    return [{x.numpy().tobytes() for x in part.pixels} for part in (data.train, data.val, data.test)]


def test_a_seeded_split_is_disjoint_complete_and_stratified(tmp_path):
    data = ready(fill(tmp_path, count=20), val_share=0.25, test_share=0.2)
    assert [len(p) for p in (data.train, data.val, data.test)] == [24, 8, 8]
    for part in (data.train, data.val, data.test):
        assert part.labels.bincount().unique().numel() == 1
    train, val, test = contents(data)
    assert len(train | val | test) == 40


def test_the_split_moves_with_its_own_seed_and_not_with_the_runs(tmp_path):
    root = fill(tmp_path)
    first = contents(ready(root))
    assert contents(ready(root, seed=5)) == first
    assert contents(ready(root, split_seed=1)) != first


@pytest.mark.parametrize("validation", ["val", "valid", "validation"])
def test_parts_by_folder(validation, tmp_path):
    for part, count in (("train", 6), (validation, 3), ("test", 4)):
        fill(tmp_path / part, count=count)
    data = ready(tmp_path)
    assert list(data.class_names) == ["a", "b"]
    assert [len(p) for p in (data.train, data.val, data.test)] == [12, 6, 8]


@pytest.mark.parametrize(
    ("present", "expected"),
    [(("train",), [14, 2, 4]), (("train", "test"), [18, 2, 10]), (("train", "val"), [18, 10, 2])],
)
def test_missing_parts_are_split_off_the_training_images(present, expected, tmp_path):
    for part in present:
        fill(tmp_path / part, count=10 if part == "train" else 5)
    data = ready(tmp_path, val_share=0.1, test_share=0.1 if "val" in present else 0.2)
    assert [len(p) for p in (data.train, data.val, data.test)] == expected


def test_one_folder_around_it_all_and_an_archive(tmp_path):
    fill(tmp_path / "outer" / "inner")
    by_folder = ready(tmp_path / "outer")
    archive = shutil.make_archive(str(tmp_path / "images"), "zip", tmp_path / "outer")
    by_archive = ready(archive)
    assert list(by_folder.class_names) == list(by_archive.class_names) == ["a", "b"]
    assert contents(by_folder) == contents(by_archive)


def test_classes_may_be_called_like_parts(tmp_path):
    for name in ("train", "bus"):
        fill(tmp_path / "x", classes="a")
        shutil.move(tmp_path / "x" / "a", tmp_path / name)
    shutil.rmtree(tmp_path / "x")
    assert list(ready(tmp_path).class_names) == ["bus", "train"]


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_grey_palette_and_transparent_images(mode, tmp_path):
    fill(tmp_path, mode=mode)
    assert ready(tmp_path).input_shape == (3, 8, 8)
    assert ready(tmp_path, grey=True).input_shape == (1, 8, 8)


def test_a_photograph_stands_as_the_camera_was_held(tmp_path):
    for name, orientation in (("plain", None), ("turned", 6), ("damaged", b"Exif\0\0MM\0*no")):
        image = Image.fromarray(np.arange(8 * 4 * 3, dtype=np.uint8).reshape(8, 4, 3))
        exif = Image.Exif()
        if isinstance(orientation, int):
            exif[0x0112] = orientation  # to be turned clockwise by a quarter
            image = image.transpose(Image.Transpose.ROTATE_90)
        image.save(tmp_path / f"{name}.png", exif=orientation if isinstance(orientation, bytes) else exif)
    plain, turned, damaged = (
        pixels_of((tmp_path / f"{name}.png").read_bytes(), None) for name in ("plain", "turned", "damaged")
    )
    assert plain.shape == (3, 8, 4) and (turned == plain).all() and (damaged == plain).all()


def test_a_palette_with_transparency_keeps_its_colours_and_nothing_warns(tmp_path, recwarn):
    image = Image.fromarray(np.array([[0, 1], [2, 1]], dtype=np.uint8), "P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image.save(tmp_path / "p.png", transparency=b"\x00\x80\xff")
    found = pixels_of((tmp_path / "p.png").read_bytes(), None)
    assert found[:, 0, 0].tolist() == [10, 20, 30] and found[:, 1, 0].tolist() == [70, 80, 90]
    assert not [w for w in recwarn if "Palette" in str(w.message)]


def test_files_beside_the_images_are_counted(tmp_path, caplog):
    root = fill(tmp_path / "images")
    (root / "labels.csv").write_text("beside the classes")
    ready(root)
    assert "passed over" not in caplog.text
    for i in range(3):
        (root / "a" / f"{i}.heic").write_bytes(b"a photograph of a telephone")
    ready(root)
    assert "3 files beside the 20 images are passed over, such as a/0.heic" in caplog.text


def test_batches_and_attributes(tmp_path):
    data = ready(fill(tmp_path), batch_size=4)
    assert data.num_classes == 2
    x, y = next(iter(data.train_dataloader()))
    assert x.shape == (4, 3, 8, 8)
    assert set(y.tolist()) <= {0, 1}


def test_a_folder_with_one_class(tmp_path):
    fill(tmp_path, classes="a")
    with pytest.raises(DataError, match="only the class 'a'"):
        ready(tmp_path)


@pytest.mark.parametrize("within", ["", "outer/", "train/"])
@pytest.mark.parametrize("packed", [False, True])
def test_class_folders_without_images_are_named_where_only_one_has_any(within, packed, tmp_path):
    root = tmp_path / "images"
    fill(root / within, classes="a")
    for empty in ("b", ".hidden"):
        (root / within / empty).mkdir()
    (root / within / "c").mkdir()
    (root / within / "c" / "notes.txt").write_text("no image")
    where = shutil.make_archive(str(root), "zip", root) if packed else root
    with pytest.raises(DataError, match="only the class 'a', since 'b', 'c' hold no images: make one folder"):
        ready(where)


def test_images_without_class_folders(tmp_path):
    for path in (fill(tmp_path / "x", classes="a") / "a").iterdir():
        path.rename(tmp_path / path.name)
    shutil.rmtree(tmp_path / "x")
    with pytest.raises(DataError, match="no class folders"):
        ready(tmp_path)


def test_a_folder_beside_the_parts_is_not_taken_for_a_class(tmp_path):
    for part in ("train", "extra"):
        fill(tmp_path / part)
    with pytest.raises(DataError, match=r"'extra' beside train/"):
        ready(tmp_path)


def test_two_validation_folders(tmp_path):
    for part in ("train", "val", "valid"):
        fill(tmp_path / part)
    with pytest.raises(DataError, match="two folders for validation"):
        ready(tmp_path)


@pytest.mark.parametrize("classes", ["abc", "a", "ac"])
def test_parts_with_other_classes(classes, tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "test", classes=classes)
    with pytest.raises(DataError, match=r"test are not those in train"):
        ready(tmp_path)


def test_a_test_part_without_class_folders_is_not_passed_over(tmp_path):
    fill(tmp_path / "train")
    shutil.copytree(tmp_path / "train" / "a", tmp_path / "test")
    with pytest.raises(DataError, match=r"test are not those in train"):
        ready(tmp_path)


def test_too_few_images_of_a_class(tmp_path):
    fill(tmp_path, classes="a")
    fill(tmp_path, classes="b", count=2)
    with pytest.raises(DataError, match=r"class 'b'.*2 images.*at least 3"):
        ready(tmp_path)


def test_too_few_images_of_a_class_for_the_folds_that_are_asked_for(tmp_path):
    fill(tmp_path, classes="a")
    fill(tmp_path, classes="b", count=2)
    data = ImageFolder(str(tmp_path), image_size=8)
    expect(data, {"count": 5})
    with pytest.raises(DataError, match=r"class 'b'.*2 images.*at least 5"):
        data.setup()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"val_share": 1.0}, r"data\.val_share=1\.0"),
        ({"test_share": 0.0}, r"data\.test_share=0\.0"),
        ({"image_size": 0}, r"data\.image_size=0"),
        ({"batch_size": 0}, r"data\.batch_size=0"),
        ({"shift": -1}, r"data\.shift=-1"),
        ({"mean": [0.5, 0.5]}, r"data\.mean has 2 values for images of 3 channels"),
    ],
)
def test_unusable_options_are_named(options, message, tmp_path):
    with pytest.raises(DataError, match=message):
        ready(fill(tmp_path), **options)
