"""Save a weight matrix of a run: icl export-matrix RUN MATRIX [--step N] [--out FILE]."""

import argparse
from pathlib import Path

from icl.cli.arguments import check_folder, whole_number
from icl.errors import UserError


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Save a weight matrix of a run, for connectivity of kind file or aligned."
    )
    parser.add_argument("run", metavar="RUN", help="folder of a run, finished or not")
    parser.add_argument(
        "matrix", metavar="MATRIX", help="name, such as recurrent or block0/mixer/qkv/query"
    )
    parser.add_argument("--step", metavar="N", help="step of a checkpoint (default: the last)")
    parser.add_argument("--out", metavar="FILE", help="file to write (default: RUN/MATRIX-N.npy)")
    arguments = parser.parse_args()
    step = whole_number("step", arguments.step)
    if arguments.out is not None and not arguments.out.endswith(".npy"):
        raise UserError(f"--out = {arguments.out}; allowed: a file .npy")
    check_folder(str(Path(arguments.out).parent if arguments.out else Path(arguments.run)))
    # JAX takes seconds to load: check the arguments first.
    from icl.probes.weight_statistics import measure_matrix
    from icl.runs.restore import matrix_of, save_matrix

    step, matrix = matrix_of(arguments.run, arguments.matrix, step)
    name = f"{arguments.matrix.replace('/', '.')}-{step}.npy"
    out = Path(arguments.run, name) if arguments.out is None else Path(arguments.out)
    save_matrix(out, matrix)
    size, measured = " x ".join(map(str, matrix.shape)), measure_matrix(matrix)
    statistics = ", ".join(f"{key} {measured[key]:.3g}" for key in ("norm", "effective_rank"))
    print(f"{out}: {arguments.matrix} at step {step}, {size}, {statistics}")
    return 0
