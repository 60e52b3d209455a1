"""The main job with its default logger, twice, in processes without a network and with secrets around: the same bytes, no calls, no leaks."""

import json
import os
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import wandb_file

import easiedge

QUICK = [
    "recipe.train.epochs=2", "recipe.admm.epochs=1", "schedule.iterations=2", "recipe.finetune.epochs=1", "calibration.images=128", "trainer.progress=false",
]  # fmt: skip
SECRETS = {
    "WANDB_API_KEY": "5ec4e7" * 6 + "abcd",
    "AWS_SECRET_ACCESS_KEY": "aws5ec4e7fourtwo",
    "HF_TOKEN": "hf_5ec4e7token",
    "DATABASE_PASSWORD": "pa55w0rd5ec4e7",
}
IN_THE_REMOTE = "g1t5ec4e7"
TIMES = {"seconds"}


@dataclass
class Done:
    directory: Path
    said: str
    network: str
    proxied: list


class Listener:
    """Takes connections as a proxy would, and keeps the first bytes of each: for what sitecustomize does not reach, W&B's own process."""

    def __init__(self):
        self.socket, self.heard = socket.create_server(("127.0.0.1", 0)), []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(2)
                try:
                    self.heard.append(connection.recv(200))
                except OSError as error:
                    self.heard.append(error)


@pytest.fixture(scope="module")
def twice(tmp_path_factory):
    found = []
    for name in ("first", "second"):
        here = tmp_path_factory.mktemp(name)
        git = ["git", "-C", str(here), "-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run([*git, "init", "-q"], check=True)
        subprocess.run([*git, "remote", "add", "origin", f"https://me:{IN_THE_REMOTE}@example.org/x.git"], check=True)
        subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
        listener, log = Listener(), tmp_path_factory.mktemp("log") / "network.txt"
        proxy = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        path = os.pathsep.join([str(Path(__file__).parent / "offline"), str(Path(easiedge.__file__).parents[1])])
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("WANDB") and "proxy" not in k.lower()},
            **SECRETS, "PYTHONPATH": path, "NETWORK_LOG": str(log), "HTTPS_PROXY": proxy, "HTTP_PROXY": proxy, "OMP_NUM_THREADS": str(torch.get_num_threads()),
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "easiedge", "prune", *QUICK, f"hydra.run.dir={here / 'out'}"],
            cwd=here, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        listener.socket.close()
        assert done.returncode == 0, done.stdout
        found.append(Done(here / "out", done.stdout, log.read_text() if log.exists() else "", listener.heard))
    return found


def without_times(directory):
    metrics = json.loads((directory / "metrics.json").read_text())
    return json.dumps({name: value for name, value in metrics.items() if name not in TIMES}, indent=1)


def test_the_same_seed_gives_the_same_bytes(twice):
    first, second = (done.directory for done in twice)
    assert without_times(first) == without_times(second)
    for name in (
        "dense/model.safetensors", "pruned/model.safetensors", "pruned/architecture.json", "curves.csv", "layers.csv", "checkpoints/train-best.safetensors",
    ):  # fmt: skip
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_a_run_calls_nobody(twice):
    for done in twice:
        assert done.network == "" and done.proxied == []


def test_the_network_is_really_watched(tmp_path):
    log = tmp_path / "network.txt"
    code = "import urllib.request\ntry: urllib.request.urlopen('http://example.org')\nexcept OSError: print('refused')"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent / "offline"), "NETWORK_LOG": str(log)}
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "refused" and "getaddrinfo" in log.read_text()


def test_no_secret_is_written(twice):
    for done in twice:
        files = [p for p in done.directory.rglob("*") if p.is_file()]
        (offline,) = (p for p in files if p.suffix == ".wandb")
        assert not wandb_file.missing(
            offline, [b"example.org"]
        )  # W&B has looked at the remote, and left the password out
        contents = {p: p.read_bytes() for p in files} | {offline: wandb_file.content(offline)}
        contents |= {"said": done.said.encode()}
        for secret in (*SECRETS.values(), IN_THE_REMOTE):
            assert [name for name, content in contents.items() if secret.encode() in content] == []
