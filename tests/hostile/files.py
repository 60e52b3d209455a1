"""Every kind of file that easiedge reads: a whole one, what may happen to it, and its reader."""

import gzip
import io
import json
import pickle
import random
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
import yaml
from device import made_up_table
from networks import images, network
from PIL import Image
from runs_on_disk import write_run

import easiedge
from easiedge.data.cifar10 import CIFAR10
from easiedge.data.image_folder import ImageFolder
from easiedge.data.mnist import FILES, MNIST
from easiedge.deploy.export.export_record import read_record
from easiedge.deploy.image_input import image_input
from easiedge.deploy.latency.table_file import _checksum, load_table, save_table
from easiedge.deploy.provenance import read_provenance, sealed
from easiedge.errors import EasiEdgeError
from easiedge.model.filter_groups import find_groups
from easiedge.model.weights import load_weights
from easiedge.report.comparison import comparison
from easiedge.report.comparison_record import as_json
from easiedge.report.comparison_values import Result
from easiedge.report.page.sensitivity import read_sensitivity
from easiedge.report.page.studies import studies
from easiedge.report.runs import find_runs, read_run
from easiedge.resume import resumed_overrides
from easiedge.run_directory import run_data
from easiedge.sealed import SealError, read_sealed, write_sealed
from easiedge.store import Store
from easiedge.weights.sparse_file import load_sparse, save_sparse


@dataclass(frozen=True)
class Reader:
    """A kind of file.

    Attributes:
        path: below the folder.
        read: reads the folder; raises `EasiEdgeError` or gives anything at all.
        form: what its content is: ``json``, ``yaml``, ``text`` or ``bytes``.
        seal: makes a changed JSON value into a file that proves itself; None where nothing does.
    """

    path: str
    read: Callable[[Path], object]
    form: str = "bytes"
    seal: Callable[[object, Path], bytes] | None = None


def _sealed_table(value, folder):
    if isinstance(value, dict):
        value = {k: v for k, v in value.items() if k != "sha256"}
        value["sha256"] = _checksum(value)
    return json.dumps(value).encode()


def _sealed_architecture(value, folder):
    """The description, and hashes that fit it."""
    text = json.dumps(value).encode()
    weights = (folder / "net" / "model.safetensors").read_bytes()
    (folder / "net" / "provenance.json").write_bytes(
        sealed({"model.safetensors": weights, "architecture.json": text}, {"schema": 2})
    )
    return text


def _network_of(folder):
    loaded = easiedge.load(folder / "net")
    for name in ("a", "b"):  # what is loaded can be looked at
        _ = name in dict(loaded.named_modules())


def _weights(name):
    return lambda folder: load_weights(network("Plain"), folder / name)


def _mnist(folder):
    MNIST(str(folder / "mnist"), download=False).setup()


def _images(root):
    return lambda folder: ImageFolder(str(folder / root), image_size=8, val_share=0.4, test_share=0.4).setup()


def _remembered(folder):
    try:
        read_sealed(folder / "state.sealed")
    except FileNotFoundError:
        raise SealError("gone") from None


READERS = {
    "architecture": Reader("net/architecture.json", _network_of, "json", _sealed_architecture),
    "artifact weights": Reader("net/model.safetensors", _network_of),
    "provenance": Reader("net/provenance.json", lambda f: image_input(read_provenance(f / "net"), "net"), "json"),
    "weights safetensors": Reader("w.safetensors", _weights("w.safetensors")),
    "weights zip": Reader("w.pt", _weights("w.pt")),
    "weights legacy": Reader("legacy.pt", _weights("legacy.pt")),
    "metrics": Reader("run/metrics.json", lambda f: read_run(f / "run"), "json"),
    "config": Reader("run/config.yaml", lambda f: read_run(f / "run"), "yaml"),
    "config for data": Reader("digits/config.yaml", lambda f: run_data(f / "digits"), "yaml"),
    "layers": Reader("run/layers.csv", lambda f: read_run(f / "run"), "text"),
    "curves": Reader("run/curves.csv", lambda f: read_run(f / "run"), "text"),
    "bench": Reader("run/bench/bench.json", lambda f: find_runs(f / "run"), "json"),
    "sensitivity": Reader("sensitivity.json", lambda f: read_sensitivity(f / "sensitivity.json"), "json"),
    "comparison": Reader(
        "comparison.json",
        lambda f: studies([f / "comparison.json"], f, f),
        "json",
    ),
    "latency table": Reader("table.json", lambda f: load_table(f / "table.json"), "json", _sealed_table),
    "command": Reader(
        "resumed/checkpoints/command.json", lambda f: resumed_overrides("prune", [f"resume={f / 'resumed'}"]), "json"
    ),
    "export record": Reader("export/export.json", lambda f: read_record(f / "export"), "json"),
    "sealed state": Reader("state.sealed", _remembered),
    "store": Reader("store/key.safetensors", lambda f: Store(f / "store").get("key")),
    "sparse weights": Reader("sparse.safetensors", lambda f: load_sparse(f / "sparse.safetensors")),
    "mnist images": Reader(f"mnist/MNIST/raw/{FILES['train'][0]}", _mnist),
    "mnist labels": Reader(f"mnist/MNIST/raw/{FILES['train'][1]}", _mnist),
    "mnist packed": Reader(f"mnist/MNIST/raw/{FILES['test'][0]}.gz", _mnist),
    "image": Reader("folder/a/0.png", _images("folder")),
    "jpeg": Reader("folder/b/1.jpg", _images("folder")),
    "archive": Reader("images.zip", _images("images.zip")),
    "cifar archive": Reader("images.zip", lambda f: CIFAR10(str(f / "images.zip"), download=False).setup()),
    "cifar original": Reader(
        "cifar/cifar-10-batches-py/data_batch_1", lambda f: CIFAR10(str(f / "cifar"), download=False).setup()
    ),
}


def write_all(folder):
    """Whole files of every kind."""
    torch.manual_seed(0)
    model = network("Plain")
    easiedge.save(
        model.eval(),
        folder / "net",
        {"input": {"shape": [2, 8, 8], "mean": [0.5], "std": [0.2]}, "classes": ["a", "b", "c"]},
    )
    state = model.state_dict()
    safetensors.torch.save_file(state, folder / "w.safetensors")
    torch.save(state, folder / "w.pt")
    torch.save(state, folder / "legacy.pt", _use_new_zipfile_serialization=False)
    write_run(folder / "run")
    (folder / "run" / "bench").mkdir()
    row = {
        "engine": "torch",
        "network": "pruned",
        "precision": "float32",
        "batch": 1,
        "threads": 1,
        "median_ms": 2.0,
        "times_faster": {"estimate": 2.0},
    }
    (folder / "run" / "bench" / "bench.json").write_text(json.dumps({"schema": 1, "machine": "x", "rows": [row]}))
    digits = {
        "_target_": "easiedge.data.digits.Digits",
        "root": None,
        "batch_size": 64,
        "shift": 1,
        "split_seed": 0,
        "seed": 0,
    }
    (folder / "digits").mkdir()
    (folder / "digits" / "config.yaml").write_text(yaml.safe_dump({"data": digits}))
    groups = [{"name": "a", "size": 3, "accuracy": [0.5], "removed": [1], "seconds": 1.0}]
    (folder / "sensitivity.json").write_text(
        json.dumps({"schema": 1, "kind": "layer_sensitivity", "model": "m", "data": "d", "seed": 0, "split": "val", "criterion": "c", "dense": 0.9,
                    "shares": [0.5], "groups": groups, "seconds": {"sensitivity": 1.0, "one_global_scoring": 1.0}})
    )  # fmt: skip
    (folder / "comparison.json").write_text(as_json(_comparison()))
    x = images()
    save_table(made_up_table(model, find_groups(model, x), x), folder / "table.json")
    (folder / "resumed" / "checkpoints").mkdir(parents=True)
    (folder / "resumed" / "checkpoints" / "command.json").write_text(
        json.dumps({"command": "prune", "overrides": ["seed=3", "data=digits"]})
    )
    (folder / "export").mkdir()
    entry = {
        "file": "a.onnx",
        "format": "onnx",
        "network": "pruned",
        "precision": "float32",
        "from": {"a": "b"},
        "sha256": {"a.onnx": "c"},
    }
    (folder / "export" / "export.json").write_text(json.dumps({"schema": 1, "files": [entry]}))
    write_sealed(folder / "state.sealed", {"key": "k", "content": {"a": torch.zeros(3), "b": [1, "x", None]}})
    Store(folder / "store").put("key", {"a": torch.arange(5.0)}, {"job": "0"})
    save_sparse(model, folder / "sparse.safetensors", "csr", ["conv1", "fc1"])
    _write_data(folder)


def _comparison():
    about = {
        "model": "m",
        "data": "d",
        "by": "macs_removed",
        "limits": {"filters_removed": 0.1},
        "epochs": 3,
        "confidence": 0.95,
        "methods": ["a"],
    }
    achieved = {"filters_removed": 0.5, "params_removed": 0.5, "macs_removed": 0.5}
    runs = [
        Result(method, scope, budget, seed, {
            "dense": {"accuracy": 0.9}, "seconds": {"total": 1.0}, "budget": {"achieved": achieved, "reached": True},
            "pruned": {"accuracy": 0.8 + seed / 100, "accuracy_before_finetune": 0.7},
        })
        for method, scope, budget in (("", "", None), ("a", "global", 0.5), ("a", "layerwise", 0.5), ("b", "global", 0.5)) for seed in range(2)
    ]  # fmt: skip
    return comparison(runs, about, {"x": "why"})


def _write_data(folder):
    draw = np.random.default_rng(0)
    raw = folder / "mnist" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, count in (("train", 40), ("test", 20)):
        pixels, labels = (
            draw.integers(0, 256, (count, 28, 28), dtype=np.uint8),
            (np.arange(count) % 10).astype(np.uint8),
        )
        for name, values in zip(FILES[part], (pixels, labels), strict=True):
            head = struct.pack(">BBBB", 0, 0, 8, values.ndim) + struct.pack(f">{values.ndim}i", *values.shape)
            packed = part == "test"
            (raw / f"{name}{'.gz' if packed else ''}").write_bytes(
                gzip.compress(head + values.tobytes()) if packed else head + values.tobytes()
            )
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        for name in ("a", "b"):
            (folder / "folder" / name).mkdir(parents=True)
            for i in range(4):
                suffix, content = ("png", "jpg")[i % 2], io.BytesIO()
                Image.fromarray(draw.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(
                    content, {"png": "PNG", "jpg": "JPEG"}[suffix]
                )
                (folder / "folder" / name / f"{i}.{suffix}").write_bytes(content.getvalue())
                archive.writestr(f"{name}/{i}.{suffix}", content.getvalue())
    original = folder / "cifar" / "cifar-10-batches-py"
    original.mkdir(parents=True)
    for name in ("data_batch_1", "batches.meta"):
        (original / name).write_bytes(pickle.dumps({"data": [], "labels": []}))


ODD = [
    None, True, False, 0, -1, 1, 1e308, -1e308, 1e-320, float("nan"), float("inf"), 10**40, 2**63, 2**31, -(2**63), "", " ", "x", "../../etc/passwd", "/dev/zero",
    "\x00", "\ud800", "\x1b[31m", "<script>", "os.system", "torch.load", "x" * 3000, [], {}, [[]], [None], {"": 0}, [1] * 500, "NaN", "1e999", {"node": "x"},
    {"tuple": [1]}, {"dtype": "torch.float32"}, {"slice": [0, 10**12, 1]},
]  # fmt: skip


def _places(value, here=()):
    yield here
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from _places(part, (*here, key))


def _changed(value, draw):
    """The value with one to three parts replaced, removed, doubled, renamed or wrapped."""
    value = json.loads(json.dumps(value))
    for _ in range(draw.randint(1, 3)):
        places = list(_places(value))
        place = draw.choice(places)
        what = draw.random()
        if not place:
            if what < 0.1:
                return draw.choice(ODD)
            continue
        owner = value
        for key in place[:-1]:
            owner = owner[key]
        key = place[-1]
        if what < 0.6:
            owner[key] = draw.choice(ODD)
        elif what < 0.75:
            del owner[key]
        elif what < 0.85 and isinstance(owner, dict):
            owner[str(draw.choice(ODD))[:50]] = owner.pop(key)
        elif isinstance(owner, list):
            owner.insert(draw.randrange(len(owner) + 1), owner[key])
        else:
            owner[key] = [owner[key]] if draw.random() < 0.5 else {str(key): owner[key]}
    return value


def _deep(form, draw):
    depth = draw.choice([50, 1000, 100_000])
    if form == "text":
        return b'"' * depth
    return (b"[" * depth + b"]" * depth) if draw.random() < 0.5 else (b'{"a":' * depth + b"1" + b"}" * depth)


def damaged(reader, folder, content, draw):
    """Another content for the reader's file; ``content`` is the whole one."""
    what = draw.random()
    if reader.form in ("json", "yaml") and what < 0.6:
        load = json.loads if reader.form == "json" else yaml.safe_load
        value = _changed(load(content), draw)
        if reader.form == "yaml":
            try:
                return yaml.safe_dump(value, allow_unicode=draw.random() < 0.5).encode("utf-8", "surrogatepass")
            except yaml.YAMLError:
                return b"? ["
        return reader.seal(value, folder) if reader.seal and draw.random() < 0.8 else json.dumps(value).encode()
    if what < 0.65:
        return _deep(reader.form, draw)
    if what < 0.7:
        return draw.choice(
            [
                b"",
                b"\x00" * 100,
                b"\xff" * 1000,
                b"\n",
                b"null",
                b"PK\x03\x04",
                b"\x80\x02.",
                b"9" * 5000,
                draw.randbytes(200),
            ]
        )
    if what < 0.8:
        return content[: draw.randrange(len(content))]
    changed = bytearray(content)
    for _ in range(draw.choice([1, 1, 2, 8, 40])):
        at = draw.randrange(len(changed))
        kind = draw.random()
        if kind < 0.4:
            changed[at] ^= 1 << draw.randrange(8)
        elif kind < 0.7:
            changed[at : at + 4] = draw.choice(
                [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x00\x00\x00\x00", b"\x80\x00\x00\x00"]
            )
        elif kind < 0.85:
            del changed[at : at + draw.randint(1, 20)]
        else:
            changed[at:at] = draw.randbytes(draw.randint(1, 9))
        if not changed:
            break
    return bytes(changed)


def wrong(name, folder, seed):
    """What is wrong with how the reader takes a damaged file; None where it reads it or refuses it in one sentence."""
    reader, draw = READERS[name], random.Random(seed)
    path = folder / reader.path
    whole, seal = path.read_bytes(), (folder / "net" / "provenance.json").read_bytes()
    try:
        path.write_bytes(damaged(reader, folder, whole, draw))
        reader.read(folder)
    except EasiEdgeError as error:
        text = str(error)
        return None if 10 < len(text) < 3000 else f"{len(text)} letters: {text[:200]}"
    except Exception as error:
        import traceback

        at = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {str(error)[:150]} ({at.filename.rpartition('/')[2]}:{at.lineno})"
    finally:
        (folder / "net" / "provenance.json").write_bytes(seal)
        path.write_bytes(whole)
    return None
