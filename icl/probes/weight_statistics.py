"""What a weight matrix is like: its size, its spectrum, and how many directions it has."""

import math
import re

import numpy as np
from jaxtyping import Float

# Above this size eigenvalues take longer than they are worth.
MAX_EIGENVALUES = 2048

# Where a large random network of ReLU units is on the edge: half of the variance of what a unit
# receives passes the ReLU.
STABLE_RADIUS = math.sqrt(2)
# Of activity, a step: more than what a finite random network on that edge has by chance.
TOLERATED_GROWTH = 1.1
GROWTH_STEPS = 100
GATED = ("gru", "lstm")


def measure_matrix(matrix: Float[np.ndarray, "fan_in out"]) -> dict[str, float | None]:
    """Numbers that say what a matrix begins as.

    norm: Frobenius.
    spectral_norm: the largest singular value.
    stable_rank: (norm / spectral_norm)^2.
    effective_rank: exp of the entropy of the singular values as shares of their sum (Roy and
        Vetterli 2007): from 1 to the size.
    spectral_radius: the largest absolute eigenvalue; None where the matrix is not square (or
        too large).
    leading_eigenvalue: the largest real part of an eigenvalue; None likewise.
    eigenvalue_rank: sum of absolute eigenvalues / (spectral radius * size), from 1 / size to 1:
        the effective rank of Liu et al. 2023; None likewise, and where all eigenvalues are 0.
    relu_growth: the factor by which activity of ReLU units grows in a step without input, from all
        units equally active; 0 where it dies out; None likewise. Weights that act together, as of
        excitation without inhibition, grow by the spectral radius, random ones by about
        spectral radius / sqrt(2).
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
    """One line that says what to expect of recurrent weights; empty where they are stable.

    kind: of the network. In one that is feed-forward activity passes each matrix but once; gated
    units are bounded, and their activity does not grow as that of ReLU units.
    measured: the numbers of all weight matrices by name. Recurrent ones, by name, are those of
    recurrent mixers, with one part for each gate, and of networks for tasks.
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
    """Mean over the later half of some steps, after what dies out at once."""
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
