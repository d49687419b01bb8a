"""Whether the card computes what the reference does, in some seconds; if not, all else is vain.

    python benches/smoke.py --json smoke.json

The net of the benches trains some steps, as before every measurement (proof.py): in CUDA graphs, in
the persistent kernel, and with products by tensor cores that keep float32's accuracy. It ends with
1 where the losses or weights are others.
"""

import argparse
import json
import os
import time

import engines
import images
import proof

from tinynet.saving.atomic import atomic_write

WAYS = {  # name -> variables of the environment
    "graphs": {},
    "persistent": {"TINYNET_PERSISTENT": "512"},
    "tf32x3": {"TINYNET_TF32X3": "512"},
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", required=True, metavar="FILE", help="write what was found here")
    path, rows, found = parser.parse_args().json, images.load("random"), {}
    os.environ.setdefault("TINYNET_DEVICE", "reference")  # the cpu may lack what it needs
    reference = engines.make("reference", *rows)
    for way, variables in WAYS.items():
        start = time.perf_counter()
        found[way] = agreement(rows, reference, variables)
        found[way]["seconds"] = time.perf_counter() - start
        print(f"{way}: {found[way]}", flush=True)
        with atomic_write(path) as file:
            file.write(json.dumps(found, indent=1).encode())
    return 0 if all(one["passed"] for one in found.values()) else 1


def agreement(rows, reference, variables):
    """The comparison with the reference in the first of proof.ORDERS in which they agree."""
    os.environ.update(variables)
    engine = engines.make("gpu", *rows)
    for order in proof.ORDERS:
        expected = proof.record(reference, order)
        found = proof.compare(proof.record(engine, order), expected, "gpu")
        if found["passed"]:
            break
    for name in variables:
        del os.environ[name]
    return found


if __name__ == "__main__":
    raise SystemExit(main())
