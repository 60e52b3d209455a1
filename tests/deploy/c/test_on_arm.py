"""C exports on ARM, emulated: the same classes on real images, and fewer instructions where units are gone."""

import os
import subprocess

import pytest
import torch
from c_program import says, write_c
from networks import random_mask
from run_with_network import digits, fitted

import easiedge
from easiedge.model.tiny import cnn1
from easiedge.search.tq import under, with_digits

pytest.importorskip("ziglang", reason="the extra easiedge[arm] is not installed")
unicorn = pytest.importorskip("unicorn", reason="the extra easiedge[arm] is not installed")

from arm import AARCH64, ARM1176, CORTEX_M4, Emulated  # noqa: E402

IMAGES = 8


@pytest.fixture(scope="module")
def networks():
    """Dense and pruned, both fitted to the digits, and test images."""
    data = digits()
    dense = fitted(data).eval()
    x = torch.cat([x for x, _ in data.test_dataloader()])[:IMAGES]
    groups = easiedge.find_groups(dense, x)
    mask = random_mask(groups, 0.5, seed=1)
    batches = data.calibration_batches(512, 512)
    compact = easiedge.shrink(easiedge.compensate(dense, groups, mask, batches), groups, mask, x).eval()
    return {"dense": dense, "pruned": compact}, x


@pytest.mark.parametrize("processor", [AARCH64, CORTEX_M4, ARM1176], ids=["aarch64", "cortex_m4", "arm1176"])
def test_the_same_classes_on_real_images_and_fewer_instructions(networks, processor, tmp_path):
    instructions = {}
    for name, net in networks[0].items():
        x = networks[1]
        path = write_c(net, x, tmp_path, name)
        emulated = Emulated(path, processor, tmp_path)
        runs = [emulated.run(image) for image in x]
        found = torch.stack([run.logits for run in runs])
        with torch.no_grad():
            wanted = net(x)
        assert (found - wanted).abs().max() < 1e-4 and (found.argmax(1) == wanted.argmax(1)).all()
        assert wanted.argmax(1).unique().numel() > 3
        if processor is AARCH64:
            assert (found - says(path, x)).abs().max() < 1e-4
        for run in runs:  # nothing depends on the image but a comparison here and there
            assert abs(run.instructions - runs[0].instructions) < 0.02 * runs[0].instructions
            assert sum(run.by_layer.values()) == run.instructions and set(run.by_layer) >= {0, 1, 2}
            assert 0 < run.stack < 2048
        assert emulated.elf.sizes[".text"] < 12_000
        instructions[name] = runs[0].instructions
    macs = {name: easiedge.count(net, networks[1][:1])["macs"] for name, net in networks[0].items()}
    assert macs["pruned"] < 0.6 * macs["dense"] and instructions["pruned"] < 0.9 * instructions["dense"]


@pytest.mark.parametrize("processor", [AARCH64, CORTEX_M4], ids=["aarch64", "cortex_m4"])
def test_instructions_counted_by_block_are_those_counted_one_by_one(networks, processor, tmp_path):
    net, x = networks[0]["pruned"], networks[1]
    emulated = Emulated(write_c(net, x, tmp_path), processor, tmp_path)
    singly = []
    emulated.machine.hook_add(unicorn.UC_HOOK_CODE, lambda machine, address, size, data: singly.append(address))
    found = emulated.run(x[0]).instructions
    assert len(singly) > 1000
    if processor is AARCH64:
        assert found == len(singly)
    else:  # Thumb: those whose condition does not hold are fetched, and counted, but not announced one by one
        assert len(singly) <= found < 1.02 * len(singly)


def test_a_large_network_takes_its_weights_from_the_file_there_too(networks, tmp_path, monkeypatch):
    from easiedge.deploy.export import c_format

    monkeypatch.setattr(c_format, "MOST_AS_TEXT", 100)
    net, x = networks[0]["pruned"], networks[1]
    run = Emulated(write_c(net, x, tmp_path), AARCH64, tmp_path).run(x[0])
    with torch.no_grad():
        assert (run.logits - net(x[:1])[0]).abs().max() < 1e-4


def test_zig_also_compiles_for_this_machine(networks, tmp_path, monkeypatch):
    from easiedge.deploy.c import compiler

    monkeypatch.setenv("CC", " ".join(compiler.zig()))
    net, x = networks[0]["pruned"], networks[1]
    with torch.no_grad():
        assert (says(write_c(net, x, tmp_path), x) - net(x)).abs().max() < 1e-4
    assert "clang" in compiler.compiler_version(compiler.host_compiler()) and os.environ["CC"]
    assert subprocess.run([*compiler.zig(), "--version"], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("processor", [AARCH64, ARM1176], ids=["aarch64", "arm1176"])
def test_zeros_and_fixed_point_take_fewer_instructions_there(processor, tmp_path):
    torch.manual_seed(0)
    dense = cnn1(2, (1, 8, 8)).eval()
    thin, x = with_digits(under(dense, 0.25), 6).eval(), torch.randn(4, 1, 8, 8)
    with torch.no_grad():
        wanted = thin(x)
    counted = {}
    for name, net, fixed in (("dense", dense, False), ("thin", thin, False), ("whole", thin, True)):
        emulated = Emulated(write_c(net, x, tmp_path, name, fixed=fixed), processor, tmp_path, fixed)
        runs = [emulated.run(image) for image in x]
        if net is thin:
            assert (torch.stack([run.logits for run in runs]) - wanted).abs().max() < 1e-3
        counted[name] = runs[0].instructions
    assert counted["thin"] < counted["dense"] or processor is AARCH64  # which has vectors for what is dense
    assert counted["whole"] < 2 * counted["thin"]
