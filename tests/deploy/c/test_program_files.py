"""The program and the Makefile beside a network: compiled with every warning an error and sanitizers, on this machine and, where the tools are, for ARM."""

import os
import shutil
import subprocess

import pytest
import torch
from c_program import write_c

from easiedge.data.in_memory import normalise
from easiedge.errors import ModelError
from easiedge.model.tiny import cnn1
from easiedge.search.tq import under, with_digits

WARNINGS = "-std=c99 -pedantic -Wall -Wextra -Wconversion -Wno-sign-conversion -Werror"
MEAN, STD = (0.3,), (0.4,)
CROSS = {
    "armv6": ("arm-linux-gnueabihf-gcc", "qemu-arm", "-march=armv6+fp -marm -mfloat-abi=hard -static"),
    "aarch64": ("aarch64-linux-gnu-gcc", "qemu-aarch64", "-static"),
}
needs_make = pytest.mark.skipif(
    not (shutil.which("make") and shutil.which("gcc")), reason="make or gcc is not installed"
)


@pytest.fixture(scope="module")
def network():
    """After TQ, with images as bytes and what torch says to them."""
    torch.manual_seed(0)
    net = with_digits(under(cnn1(2, (1, 8, 8), [6, 4]), 0.2), 8).eval()
    pixels = torch.randint(0, 256, (12, 1, 8, 8), dtype=torch.uint8)
    with torch.no_grad():
        return net, pixels, net(normalise(pixels, MEAN, STD))


def made(network, folder, fixed, compiler="gcc", flags=""):
    """The program that the Makefile makes."""
    net, pixels, _ = network
    path = write_c(net, normalise(pixels, MEAN, STD), folder, classes=["no", "yes"], fixed=fixed, mean=MEAN, std=STD)
    settings = [f"CC={compiler}", f"CFLAGS={WARNINGS} -O1 {flags}"]
    subprocess.run(["make", "-f", "network.mk", *settings], cwd=folder, check=True, capture_output=True, text=True)
    return path.with_suffix("")


def read(output):
    lines = [line.split() for line in output.splitlines()]
    return [line[0] for line in lines], torch.tensor([[float(v) for v in line[1:]] for line in lines])


def check(network, output):
    classes, logits = read(output)
    wanted = network[2]
    assert classes == ["yes" if k else "no" for k in wanted.argmax(1).tolist()]
    assert (logits - wanted).abs().max() < 1e-3


@needs_make
@pytest.mark.parametrize("fixed", [False, True], ids=["float", "fixed"])
def test_it_reads_images_and_says_what_torch_says_under_sanitizers(network, fixed, tmp_path):
    program = made(network, tmp_path, fixed, flags="-fsanitize=address,undefined -fno-sanitize-recover=all")
    bytes_of = network[1].numpy().tobytes()
    clean = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
    done = subprocess.run([program], input=bytes_of, capture_output=True, check=True, env=clean)
    check(network, done.stdout.decode())
    (tmp_path / "images.raw").write_bytes(bytes_of)
    assert (
        subprocess.run([program, tmp_path / "images.raw"], capture_output=True, check=True, env=clean).stdout
        == done.stdout
    )


@pytest.mark.parametrize("fixed", [False, True], ids=["float", "fixed"])
@pytest.mark.parametrize("name", ["7up", "a-b", "two words", "\u00e9t\u00e9", "x;y"])
def test_a_name_that_is_no_identifier_of_c_is_refused(network, fixed, name, tmp_path):
    with pytest.raises(ModelError, match="is no name in C"):
        write_c(network[0], normalise(network[1], MEAN, STD), tmp_path, name, ["no", "yes"], fixed=fixed)
    assert not list(tmp_path.iterdir())


@needs_make
def test_it_says_what_is_wrong_with_its_input(network, tmp_path):
    program = made(network, tmp_path, False)
    cut = subprocess.run([program], input=b"x" * 70, capture_output=True, check=False)
    assert cut.returncode == 2 and b"cut off: 6 of 64 bytes" in cut.stderr and len(cut.stdout.splitlines()) == 1
    gone = subprocess.run([program, tmp_path / "nothing"], capture_output=True, check=False)
    assert gone.returncode == 2 and b"cannot be read" in gone.stderr


@needs_make
@pytest.mark.parametrize("fixed", [False, True], ids=["float", "fixed"])
@pytest.mark.parametrize("machine", CROSS)
def test_it_runs_on_arm_under_qemu(network, fixed, machine, tmp_path):
    compiler, emulator, flags = CROSS[machine]
    missing = [tool for tool in (compiler, emulator) if shutil.which(tool) is None]
    if missing:
        pytest.skip(
            f"{' and '.join(missing)} not installed: apt-get install gcc-arm-linux-gnueabihf gcc-aarch64-linux-gnu qemu-user"
        )
    program = made(network, tmp_path, fixed, compiler, flags)
    done = subprocess.run([emulator, program], input=network[1].numpy().tobytes(), capture_output=True, check=True)
    check(network, done.stdout.decode())
