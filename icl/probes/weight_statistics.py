"""Statistics of weight matrices: norms, spectrum, effective ranks, and a stability warning."""

import math
import re

import numpy as np
from jaxtyping import Float

# Eigenvalues of larger matrices take too long.
MAX_EIGENVALUES = 2048

# Edge of stability of a large random network of ReLU units: half of the variance of a unit's input
# passes the ReLU.
STABLE_RADIUS = math.sqrt(2)
# Factor of activity in a step: above the chance level of finite random networks on that edge.
TOLERATED_GROWTH = 1.1
GROWTH_STEPS = 100
GATED = ("gru", "lstm")


def measure_matrix(matrix: Float[np.ndarray, "fan_in out"]) -> dict[str, float | None]:
    """Statistics of a weight matrix.

    norm: Frobenius norm.
    spectral_norm: largest singular value.
    stable_rank: (norm / spectral_norm)^2.
    effective_rank: exp of the entropy of the singular values as shares of their sum (Roy and
        Vetterli 2007), from 1 to the size.
    spectral_radius: largest absolute eigenvalue; None if the matrix is not square or has more
        than MAX_EIGENVALUES rows.
    leading_eigenvalue: largest real part of an eigenvalue; None likewise.
    eigenvalue_rank: sum of absolute eigenvalues / (spectral radius * size), from 1 / size to 1:
        the effective rank of Liu et al. 2023; None likewise, and if all eigenvalues are 0.
    relu_growth: factor by which activity of ReLU units grows in a step without input, starting
        with all units equally active; 0 if activity dies out; None likewise. It is the spectral
        radius for weights that act together, such as excitation without inhibition, and about
        spectral radius / sqrt(2) for random weights.
    """
    matrix = np.asarray(matrix, np.float64)
    values = np.linalg.svd(matrix, compute_uv=False)
    norm = float(np.sqrt(np.sum(values**2)))
    measured: dict[str, float | None] = {
        "norm": norm,
        "spectral_norm": float(values[0]),
        "stable_rank": float(np.sum(values**2) / values[0] ** 2) if norm else 0.0,
        "effective_rank": _entropy_rank(values) if norm else 0.0,
        "spectral_radius": None,
        "leading_eigenvalue": None,
        "eigenvalue_rank": None,
        "relu_growth": None,
    }
    if matrix.shape[0] == matrix.shape[1] <= MAX_EIGENVALUES:
        eigenvalues = np.linalg.eigvals(matrix)
        sizes = np.abs(eigenvalues)
        measured["spectral_radius"] = float(sizes.max())
        measured["leading_eigenvalue"] = float(eigenvalues.real.max())
        if sizes.max() > 0:
            measured["eigenvalue_rank"] = float(sizes.sum() / (sizes.max() * len(sizes)))
        measured["relu_growth"] = _relu_growth(matrix)
    return measured


def stability_warning(kind: str, measured: dict[str, dict[str, float | None]]) -> str:
    """Warning, in one line, about unstable recurrent weights; empty if they are stable.

    kind: kind of network. In a feed-forward network activity passes each matrix only once. Gated
        units are bounded: their activity does not grow like that of ReLU units.
    measured: statistics of all weight matrices by name. The names show which are recurrent:
        matrices of recurrent mixers, with one part for each gate, and of task networks.
    """
    radii, factors = {}, {}
    for name, numbers in measured.items():
        radius = numbers.get("spectral_radius")
        if radius is None or not re.search(r"(^|/mixer/)recurrent(/|$)", name):
            continue
        growth = 0.0 if kind in GATED else numbers.get("relu_growth") or 0.0
        if radius > STABLE_RADIUS or growth > TOLERATED_GROWTH:
            radii[name], factors[name] = radius, max(radius, growth)
    if not radii or kind == "feed_forward":
        return ""
    name = max(factors, key=factors.__getitem__)
    others = f" ({len(radii)} such matrices)" if len(radii) > 1 else ""
    return (
        f"{name} begins with a spectral radius of {radii[name]:.3g}{others}: activity or gradients "
        f"may grow by up to about {factors[name]:.3g} times a step and training diverge; if it "
        f"does, lower connectivity gain, or set match: spectral_radius with a gain of at most 1"
    )


def _relu_growth(matrix: Float[np.ndarray, "unit unit"]) -> float:
    """Mean growth over the later half of the steps, without the transient."""
    activity, growth = np.full(len(matrix), 1 / math.sqrt(len(matrix))), []
    for _ in range(GROWTH_STEPS):
        activity = np.maximum(activity @ matrix, 0)
        size = float(np.linalg.norm(activity))
        if size == 0:
            return 0.0
        activity /= size
        growth.append(math.log(size))
    return math.exp(np.mean(growth[GROWTH_STEPS // 2 :]))


def _entropy_rank(values: Float[np.ndarray, " value"]) -> float:
    shares = values[values > 0] / values.sum()
    return float(np.exp(-np.sum(shares * np.log(shares))))
