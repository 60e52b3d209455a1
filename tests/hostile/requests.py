"""Overrides that nobody should type, made from conf/ itself so that every key there is tried, and what becomes of them."""

import shutil
import socket
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import yaml
from hypothesis import strategies as st

from easiedge import pipeline
from easiedge.cli import conf_dir, run
from easiedge.errors import EasiEdgeError

ACCEPTED, REFUSED = 130, 2
LATER = {
    "fidelity",
    "sensitivity",
    "sparsity",
    "compare",
    "objectives",
    "device",
}  # requests of other commands; measuring takes minutes


def keys():
    """Dotted name and option of every value below conf/, and the groups with their options."""
    folder, found, groups = conf_dir(), {}, {}
    for path in sorted(folder.rglob("*.yaml")):
        group = path.parent.relative_to(folder).as_posix()
        text = path.read_text(encoding="utf-8")
        if group.startswith("hydra"):
            continue
        if group != ".":
            groups.setdefault(group, []).append(path.stem)
        for name, value in leaves(yaml.safe_load(text) or {}):
            name = name if group == "." or "@package _global_" in text else f"{group}.{name}"
            if not name.startswith(("defaults", "hydra")):
                found[name] = value
    return found, groups


def leaves(value, prefix=""):
    if isinstance(value, dict) and value:
        return [leaf for key, part in value.items() for leaf in leaves(part, f"{prefix}{key}.")]
    return [(prefix[:-1], value)]


KEYS, GROUPS = keys()
ODD = [
    "null", "true", "false", "0", "-1", "1", "2", "1.5", "-0.5", "1e-300", "1e300", "nan", "inf", "-inf", "99999999999999999999999", "2147483648", "100000",
    "", "''", "' '", "[]", "{}", "[1]", "[0.1,x]", "[[1],[2]]", "{a:1}", "{a:{b:[1,{c:null}]}}", "???", "'???'", "abc", "'ünïcödé ☃ 🦄'", "'\\u202e\\x1b[31m'",
    "'<script>alert(1)</script>'", "'../../../etc/passwd'", "/dev/null", "/dev/zero", "/proc/self/mem", "'a b'", "'x\\ny'", "${seed}", "${nothing}", "${data}",
    "${.}", "${oc.env:HOME}", "${oc.env:NO_SUCH}", "${oc.decode:'['}", "${oc.create:{a:1}}", "${oc.dict.keys:data}", "${now:%Y}", "${hydra:job.num}", "${{", "$",
    "{_target_: os.system}", "{_target_: builtins.eval, _args_: ['1']}", "os.system", "[", "}", "'", "a=b", "range(3)", "interval(0,1)", "choice(1,2)",
    "extend_list(1)", "cast(3)", "int(x)", "'%s%n'", "a,b", "easiedge.cli.main", "joint_information_gain", "sampled", "one_cycle", "cpu", "gpu", "1" * 400,
    "[" * 60 + "]" * 60, "'" + "x" * 5000 + "'", "resnet18", "error", "layerwise",
]  # fmt: skip
JUNK = [
    "=", "a", "+", "~", "~data", "~budget", "~seed", "++x.y.z=1", "+seed=1", "@", "data@x=digits", "+data@y=mnist", "x:y=1", "seed==1", "seed=1=2",
    "-c", "--cfg", "--config-dir=/tmp", "--experimental-rerun=x", "-m", "hydra=1", "hydra.searchpath=[/tmp]", "hydra.mode=SWEEP",
    "hydra.job_logging.handlers.console.class=os.system", "+hydra.callbacks.a._target_=os.system", "hydra/launcher=nothing", "resume=", "resume=nowhere",
    "resume=/dev/null", "=".join("x" * 50), "\x00=1", "seed=\x00", "ü=1", "experiment=../config", "data=../data/digits", "data=/etc/passwd", "model=[lenet,vgg16]",
    "+data={a:1}", "data.x=1", "+model.depth=1e9", "+trainer.options.devices=99", "+trainer.options.no_such=1", "+model._args_=[1]", "+model._recursive_=x",
    "model._partial_=false", "+data._partial_=true", "+data._convert_=nothing", "+schedule._partial_=true", "+recipe.extra._target_=os.system", "+logger.token=abc",
]  # fmt: skip

_value = st.one_of(
    st.sampled_from(ODD),
    st.integers().map(str),
    st.floats().map(repr),
    st.text(max_size=20),
    st.text(max_size=20).map(lambda t: "'" + t.replace("\\", "\\\\").replace("'", "\\'") + "'"),
)
_key = st.one_of(
    st.sampled_from([k for k in KEYS if k.split(".")[0] not in LATER]),
    st.sampled_from([*GROUPS, *sorted({k.rpartition(".")[0] for k in KEYS} - {""})]),
)
_option = st.sampled_from(
    [(g, o) for g, options in sorted(GROUPS.items()) for o in options if g not in {"sweep", "logger"}]
)
_override = st.one_of(
    st.builds("{}{}={}".format, st.sampled_from(["", "", "", "", "+", "++"]), _key, _value),
    _option.map("=".join),
    st.sampled_from(JUNK),
    st.builds("~{}".format, _key),
)
overrides = st.lists(_override, min_size=1, max_size=3)


@contextmanager
def stopped_before_work():
    """Within, a run ends where everything has been checked, as if by Ctrl-C; nothing is downloaded or measured."""

    def stop(*args, **options):
        raise KeyboardInterrupt

    def nothing_measured(*args, **options):
        raise EasiEdgeError("nothing is measured here")

    def no_network(*args, **options):
        raise OSError("no network here")

    with (
        mock.patch.object(pipeline, "train_dense", stop),
        mock.patch("easiedge.device.measured_table", nothing_measured),
        mock.patch.object(socket, "getaddrinfo", no_network),
        mock.patch.object(socket.socket, "connect", no_network),
    ):
        yield


def asked(request, directory, capture):
    """What is wrong with the answer to ``easiedge prune`` with the overrides in ``request``; None where it is as it should be."""
    before = set(Path().iterdir())
    with stopped_before_work():
        status = run(
            ["prune", "logger=none", "trainer=cpu", "trainer.progress=false", *request, f"hydra.run.dir={directory}"]
        )
    _, err = capture()
    lines = [line for line in err.splitlines() if line.startswith("easiedge:")]
    left = sorted(p.name for p in directory.rglob("*")) if directory.exists() else []
    shutil.rmtree(directory, ignore_errors=True)
    for path in set(Path().iterdir()) - before:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if status not in (ACCEPTED, REFUSED, 0):
        return f"status {status}: {lines[-1:] or err[-300:]}"
    if "Traceback" in err or (status == REFUSED and len(lines) != 1):
        return f"not one line: {err[-600:]}"
    if any(ord(c) < 32 and c != "\n" for c in "\n".join(lines)):
        return f"control characters: {lines}"
    if {"metrics.json", "layers.csv", "pruned", "finished.json"} & {*left}:
        return f"left {left}"
    return None
