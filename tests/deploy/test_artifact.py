"""Artifacts: exact after a round trip, harmless whatever is in them, whole or not there."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from networks import NETWORKS, images, network, random_mask

from easiedge.atomic import write_atomically
from easiedge.deploy import provenance
from easiedge.deploy.artifact import load, save
from easiedge.deploy.provenance import PROVENANCE, add_provenance, read_provenance, sealed
from easiedge.errors import EasiEdgeError, ModelError
from easiedge.model.filter_groups import find_groups
from easiedge.surgery.shrink import shrink

OLD = Path(__file__).with_name("schema1")  # written by easiedge before provenance.json
OLD_OUTPUT = [[0.03110024333000183, 0.5072237253189087, 0.05992290377616882]]


@pytest.fixture
def saved(tmp_path):
    model, x = network("Residual"), images()
    groups = find_groups(model, x)
    compact = shrink(model, groups, random_mask(groups, 0.4), x)
    save(compact, tmp_path)
    return tmp_path, compact


@pytest.mark.parametrize("name", NETWORKS)
def test_a_round_trip_is_exact_and_the_result_trains(name, tmp_path):
    model, x = network(name), images()
    groups = find_groups(model, x)
    compact = shrink(model, groups, random_mask(groups, 0.5), x)
    save(compact, tmp_path)
    again = load(tmp_path)
    assert torch.equal(again(x), compact(x))
    again.train()(x).sum().backward()
    assert all(p.grad is not None for p in again.parameters())
    assert not again.eval().training


def test_dense_networks_save_under_their_own_names(tmp_path):
    model = network("Plain")
    save(model, tmp_path)
    assert set(load(tmp_path).state_dict()) == set(model.state_dict())


def tamper(folder, change):
    path = folder / "architecture.json"
    description = json.loads(path.read_text())
    change(description)
    path.write_text(json.dumps(description))
    seal_again(folder)


def seal_again(folder):
    """As someone who means it would do."""
    files = {name: (folder / name).read_bytes() for name in ("architecture.json", "model.safetensors")}
    (folder / PROVENANCE).write_bytes(sealed(files, {"schema": 2}))


def first(description, op):
    return next(n for n in description["nodes"] if n["op"] == op)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(schema=99), "schema '99'; this version of easiedge reads 1 to 2: update easiedge"),
        (lambda d: first(d, "call_function").update(target="os.system"), "not allowed"),
        (
            lambda d: first(d, "call_function").update(target="getattr", args={"tuple": ["x", "__class__"]}),
            "not allowed",
        ),
        (lambda d: first(d, "call_module").update(target="nowhere"), "does not hold"),
        (lambda d: next(iter(d["layers"].values())).update({"class": "Unpickler"}), "not allowed"),
        (lambda d: d["layers"].update({"a'];import os;['": next(iter(d["layers"].values()))}), "not a name"),
        (lambda d: first(d, "call_function").update(name="x; import os"), "not a name"),
        (lambda d: first(d, "call_function")["kwargs"]["dict"].update({"a=1); import os; (": 1}), "not a name"),
        (lambda d: first(d, "placeholder").update(target="x): import os"), "not a name"),
        (lambda d: first(d, "call_function").update(name="\uff54\uff4f\uff52\uff43\uff48"), "not a name"),
        (lambda d: d["nodes"].reverse(), "malformed"),
        (lambda d: first(d, "call_function").update(args={"tuple": [{"node": d["nodes"][-2]["name"]}]}), "malformed"),
        (lambda d: d["nodes"].append(d["nodes"][0]), "two nodes"),
        (
            lambda d: next(iter(d["layers"].values()))["arguments"].update(device="cuda"),
            "'device', which is not allowed",
        ),
        (lambda d: next(iter(d["layers"].values()))["arguments"].update(kernel_size=[[[1]]]), "not allowed"),
        (
            lambda d: next(iter(d["layers"].values()))["arguments"].update(out_channels=10**12),
            "do not fit|cannot be made",
        ),
        (lambda d: d["layers"].update({".".join("a" * 5000): next(iter(d["layers"].values()))}), "not a name"),
        (
            lambda d: d["layers"].update({f"x{i}": next(iter(d["layers"].values())) for i in range(100_001)}),
            "more than",
        ),
        (lambda d: d.pop("nodes"), "malformed"),
        (lambda d: next(iter(d["layers"].values()))["arguments"].update(out_channels=17), "do not fit"),
    ],
)
def test_a_changed_artifact_is_refused_and_runs_nothing(saved, change, message):
    folder, _ = saved
    tamper(folder, change)
    with pytest.raises(ModelError, match=message):
        load(folder)


def test_missing_and_broken_files_are_named(saved, tmp_path):
    folder, _ = saved
    with pytest.raises(EasiEdgeError, match=r"architecture.json is missing"):
        load(tmp_path / "nowhere")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    seal_again(folder)
    with pytest.raises(ModelError, match="cannot be read"):
        load(folder)


def test_layers_that_an_artifact_cannot_hold_are_named(tmp_path):
    class Recurrent(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.memory = torch.nn.GRU(2, 3)

        def forward(self, x):
            return self.memory(x)[0]

    with pytest.raises(ModelError, match="'memory' is a GRU"):
        save(Recurrent(), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_earlier_file_intact(tmp_path, monkeypatch):
    target = tmp_path / "metrics.json"
    write_atomically(target, "earlier")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EasiEdgeError, match="No space left on device"):
        write_atomically(target, "later")
    assert target.read_text() == "earlier"
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.json"]


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(EasiEdgeError, match="cannot write"):
        write_atomically(tmp_path / "file" / "inside", "x")


@pytest.mark.parametrize("name", ["architecture.json", "model.safetensors", PROVENANCE])
def test_one_changed_byte_anywhere_is_refused_and_its_file_named(saved, name):
    folder, _ = saved
    whole = (folder / name).read_bytes()
    places = {*range(0, len(whole), max(1, len(whole) // 40)), *range(64), len(whole) - 1}
    for at in sorted(places):
        (folder / name).write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(EasiEdgeError) as refused:
            load(folder)
        assert name in str(refused.value) or "schema" in str(refused.value)
    (folder / name).write_bytes(whole + b" ")
    with pytest.raises(ModelError, match=name):
        load(folder)
    (folder / name).write_bytes(whole)
    load(folder)


def test_artifacts_of_schema_1_still_load_and_become_the_current_schema_when_saved(tmp_path):
    network = load(OLD)
    expected = torch.tensor(OLD_OUTPUT)
    assert torch.allclose(network(images()[:1]), expected, atol=1e-5)
    assert read_provenance(OLD) == {}
    save(network, tmp_path)
    assert json.loads((tmp_path / "architecture.json").read_text())["schema"] == 2
    assert torch.equal(load(tmp_path)(images()), network(images()))


def test_an_artifact_of_this_schema_without_its_hashes_is_refused(saved):
    folder, _ = saved
    (folder / PROVENANCE).unlink()
    with pytest.raises(EasiEdgeError, match=r"provenance\.json is missing"):
        load(folder)


def test_provenance_travels_and_grows_and_must_be_plain(saved):
    folder, compact = saved
    save(compact, folder, {"classes": ["a", "b", "c"], "input": {"shape": [2, 8, 8]}})
    add_provenance(folder, {"metrics": {"accuracy": 0.5}})
    found = read_provenance(folder)
    assert found["classes"] == ["a", "b", "c"] and found["metrics"] == {"accuracy": 0.5} and found["schema"] == 2
    assert set(found["versions"]) == {"easiedge", "torch", "python"}
    load(folder)
    with pytest.raises(ModelError, match="JSON can hold"):
        add_provenance(folder, {"metrics": {"accuracy": float("nan")}})
    load(folder)


@pytest.mark.parametrize(("wrong", "message"), [
    ({"files": {}}, "'files', which easiedge writes itself"), ({"sha256": "x"}, "'sha256', which"), ({"schema": 99}, "'schema', which"),
    ({"versions": "1.0"}, "must be a dict such as"), ({"versions": None}, "must be a dict such as"), (["x"], "must be a dict of facts, not list"),
    ({"a": "x" * 2000}, "would be over 0 MB: leave the large entries out"),
])  # fmt: skip
def test_a_provenance_that_could_not_be_read_again_is_refused_before_anything_is_written(
    tmp_path, monkeypatch, wrong, message
):
    monkeypatch.setattr(provenance, "LARGEST", 1500)
    with pytest.raises(ModelError, match=message):
        save(network("Plain"), tmp_path / "new", wrong)
    assert not (tmp_path / "new").exists()
    save(network("Plain"), tmp_path, {"versions": {"numpy": "2"}})
    assert read_provenance(tmp_path)["versions"]["numpy"] == "2"
    before = (tmp_path / PROVENANCE).read_bytes()
    with pytest.raises(ModelError, match=message):
        add_provenance(tmp_path, wrong)
    assert (tmp_path / PROVENANCE).read_bytes() == before
    load(tmp_path)


def test_loading_takes_no_more_than_twice_the_weights(tmp_path):
    wide = torch.nn.Sequential(torch.nn.Linear(4096, 4096), torch.nn.Linear(4096, 2048))
    save(wide, tmp_path)
    size = (tmp_path / "model.safetensors").stat().st_size >> 10
    peak = "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss"  # KiB where the system is Linux
    code = f"import resource, torch, easiedge; easiedge.load({str(OLD)!r}); before = {peak}; easiedge.load({str(tmp_path)!r}); print({peak} - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 2 * size + (8 << 10)


def test_files_that_are_none_are_refused_without_reading_them(saved):
    folder, _ = saved
    (folder / "model.safetensors").unlink()
    os.mkfifo(folder / "model.safetensors")
    with pytest.raises(ModelError, match="is not a file"):
        load(folder)
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").mkdir()
    with pytest.raises(ModelError, match="is not a file"):
        load(folder)


def test_huge_sizes_take_no_memory(saved):
    folder, _ = saved
    limit = "import resource; resource.setrlimit(resource.RLIMIT_DATA, (3 << 30,) * 2); "
    tamper(folder, lambda d: d["layers"]["head"]["arguments"].update(in_features=1 << 30, out_features=1 << 20))
    code = limit + f"import easiedge\ntry: easiedge.load({str(folder)!r})\nexcept easiedge.EasiEdgeError as e: print(e)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "do not fit each other" in done.stdout, done.stderr


FORBIDDEN = [
    "pytorch_lightning", "lightning_fabric", "hydra", "omegaconf", "wandb", "scipy", "matplotlib", "sklearn", "torchvision", "PIL", "yaml", "rich",
    "onnx", "onnxruntime",
]  # fmt: skip


def test_loading_needs_no_training_dependency(saved):
    folder, compact = saved
    code = f"""
import sys
class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {FORBIDDEN}:
            raise ImportError("forbidden: " + name)
sys.meta_path.insert(0, Forbidden())
import easiedge, torch
network = easiedge.load({str(folder)!r})
print(network(torch.ones(1, 2, 8, 8)).tolist())
assert not set({FORBIDDEN}) & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = torch.tensor(json.loads(done.stdout))
    assert torch.allclose(found, compact(torch.ones(1, 2, 8, 8)), atol=1e-5)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["node", "tuple", "slice", "dict", "x"]), inner, max_size=2),
    max_leaves=8,
)  # fmt: skip


def places(value, path=()):
    """Paths of all values in a nested description."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, (*path, key))


def loads_or_refuses(folder):
    refusal = "refused in one sentence"
    try:
        load(folder)
    except EasiEdgeError as error:
        refusal = str(error)
    assert refusal and "\n" not in refusal.strip()


FUZZ = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    save(network("Plain"), folder)
    return folder, (folder / "architecture.json").read_text(), (folder / "model.safetensors").read_bytes()


@FUZZ
@given(st.data())
def test_any_value_anywhere_in_the_architecture_is_taken_or_refused_in_one_sentence(scratch, data):
    folder, text, weights = scratch
    description = json.loads(text)
    *path, last = data.draw(st.sampled_from([p for p in places(description) if p]))
    owner = description
    for key in path:
        owner = owner[key]
    owner[last] = data.draw(JSON)
    (folder / "architecture.json").write_text(json.dumps(description))
    (folder / "model.safetensors").write_bytes(weights)
    seal_again(folder)
    loads_or_refuses(folder)


@FUZZ
@given(st.data())
def test_any_bytes_are_taken_or_refused_in_one_sentence(scratch, data):
    folder, text, weights = scratch
    files = {"architecture.json": text.encode(), "model.safetensors": weights}
    name = data.draw(st.sampled_from(sorted(files)))
    at = data.draw(st.integers(0, min(len(files[name]), 2000)))
    files[name] = (
        files[name][:at] + data.draw(st.binary(max_size=12)) + files[name][data.draw(st.integers(at, at + 40)) :]
    )
    for each, content in files.items():
        (folder / each).write_bytes(content)
    seal_again(folder)
    loads_or_refuses(folder)


@pytest.mark.parametrize(
    "content", ["[" * 200_000, '{"schema": 2, "layers": ' + '{"a": ' * 200_000, "null", "2", "{}", "", "9" * 6000]
)
def test_deep_and_empty_architectures_are_refused(scratch, content):
    folder, _, weights = scratch
    (folder / "architecture.json").write_text(content)
    (folder / "model.safetensors").write_bytes(weights)
    seal_again(folder)
    with pytest.raises(ModelError, match=r"cannot be read|schema"):
        load(folder)


def test_weights_of_another_kind_are_refused(saved):
    folder, _ = saved
    path = folder / "model.safetensors"
    state = safetensors.torch.load(path.read_bytes())
    path.write_bytes(safetensors.torch.save({name: t.to(torch.int64) for name, t in state.items()}))
    seal_again(folder)
    with pytest.raises(ModelError, match="do not fit each other"):
        load(folder)


class Dropping(torch.nn.Module):
    """Holds a layer of torchvision's."""

    def __init__(self):
        super().__init__()
        from torchvision.ops import StochasticDepth

        self.body, self.drop = torch.nn.Linear(3, 3), StochasticDepth(0.1, "row")

    def forward(self, x):
        return x + self.drop(self.body(x))


def test_a_network_with_a_part_of_torchvision_asks_for_it_only_then(tmp_path, monkeypatch):
    model, x = Dropping().eval(), torch.randn(2, 3)
    save(model, tmp_path)
    assert torch.equal(load(tmp_path)(x), model(x))
    monkeypatch.setitem(sys.modules, "torchvision.ops.stochastic_depth", None)
    with pytest.raises(ModelError, match=r"StochasticDepth, which cannot be imported here: pip install torchvision"):
        load(tmp_path)
