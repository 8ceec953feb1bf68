"""Initializers of weight matrices, [fan_in, out]: a row holds the weights from one unit.

An initializer maps (key, the network's own matrix, its numbers) to a matrix. Drawn matrices have a
mean square of 1 / fan-in, except orthogonal ones and those made from files.
"""

from collections.abc import Callable

from jaxtyping import Array, Key

from icl.models.initial.cell_types import cell_types, dale
from icl.models.initial.independent import (
    Matrix,
    Numbers,
    block,
    gaussian,
    log_normal,
    orthogonal,
    own,
    sparse,
)
from icl.models.initial.motifs import motifs
from icl.models.initial.reference import aligned, from_file

INITIALIZERS: dict[str, Callable[[Key[Array, ""], Matrix, Numbers], Matrix]] = {
    "own": own,
    "gaussian": gaussian,
    "orthogonal": orthogonal,
    "log_normal": log_normal,
    "sparse": sparse,
    "block": block,
    "dale": dale,
    "cell_types": cell_types,
    "motifs": motifs,
    "file": from_file,
    "aligned": aligned,
}

__all__ = ["INITIALIZERS", "Matrix", "Numbers"]
