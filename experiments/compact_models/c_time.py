"""What pruning saves in C: nanoseconds an image on this machine, in turns, and instructions on emulated ARM (pip install 'easiedge[arm]').

    for m in nn1 nn2; do easiedge search model=$m data=breast_cancer search=joint_information_gain logger=none hydra.run.dir=$m; done
    for m in cnn1 cnn2; do easiedge search model=$m data=two_digits search=joint_information_gain logger=none hydra.run.dir=$m; done
    python experiments/compact_models/c_time.py nn1 nn2 cnn1 cnn2

Of each run: the dense network, the structure that was found, what TQ left of it, and that in fixed point.  Writes results/c_time.json.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

import easiedge
from easiedge.deploy.c.compiler import compiler_version, host_compiler
from easiedge.deploy.export.c_format import macro
from easiedge.run_directory import run_data

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))
from arm import AARCH64, ARM1176, Emulated
from c_program import write_c

TURNS, IMAGES = 15, 4
MAIN = """
#include "{name}.h"
#include <stdint.h>
#include <stdio.h>
#include <time.h>
int main(void)
{{
    static {number} image[{upper}_INPUTS], logits[{upper}_CLASSES];
    struct timespec begin, end;
    for (int i = 0; i < {upper}_INPUTS; i++) image[i] = ({number})((i * 7919 % 13 - 6) {scale});
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    for (int k = 0; k < {count}; k++) {{
        {name}_run(image, logits);
        image[k % {upper}_INPUTS] = image[(k + 1) % {upper}_INPUTS];
    }}
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    printf("%.3f\\n", ((double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec)) / {count});
    return 0;
}}
"""
VARIANTS = (
    ("dense", "dense", False),
    ("structured", "structured", False),
    ("tq", "pruned", False),
    ("fixed", "pruned", True),
)


def timed(source, fixed, count=20000):
    """A program that says how long an image takes."""
    name = source.stem
    main = source.with_name(f"{name}_time.c")
    number, scale = ("int32_t", "* 8192") if fixed else ("float", "* 0.125f")
    main.write_text(MAIN.format(name=name, upper=name.upper(), number=number, scale=scale, count=count))
    made = source.with_name(f"{name}_time")
    command = [*host_compiler(), "-O3", "-std=gnu99", "-march=native", main.name, source.name, "-lm", "-o", made.name]
    subprocess.run(command, cwd=source.parent, check=True)
    return made


def measure(run, folder):
    data = run_data(run)
    x = torch.cat([x for x, _ in data.test_dataloader()])[:IMAGES]
    rows, programs = {}, {}
    for name, where, fixed in VARIANTS:
        network = easiedge.load(run / where)
        source = write_c(network, x, folder, f"{run.name}_{name}", fixed=fixed)
        header, upper = source.with_suffix(".h"), source.stem.upper()
        with torch.no_grad():
            wanted = network(x)
        row = {
            "bytes": macro(header, f"{upper}_WEIGHT_BYTES"),
            "activation_bytes": macro(header, f"{upper}_ACTIVATION_BYTES"),
        }
        for processor in (ARM1176, AARCH64):
            runs = [Emulated(source, processor, folder, fixed).run(image) for image in x]
            assert all(int(r.logits.argmax()) == int(w.argmax()) for r, w in zip(runs, wanted, strict=True))
            row[processor.name.split()[0]] = runs[0].instructions
        programs[name] = timed(source, fixed)
        rows[name] = row
    found = {name: [] for name in programs}
    for _ in range(TURNS):
        for name, program in programs.items():
            found[name].append(float(subprocess.run([program], capture_output=True, check=True, text=True).stdout))
    for name, values in found.items():
        rows[name]["ns"] = statistics.median(values)
        rows[name]["ns_spread"] = [min(values), max(values)]
    return rows


if __name__ == "__main__":
    result = {"compiler": compiler_version(host_compiler()), "turns": TURNS, "runs": {}}
    for run in map(Path, sys.argv[1:]):
        metrics = json.loads((run / "metrics.json").read_text())
        with tempfile.TemporaryDirectory() as folder:
            rows = measure(run, Path(folder))
        result["runs"][run.name] = {
            "data": metrics["data"], "search": metrics["method"], "dense": metrics["dense"], "structured": metrics["search"]["structured"],
            "tq": metrics["search"]["tq"], "c": rows,
        }  # fmt: skip
        print(
            run.name,
            {
                name: {k: round(v, 1) if not isinstance(v, list) else v for k, v in row.items()}
                for name, row in rows.items()
            },
        )
    (HERE / "results" / "c_time.json").write_text(json.dumps(result, indent=1) + "\n")
