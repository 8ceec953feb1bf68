"""The tangent kernel of f(x) = w2 W1 x, and how far learning turns it, in closed form.

Inputs x have mean 0 and covariance S (the identity where none is given); the target is y = w.x.
The kernel is K(x, x') = x' M x with M = W1' W1 + |w2|^2 I, where ' transposes and I is the
identity. Its properties are therefore those of M, a matrix of the size of the input.
docs/theory.md has the derivations.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

Targets = Float[np.ndarray, "draw input"]
Kernels = Float[np.ndarray, "draw input input"]
Covariance = Float[np.ndarray, "input input"]
ByDraw = Float[np.ndarray, " draw"]


class Weights(NamedTuple):
    """Weights W1 and w2 of many networks."""

    first: Float[np.ndarray, "draw hidden input"]
    readout: Float[np.ndarray, "draw hidden"]


def kernel_matrix(weights: Weights) -> Kernels:
    """M, the sum of the kernels of the readout (W1' W1) and of the first layer (|w2|^2 I)."""
    of_readout = weights.first.swapaxes(1, 2) @ weights.first
    of_first = np.sum(weights.readout**2, axis=1)
    return of_readout + of_first[:, None, None] * np.eye(weights.first.shape[2])


def kernel_alignment(a: Kernels, b: Kernels, covariance: Covariance | None = None) -> ByDraw:
    """<Ka, Kb> / (|Ka| |Kb|) over endless inputs: 1 where learning keeps the kernel's shape.

    With inputs X of covariance S, <X A X', X B X'> is proportional to trace(S A S B).
    """
    if covariance is not None:
        a, b = covariance @ a, covariance @ b
    return _inner(a, b) / np.sqrt(_inner(a, a) * _inner(b, b))


def small_start_alignment(
    start: Kernels, targets: Targets, covariance: Covariance | None = None
) -> ByDraw:
    """Alignment of the initial with the final kernel, in the limit of small initial weights.

    The final weights are then balanced and of rank 1: M = |w| (I + b b') with b = w / |w|, whatever
    the covariance. For white inputs this is (trace M0 + b' M0 b) / (sqrt(d + 3) |M0|).

    start: M0, up to a factor.
    targets: none may be 0.
    """
    return kernel_alignment(_balanced_kernel(targets), start, covariance)


def expected_alignment(rank: ByDraw, input_dim: int) -> ByDraw:
    """Mean of `small_start_alignment` over random targets, for white inputs and w2 = 0.

    It is (1 + 1/d) sqrt(r) / sqrt(d + 3), exactly, for r equal singular values of W1, and for any
    others with r = `participation_rank`. It is therefore largest for full rank and equal singular
    values (Theorem 1 of Liu et al. 2023).
    """
    return (1 + 1 / input_dim) * np.sqrt(rank) / np.sqrt(input_dim + 3)


def participation_rank(first: Float[np.ndarray, "draw hidden input"]) -> ByDraw:
    """(Sum of squared singular values)^2 / (sum of their fourth powers): from 1 to the rank."""
    squares = np.linalg.svd(first, compute_uv=False) ** 2
    return squares.sum(axis=1) ** 2 / np.sum(squares**2, axis=1)


def aligned_alignment(scale: float, input_dim: int) -> float:
    """Kernel alignment from W1 = scale u b', w2 = 0, aligned with a target of norm 1; white inputs.

    The weights end at W1 = p u b', w2 = q u with p q = 1 and p^2 - q^2 = scale^2. The alignment
    tends to 2 / sqrt(d + 3) for a small scale and to 1 for a large one. From balanced weights,
    w2 = scale u, it is 1 at every scale (Proposition 1 of Liu et al. 2023).
    """
    q_squared = np.sqrt(1 + scale**4 / 4) - scale**2 / 2
    trace = q_squared + 1 / q_squared
    return float(trace / np.sqrt(trace**2 + (input_dim - 1) * q_squared**2))


def _balanced_kernel(targets: Targets) -> Kernels:
    units = targets / np.linalg.norm(targets, axis=1, keepdims=True)
    return np.eye(targets.shape[1]) + units[:, :, None] * units[:, None, :]


def _inner(a: Kernels, b: Kernels) -> ByDraw:
    """trace(A B)."""
    return np.einsum("nij,nji->n", a, b)
