"""The folder that jobs share: what was put comes back bit for bit, and nothing that happens to the files is an error."""

import multiprocessing
import os
import time

import pytest
import torch

from easiedge.store import ABANDONED, Store

TENSORS = {
    "double": torch.tensor([0.1, -0.0, 1e-300], dtype=torch.float64),
    "bf16": torch.arange(6).view(2, 3).bfloat16() / 7,
    "none": torch.empty(0, 4),
    "one": torch.tensor(True),
    "turned": torch.arange(6.0).view(2, 3).T,
}
FACTS = {"job": "3", "epoch": 40, "damping": 0.1, "nothing": None}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "shared")


def test_what_was_put_comes_back(store):
    assert store.get("a") is None
    store.put("a", TENSORS, FACTS)
    tensors, facts = store.get("a")
    assert facts == FACTS and tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype and tensors[name].shape == tensor.shape
        assert torch.equal(tensors[name], tensor)
    assert torch.signbit(tensors["double"][1])
    assert store.get("b") is None


def test_parts_of_one_tensor_may_be_put(store):
    whole = torch.arange(5.0)
    store.put("a", {"head": whole[:2], "tail": whole[2:]}, {})
    assert torch.equal(store.get("a")[0]["tail"], whole[2:])


def _damage(path, how):
    content = path.read_bytes()
    changed = bytearray(content)
    changed[-3] ^= 1
    path.write_bytes({"truncated": content[:-5], "cut": content[:4], "empty": b"", "flipped": bytes(changed)}[how])


@pytest.mark.parametrize("how", ["truncated", "cut", "empty", "flipped"])
def test_a_damaged_entry_is_one_log_line_and_made_afresh(store, how, caplog):
    store.put("a", TENSORS, FACTS)
    _damage(store.directory / "a.safetensors", how)
    assert store.get("a") is None
    assert len(caplog.records) == 1 and "made afresh" in caplog.text
    store.put("a", TENSORS, FACTS)
    assert store.get("a") is not None


def test_a_foreign_safetensors_file_is_no_entry(store, caplog):
    import safetensors.torch

    store.directory.mkdir()
    safetensors.torch.save_file({"x": torch.ones(2)}, store.directory / "a.safetensors")
    assert store.get("a") is None and "made afresh" in caplog.text


def test_the_least_recently_used_go_first(tmp_path):
    store = Store(tmp_path, limit=20_000)
    for name in "abc":
        store.put(name, {"x": torch.zeros(1000)}, {})
        os.utime(tmp_path / f"{name}.safetensors", ns=(0, ord(name) * 10**9))
    assert store.get("a") is not None  # so b is the oldest
    store.put("d", {"x": torch.zeros(1000)}, {})
    store.put("e", {"x": torch.zeros(1000)}, {})
    assert [name for name in "abcde" if store.get(name) is not None] == ["a", "c", "d", "e"]


def test_what_is_too_large_is_not_kept(tmp_path, caplog):
    caplog.set_level("INFO")
    store = Store(tmp_path, limit=15_000)
    store.put("a", {"x": torch.zeros(1000)}, {})
    assert store.get("a") is None and "too much to share" in caplog.text


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path, caplog):
    (tmp_path / "file").touch()
    store = Store(tmp_path / "file")
    store.put("a", TENSORS, FACTS)
    assert store.get("a") is None and "nothing is kept" in caplog.text


def test_what_a_dead_process_left_half_written_goes(store):
    store.put("a", TENSORS, FACTS)
    old, new = (store.directory / f".b.safetensors.{name}" for name in ("old", "new"))
    for path in (old, new):
        path.touch()
    long_ago = time.time() - ABANDONED - 60
    os.utime(old, (long_ago, long_ago))
    store.put("c", TENSORS, FACTS)
    assert not old.exists() and new.exists()


def _put_often(directory):
    store = Store(directory, limit=100_000)
    for i in range(30):
        store.put(f"{i % 6}", {"x": torch.full((3000,), float(i % 6))}, {"i": i % 6})
        found = store.get(f"{(i + 3) % 6}")
        if found is not None and not bool((found[0]["x"] == found[1]["i"]).all()):
            os._exit(3)


def test_processes_that_write_and_remove_the_same_entries_do_no_harm(tmp_path):
    context = multiprocessing.get_context("fork")
    others = [context.Process(target=_put_often, args=(tmp_path,)) for _ in range(3)]
    for process in others:
        process.start()
    for process in others:
        process.join(60)
    assert [process.exitcode for process in others] == [0, 0, 0]
