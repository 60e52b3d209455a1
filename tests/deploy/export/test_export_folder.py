"""An exported file and its entry come and go together, whatever interrupts that."""

import json

import pytest

from easiedge.deploy.export import export_folder
from easiedge.deploy.export.export_folder import forget, place
from easiedge.deploy.export.export_record import RECORD, exported_file, file_facts, fingerprint, read_record
from easiedge.deploy.export.onnx_format import Onnx
from easiedge.errors import EasiEdgeError, ModelError

A, B = {"model.safetensors": "a"}, {"model.safetensors": "b"}


def put(folder, name, content, source=A, beside=(), **more):
    made = folder / ".new"
    made.mkdir(parents=True)
    files = [made / name, *((made / name).with_suffix(s) for s in beside)]
    for each in files:
        each.write_text(content)
    entry = {
        "format": "onnx",
        "network": "pruned",
        "precision": "float32",
        "from": source,
        **file_facts(files[0], beside),
        **more,
    }
    try:
        place(folder, files, (".bin", ".h"), entry, {"machine": "one"})
    finally:
        for each in made.iterdir():
            each.unlink()
        made.rmdir()


def there(folder):
    """Files, and names in the record: always the same."""
    files = {p.name: p.read_text() for p in folder.iterdir() if p.name != RECORD}
    recorded = {name for each in read_record(folder)["files"] for name in each["sha256"]}
    assert recorded == set(files)
    return files


def test_a_file_replaces_the_one_of_its_name_with_all_that_belongs_to_it(tmp_path):
    put(tmp_path, "x.xml", "1", beside=(".bin",))
    put(tmp_path, "y.pt2", "1")
    assert there(tmp_path) == {"x.xml": "1", "x.bin": "1", "y.pt2": "1"}
    put(tmp_path, "x.xml", "2")
    assert there(tmp_path) == {"x.xml": "2", "y.pt2": "1"}
    assert (tmp_path / "x.xml").stat().st_mode & 0o777 == 0o644


def test_files_of_an_earlier_artifact_go_with_their_entries_those_of_another_network_stay(tmp_path):
    put(tmp_path, "x.xml", "1", beside=(".bin",))
    put(tmp_path, "d.pt2", "1", network="dense")
    put(tmp_path, "y.pt2", "2", source=B)
    assert there(tmp_path) == {"d.pt2": "1", "y.pt2": "2"}


@pytest.mark.parametrize("wrong", [KeyboardInterrupt, EasiEdgeError, OSError])
@pytest.mark.parametrize("late", [False, True])
def test_whatever_interrupts_it_all_is_as_before(tmp_path, monkeypatch, wrong, late):
    put(tmp_path, "x.xml", "1", beside=(".bin",))
    put(tmp_path, "y.pt2", "1")
    before = there(tmp_path), (tmp_path / RECORD).read_bytes()
    true = export_folder.write_atomically

    def stop(path, content):
        monkeypatch.setattr(export_folder, "write_atomically", true)
        if late:
            true(path, content)
        raise wrong

    monkeypatch.setattr(export_folder, "write_atomically", stop)
    with pytest.raises((wrong, EasiEdgeError)):
        put(tmp_path, "x.xml", "2", source=B)
    assert (there(tmp_path), (tmp_path / RECORD).read_bytes()) == before


def test_a_first_file_that_is_interrupted_leaves_nothing(tmp_path, monkeypatch):
    def stop(path, content):
        raise KeyboardInterrupt

    monkeypatch.setattr(export_folder, "write_atomically", stop)
    with pytest.raises(KeyboardInterrupt):
        put(tmp_path, "x.xml", "1")
    assert not list(tmp_path.iterdir())


def test_what_could_not_be_made_again_stays_unless_it_is_of_another_artifact(tmp_path):
    assert forget(tmp_path, "x.xml", A) == ""
    put(tmp_path, "x.xml", "1", beside=(".bin",))
    assert "made from the same artifact, is still there" in forget(tmp_path, "x.xml", A)
    assert there(tmp_path) == {"x.xml": "1", "x.bin": "1"}
    assert "was not made from this artifact, was removed" in forget(tmp_path, "x.xml", B)
    assert there(tmp_path) == {}


def test_a_folder_in_its_place_is_not_touched(tmp_path):
    (tmp_path / "x.xml").mkdir()
    (tmp_path / "x.xml" / "mine").write_text("1")
    with pytest.raises(EasiEdgeError, match=r"x\.xml is not a file: move it away"):
        put(tmp_path, "x.xml", "1")
    assert (tmp_path / "x.xml" / "mine").read_text() == "1" and not (tmp_path / RECORD).exists()


GOOD = {
    "file": "a.onnx",
    "format": "onnx",
    "network": "pruned",
    "precision": "float32",
    "from": A,
    "sha256": {"a.onnx": "0"},
}


@pytest.mark.parametrize(("content", "message"), [
    ("{", "is damaged or cannot be read"), ("[" * 100_000, "is damaged or cannot be read"), ("[]", "no schema that this version"),
    ('{"schema": 2, "files": []}', "no schema that this version"), ('{"schema": 1}', "no list of files"), ('{"schema": 1, "files": {}}', "no list of files"),
    ([7], "entry 1 of files is no entry"), ([GOOD, {"file": "x"}], "entry 2 of files does not say its format"),
    *(([{k: v for k, v in GOOD.items() if k != name}], name) for name in GOOD),
    ([{**GOOD, "from": "x"}], "no hashes under from"), ([{**GOOD, "sha256": {"a": 1}}], "no hashes under sha256"),
    *(([{**GOOD, "file": name}], "names a file that is not in this folder") for name in ("../a", "/etc/passwd", "..", "", RECORD)),
    ([{**GOOD, "sha256": {"../../a": "0"}}], "names a file that is not in this folder"),
])  # fmt: skip
def test_a_damaged_record_is_refused_in_words(tmp_path, content, message):
    text = content if isinstance(content, str) else json.dumps({"schema": 1, "files": content})
    (tmp_path / RECORD).write_text(text)
    with pytest.raises(ModelError, match=message) as refused:
        read_record(tmp_path)
    assert str(refused.value).endswith("remove it and export again") and "indices" not in str(refused.value)


def test_a_changed_file_is_told_from_one_that_is_not_there(tmp_path):
    artifact, folder = tmp_path / "pruned", tmp_path / "export"
    artifact.mkdir()
    for name in ("model.safetensors", "architecture.json"):
        (artifact / name).write_text(name)
    assert exported_file(folder, artifact, Onnx()) is None
    put(folder, "pruned.onnx", "1", source=fingerprint(artifact))
    assert exported_file(folder, artifact, Onnx()) == folder / "pruned.onnx"
    assert exported_file(folder, artifact, Onnx(), precision="int8") is None
    (folder / "pruned.onnx").write_text("2")
    with pytest.raises(
        ModelError, match=rf"pruned\.onnx was changed since it was exported.*: easiedge export {tmp_path} --to onnx$"
    ):
        exported_file(folder, artifact, Onnx())
    (folder / "pruned.onnx").unlink()
    assert exported_file(folder, artifact, Onnx()) is None


@pytest.mark.parametrize("name", ["model.safetensors", "architecture.json"])
def test_what_an_export_was_made_from_must_be_whole(tmp_path, name):
    for each in ("model.safetensors", "architecture.json"):
        (tmp_path / each).write_text(each)
    (tmp_path / name).unlink()
    with pytest.raises(EasiEdgeError, match=rf"holds no network \({name} is missing\)"):
        fingerprint(tmp_path)
    (tmp_path / name).mkdir()
    with pytest.raises(ModelError, match=rf"{name} is not a file"):
        fingerprint(tmp_path)
