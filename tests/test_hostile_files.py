"""Whatever happens to a file that easiedge reads, it is read or refused in one sentence; nothing in it runs, and nothing grows out of it."""

import contextlib
import gzip
import io
import json
import logging
import pickle
import random
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest
import torch
import yaml
from hostile import files
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from easiedge.data.image_folder import ImageFolder
from easiedge.data.mnist import FILES, MNIST
from easiedge.errors import EasiEdgeError
from easiedge.model.weights import read_weights
from easiedge.report.runs.config_file import read_config
from easiedge.sealed import read_sealed


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("files")
    files.write_all(found)
    return found


READABLE = [name for name in files.READERS if not name.startswith("cifar")]


@pytest.mark.parametrize("name", READABLE)
def test_whole_files_are_read(folder, name):
    files.READERS[name].read(folder)


@pytest.mark.parametrize("name", files.READERS)
def test_damaged_files_are_read_or_refused(folder, name):
    logging.disable(logging.WARNING)  # what a store cannot use it says

    @settings(max_examples=12, deadline=None, derandomize=True, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.integers(0, 2**32))
    def every(seed):
        assert files.wrong(name, folder, seed) is None, seed

    try:
        every()
    finally:
        logging.disable(logging.NOTSET)


FOUND = [
    ("config for data", 47),
    ("config for data", 73),
    ("archive", 145),
    ("cifar archive", 145),
    ("command", 164),
    ("architecture", 164),
    ("comparison", 89),
]


@pytest.mark.parametrize(("name", "seed"), FOUND)
def test_what_once_broke(folder, name, seed):
    assert files.wrong(name, folder, seed) is None


class Touches:
    """A pickle of it makes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors", ".pkl"])
@pytest.mark.parametrize("how", ["torch", "legacy", "pickle", "state"])
def test_a_file_with_code_runs_none(tmp_path, how, suffix):
    hit, path = tmp_path / "hit", tmp_path / f"w{suffix}"
    bad = Touches(hit)
    if how == "pickle":
        path.write_bytes(pickle.dumps({"a": bad}))
    else:
        torch.save(
            {"a": torch.zeros(2), "b": bad} if how == "state" else bad,
            path,
            _use_new_zipfile_serialization=how != "legacy",
        )
    with pytest.raises(EasiEdgeError):
        read_weights(path)
    content = path.read_bytes()
    path.write_bytes(
        b"easiedge sealed 1\n" + __import__("hashlib").sha256(content).hexdigest().encode() + b"\n" + content
    )
    with pytest.raises(EasiEdgeError):
        read_sealed(path)
    assert not hit.exists()


def deep_yaml(kind, depth):
    return {
        "flow": "a: " + "[" * depth + "]" * depth,
        "maps": "{a: " * depth + "1" + "}" * depth,
        "compact": "- " * depth + "1",
        "keys": "? " * depth + "1",
        "indented": "\n".join(" " * i + "a:" for i in range(min(depth, 3000))),
    }[kind]


@pytest.mark.parametrize("kind", ["flow", "maps", "compact", "keys", "indented"])
@pytest.mark.parametrize("depth", [30, 900, 100_000])
def test_a_configuration_nested_without_end_does_not_end_the_process(tmp_path, kind, depth):
    (tmp_path / "config.yaml").write_text(deep_yaml(kind, depth))
    with pytest.raises(EasiEdgeError):
        read_config(tmp_path / "config.yaml")


def test_a_long_list_is_not_deep(tmp_path):
    (tmp_path / "config.yaml").write_text(
        yaml.safe_dump({"a": list(range(700)), "b": "x" * 3000}, default_flow_style=True, width=10**6)
    )
    assert len(json.loads(read_config(tmp_path / "config.yaml")["a"])) == 700


class Peak:
    """Bytes that Python, NumPy included, has taken at most."""

    def __enter__(self):
        tracemalloc.start()
        return self

    def __exit__(self, *error):
        self.bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()


def test_what_unpacks_to_gigabytes_is_not_unpacked(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    bomb = io.BytesIO()
    with gzip.GzipFile(fileobj=bomb, mode="wb", compresslevel=1) as file:
        file.write(b"\0\0\x08\3" + struct.pack(">3i", 600_000, 28, 28))
        for _ in range(300):
            file.write(bytes(1 << 20))
    for names in FILES.values():
        for name in names:
            (raw / f"{name}.gz").write_bytes(bomb.getvalue())
    with pytest.raises(EasiEdgeError, match="over 256 MB"):
        MNIST(str(tmp_path), download=False).setup()


def test_an_image_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in ("a", "b"):
            for i in range(4):
                with archive.open(f"{name}/{i}.png", "w", force_zip64=True) as file:
                    for _ in range(300 if (name, i) == ("a", 0) else 1):
                        file.write(bytes(1 << 20))
    with Peak() as peak, pytest.raises(EasiEdgeError, match="over 256 MB"):
        ImageFolder(str(tmp_path / "a.zip")).setup()
    assert peak.bytes < 64 << 20


def test_an_image_of_a_hundred_thousand_million_pixels_is_refused(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(4):
            header = b"IHDR" + struct.pack(">IIBBBBB", 300_000, 300_000, 8, 0, 0, 0, 0)
            content = (
                b"\x89PNG\r\n\x1a\n"
                + struct.pack(">I", 13)
                + header
                + struct.pack(">I", __import__("zlib").crc32(header))
            )
            (tmp_path / name / f"{i}.png").write_bytes(content)
    with Peak() as peak, pytest.raises(EasiEdgeError, match="cannot be read"):
        ImageFolder(str(tmp_path), image_size=8).setup()
    assert peak.bytes < 64 << 20


def test_tensors_that_claim_terabytes_are_refused(tmp_path):
    torch.save({"a": torch.zeros(1, dtype=torch.float16).expand(10**12)}, tmp_path / "w.pt")
    with pytest.raises(EasiEdgeError, match="does not hold"):
        read_weights(tmp_path / "w.pt")
    torch.save(
        {
            "a": torch.sparse_coo_tensor(
                torch.zeros(1, 1, dtype=torch.long), torch.ones(1), (10**12,), check_invariants=False
            )
        },
        tmp_path / "s.pt",
    )
    with pytest.raises(EasiEdgeError, match=r"no plain dense tensor|cannot be read"):
        read_weights(tmp_path / "s.pt")
    content = io.BytesIO()
    torch.save({"a": torch.zeros(1 << 20)}, content)
    with (
        zipfile.ZipFile(content) as whole,
        zipfile.ZipFile(tmp_path / "packed.pt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for entry in whole.infolist():
            packed.writestr(entry.filename, whole.read(entry))
    with pytest.raises(EasiEdgeError, match="packed"):
        read_weights(tmp_path / "packed.pt")


def test_names_in_archives_lead_nowhere(tmp_path):
    source = tmp_path / "data"
    source.mkdir()
    image = io.BytesIO()
    files.Image.new("RGB", (4, 4)).save(image, "PNG")
    with zipfile.ZipFile(source / "a.zip", "w") as archive:
        for name in ("../../up", "/etc", "C:\\x", "ok"):
            for i in range(4):
                archive.writestr(f"{name}/{i}.png", image.getvalue())
    data = ImageFolder(str(source / "a.zip"), image_size=4, val_share=0.4, test_share=0.4)
    with contextlib.suppress(EasiEdgeError):
        data.setup()
    assert [p.name for p in tmp_path.rglob("*")] == ["data", "a.zip"]


def test_damage_differs_from_seed_to_seed(folder):
    reader = files.READERS["metrics"]
    content = (folder / reader.path).read_bytes()
    assert len({files.damaged(reader, folder, content, random.Random(seed)) for seed in range(30)}) > 20
