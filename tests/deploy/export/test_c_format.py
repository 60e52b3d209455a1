"""easiedge export --to c: files that compile anywhere, prove themselves, and hold whatever classes are called."""

import ctypes
import shutil
import subprocess
import sys

import pytest
import torch
from c_program import STRICT, metadata, says, strict, write_c
from networks import images, network
from run_with_network import entries, make_run

from easiedge.cli import run
from easiedge.data.in_memory import normalise
from easiedge.deploy.c import compiler
from easiedge.deploy.c.text import comment, identifier, number, numbers, string
from easiedge.deploy.export import c_format
from easiedge.deploy.export.c_format import C, macro
from easiedge.deploy.export.ready import ready
from easiedge.errors import ModelError

HOSTILE = [
    '"; int x = 1; "',
    "*/ #error",
    "two\nlines\r",
    "back\\slash\\",
    "what??/",
    "%s%n",
    "Überfall 猫",
    "\x00null\x7f",
    "a" * 300,
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    make_run(folder)
    return folder


@pytest.fixture
def made(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.usefixtures("elsewhere")
def test_an_export_is_compiled_and_agrees_on_every_test_image(made):
    assert run(["export", str(made), "--to", "c"]) == 0
    each = entries(made)["pruned.c"]
    assert (
        each["agreement"] == 1.0 and each["max_abs_diff"] < 1e-4 and each["accuracy"] == each["artifact_accuracy"] > 0.5
    )
    assert each["engine"] == "c" and each["version"] and not each["dynamic_batch"]
    assert set(each["sha256"]) == {"pruned.c", "pruned.h", "pruned.main.c", "pruned.mk"}
    assert {p.name for p in (made / "export").iterdir()} == {
        "pruned.c",
        "pruned.h",
        "pruned.main.c",
        "pruned.mk",
        "export.json",
    }
    header = made / "export" / "pruned.h"
    assert [macro(header, f"PRUNED_{name}") for name in ("HEIGHT", "WIDTH", "CHANNELS", "CLASSES")] == [8, 8, 1, 10]


@pytest.mark.usefixtures("elsewhere")
def test_large_weights_are_a_file_of_their_own_and_go_with_it(made, monkeypatch):
    monkeypatch.setattr(c_format, "MOST_AS_TEXT", 100)
    assert run(["export", str(made), "--to", "c", "--images", "50"]) == 0
    folder = made / "export"
    weights = folder / "pruned.weights.bin"
    assert set(entries(made)["pruned.c"]["sha256"]) == {
        "pruned.c",
        "pruned.h",
        "pruned.weights.bin",
        "pruned.main.c",
        "pruned.mk",
    }
    assert weights.stat().st_size == macro(folder / "pruned.h", "PRUNED_WEIGHT_BYTES")
    assert len((folder / "pruned.c").read_text().splitlines()) < 400
    monkeypatch.setattr(c_format, "MOST_AS_TEXT", 10**6)
    assert run(["export", str(made), "--to", "c", "--images", "50"]) == 0
    assert not weights.exists()


@pytest.mark.usefixtures("elsewhere")
def test_a_file_that_disagrees_is_removed(made, capsys, monkeypatch):
    true = c_format.lower

    def wrong(network, example):
        program = true(network, example)
        program.constants[1][1][:] += 0.1  # the first bias
        return program

    monkeypatch.setattr(c_format, "lower", wrong)
    assert run(["export", str(made), "--to", "c", "--images", "50"]) == 2
    assert "pruned.c does not compute what the artifact does" in capsys.readouterr().err
    assert not list((made / "export").iterdir())


@pytest.mark.usefixtures("elsewhere")
def test_an_operator_that_c_does_not_have_is_named(tmp_path, capsys):
    make_run(tmp_path / "odd", pool=torch.nn.Sequential(torch.nn.GELU(), torch.nn.AdaptiveAvgPool2d(2)))
    assert run(["export", str(tmp_path / "odd"), "--to", "c"]) == 2
    assert "C cannot hold the operator GELU (layer '6.0')" in capsys.readouterr().err
    assert not list((tmp_path / "odd" / "export").iterdir())


@pytest.mark.usefixtures("elsewhere")
def test_no_compiler_says_what_to_install_before_anything_is_done(made, capsys, monkeypatch):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(compiler.importlib.util, "find_spec", lambda name: None)
    assert run(["export", str(made), "--to", "c"]) == 2
    assert "no C compiler was found: install gcc or clang, or pip install ziglang" in capsys.readouterr().err
    assert not (made / "export").exists()
    monkeypatch.setenv("CC", "there-is-no-such-compiler -m64")
    assert run(["export", str(made), "--to", "c"]) == 2
    assert "there-is-no-such-compiler, is not there" in capsys.readouterr().err


def test_the_compiler_is_cc_else_one_on_the_path_else_zig(monkeypatch):
    monkeypatch.setenv("CC", f"{sys.executable} -x")
    assert compiler.host_compiler() == [sys.executable, "-x"]
    monkeypatch.delenv("CC")
    monkeypatch.setattr(shutil, "which", lambda name: name if name == "clang" else None)
    assert compiler.host_compiler() == ["clang"]
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(compiler.importlib.util, "find_spec", lambda name: object())
    assert compiler.host_compiler() == compiler.zig()


def test_a_file_that_does_not_compile_says_where(tmp_path):
    path = write_c(network("Plain"), images(2), tmp_path)
    path.write_text(path.read_text() + "\nint broken = ;\n")
    with pytest.raises(ModelError, match=r"does not compile network\.c: network\.c:\d+:\d+: error"):
        C().runner(path, 1)


def test_class_names_are_what_they_are_whatever_is_in_them(tmp_path, monkeypatch):
    strict(monkeypatch)
    net, x = network("Plain"), images(2)
    for k in range(0, len(HOSTILE), 3):
        path = write_c(net, x, tmp_path, f"names{k}", HOSTILE[k : k + 3])
        library = ctypes.CDLL(str(compiler.shared_object(path, tmp_path)))
        found = (ctypes.c_char_p * 3).in_dll(library, f"names{k}_classes")
        for got, wanted in zip(found, HOSTILE[k : k + 3], strict=True):
            assert got == wanted.encode().partition(b"\0")[0]


def test_names_of_layers_cannot_leave_their_comment(tmp_path, monkeypatch):
    strict(monkeypatch)
    net = torch.nn.Sequential()
    net.add_module("evil */ #error", torch.nn.Conv2d(2, 3, 8))
    net.add_module("last", torch.nn.Flatten())
    x = images(2)
    path = write_c(net.eval(), x, tmp_path)
    assert "evil __ _error: Conv2d" in path.read_text()
    assert (says(path, x) - net(x)).abs().max() < 1e-5


def test_pieces_of_text():
    assert (
        identifier("7 a-b.c") == "network_7_a_b_c"
        and identifier("pruned") == "pruned"
        and identifier("é") == "network__"
    )
    assert comment("a */ b\nc -> d") == "a __ b_c -> d"
    assert string('"\\?\n') == '"\\042\\134\\077\\012"'
    assert [number(v) for v in (0.1, 1.0, -3.5e38, 1e-7)] == ["0.1f", "1.0f", "-FLT_MAX", "1e-07f"]


def test_pixels_are_prepared_as_in_training(tmp_path):
    path = write_c(network("Plain"), images(2), tmp_path, mean=(0.3, 0.4), std=(0.2, 0.5))
    library = ctypes.CDLL(str(compiler.shared_object(path, tmp_path)))
    pixels = torch.randint(0, 256, (1, 8, 8, 2), dtype=torch.uint8)
    found = torch.empty(8, 8, 2)
    library.network_prepare(ctypes.c_void_p(pixels.data_ptr()), ctypes.c_void_p(found.data_ptr()))
    wanted = normalise(pixels.permute(0, 3, 1, 2), (0.3, 0.4), (0.2, 0.5))[0]
    assert (found.permute(2, 0, 1) - wanted).abs().max() < 1e-6
    assert library.network_run(None, ctypes.c_void_p(found.data_ptr())) == 1


def test_classes_that_do_not_match_are_refused(tmp_path):
    with pytest.raises(ModelError, match="gives 3 numbers for an image, and 2 classes are named"):
        C().write(ready(network("Plain")), images(2), tmp_path / "a.c", metadata((2, 8, 8), ["a", "b"]))


def test_a_program_of_its_own_brings_the_weights_and_survives_sanitizers(tmp_path, monkeypatch):
    """Two networks in one program, one with weights from another file, each layer announced, memory and arithmetic checked."""
    monkeypatch.setattr(c_format, "MOST_AS_TEXT", 100)
    x = images(2)
    nets = {"first": network("Residual"), "second": network("Concatenation")}
    paths = {name: write_c(net, x, tmp_path, name) for name, net in nets.items()}
    values = torch.frombuffer(bytearray((tmp_path / "first.weights.bin").read_bytes()), dtype=torch.float32)
    pixels = x[0].permute(1, 2, 0).reshape(-1)
    (tmp_path / "main.c").write_text(f"""
        #include <stdio.h>
        #include "first.h"
        #include "second.h"
        const float first_weights[] = {{{numbers(values.numpy())}}};
        static const float image[FIRST_INPUTS] = {{{numbers(pixels.numpy())}}};
        int main(void)
        {{
            float logits[FIRST_CLASSES + SECOND_CLASSES];
            if (first_run(image, logits) || second_run(image, logits + FIRST_CLASSES)) return 1;
            for (int k = 0; k < FIRST_CLASSES + SECOND_CLASSES; k++) printf("%.9g\\n", (double)logits[k]);
            return 0;
        }}""")
    command = [
        *compiler.host_compiler(),
        *STRICT,
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=all",
        "-DFIRST_EXTERNAL_WEIGHTS",
    ]
    command += ["main.c", "first.c", "second.c", "-lm", "-o", "main"]
    built = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    if built.returncode and "san" in built.stderr and "error:" not in built.stderr:
        pytest.skip("this compiler has no sanitizers")
    assert built.returncode == 0, built.stderr
    said = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout
    with torch.no_grad():
        wanted = torch.cat([net(x[:1])[0] for net in nets.values()])
    assert (torch.tensor([float(line) for line in said.split()]) - wanted).abs().max() < 1e-5
    assert len(paths) == 2
