"""Spectra of square weight matrices, beside those of Gaussian matrices of the same norm."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from icl.analysis.figures.formats import to_png
from icl.analysis.figures.style import apply_style
from icl.config.connectivity import (
    CellTypesConnectivity,
    Connectivity,
    DaleConnectivity,
    GaussianConnectivity,
    LogNormalConnectivity,
    MotifsConnectivity,
    OwnConnectivity,
)
from icl.models.initial.connectivity import connect, make_numbers
from icl.probes.weight_statistics import MAX_EIGENVALUES, measure_matrix

Matrix = Float[np.ndarray, "unit unit"]

OWN, BEYOND, REFERENCE = "#0072B2", "#D55E00", "0.35"
COLUMNS = 4
LIMIT = 1.8  # radii of the circle; eigenvalues beyond are marked on the edge
# What docs/figures/spectra.png shows; docs/networks.md has the command that makes it.
EXAMPLES: dict[str, Connectivity] = {
    "gaussian": GaussianConnectivity(match="norm"),
    "gaussian, rank 30": GaussianConnectivity(match="norm", rank=30),
    "dale": DaleConnectivity(match="norm"),
    "dale, not balanced": DaleConnectivity(match="norm", balanced=False),
    "cell_types": CellTypesConnectivity(match="norm"),
    "motifs, chain": MotifsConnectivity(match="norm", convergent=0.3, divergent=0.3, chain=0.25),
    "log_normal, sigma 2": LogNormalConnectivity(match="norm", sigma=2.0),
}


def draw_spectra(matrices: dict[str, Matrix]) -> bytes:
    """A PNG of the eigenvalues and singular values of some matrices, by name.

    The circle and the grey singular values are those of a large Gaussian matrix of the same norm.
    The radius of the circle, norm / sqrt(size), is the `gain` of an initializer, and axes are in
    proportion to it, or to 1 for a matrix of zeros.
    """
    figure = Figure(figsize=_size(len(matrices)), layout="constrained", dpi=110)
    pairs = _pairs(figure, len(matrices))
    for (above, below), (name, matrix) in zip(pairs, matrices.items(), strict=True):
        measured = measure_matrix(matrix)
        gain = measured["norm"] / math.sqrt(len(matrix))  # type: ignore[operator]
        _draw_eigenvalues(above, matrix, gain)
        _draw_singular_values(below, matrix, gain, measured["effective_rank"])
        above.set_title(name)
        for axes in (above, below):
            apply_style(axes)
    return to_png(figure)


def _size(count: int) -> tuple[float, float]:
    """The size of a figure of so many matrices, in inches."""
    if count == 1:
        return 6.2, 3.1
    return 2.0 * min(count, COLUMNS), 4.2 * math.ceil(count / COLUMNS)


def _pairs(figure: Figure, count: int) -> list[tuple[Any, Any]]:
    """The axes of both pictures of each matrix: below each other, or side by side for one."""
    if count == 1:
        return [tuple(figure.subplots(1, 2))]
    columns = min(count, COLUMNS)
    grid = figure.add_gridspec(2 * math.ceil(count / columns), columns)
    places = [(2 * (i // columns), i % columns) for i in range(count)]
    return [
        (figure.add_subplot(grid[row, column]), figure.add_subplot(grid[row + 1, column]))
        for row, column in places
    ]


def draw_examples(units: int = 300, seed: int = 0) -> bytes:
    """A PNG of the spectra of EXAMPLES, all with the norm of a Gaussian matrix."""
    return draw_spectra({name: make_matrix(own, units, seed) for name, own in EXAMPLES.items()})


def make_matrix(connectivity: OwnConnectivity, units: int, seed: int) -> Matrix:
    """A recurrent matrix with this initial connectivity."""
    by_name = {"recurrent": connectivity}
    own = {"recurrent": {"kernel": jnp.zeros((units, units))}}
    key = jax.random.key(seed, impl="threefry2x32")
    params = connect(key, own, {}, by_name, make_numbers(by_name))
    return np.asarray(params["recurrent"]["kernel"])


def gaussian_singular_values(size: int, gain: float) -> Float[np.ndarray, " value"]:
    """The singular values of a large Gaussian matrix of variance gain^2 / size, largest first.

    Quantiles of the quarter-circle law, sqrt(4 gain^2 - s^2) / (pi gain^2) from 0 to 2 gain: the
    distribution of Marchenko and Pastur (1967) for square matrices.
    """
    angles = np.linspace(0, np.pi / 2, 4096)  # s = 2 gain sin(angle)
    below = (2 * angles + np.sin(2 * angles)) / np.pi
    quantiles = (np.arange(size)[::-1] + 0.5) / size
    return 2 * gain * np.sin(np.interp(quantiles, below, angles))


def _draw_eigenvalues(axes: Any, matrix: Matrix, gain: float) -> None:
    angles = np.linspace(0, 2 * np.pi, 200)
    axes.plot(gain * np.cos(angles), gain * np.sin(angles), color=REFERENCE, linewidth=0.8)
    limit = LIMIT * (gain or 1.0)
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    axes.set(xlabel="real part", ylabel="imaginary part")
    if len(matrix) > MAX_EIGENVALUES:
        _note(axes, f"more than {MAX_EIGENVALUES:,}")
        return
    values = np.linalg.eigvals(np.asarray(matrix, np.float64))
    farthest = np.maximum(np.abs(values.real), np.abs(values.imag))
    inside = values[farthest <= limit]
    axes.plot(inside.real, inside.imag, ".", color=OWN, markersize=4, markeredgewidth=0)
    beyond = values[farthest > limit]
    if len(beyond):
        edge = beyond * limit / farthest[farthest > limit]
        axes.plot(edge.real, edge.imag, "D", color=BEYOND, markersize=4, clip_on=False)
        _note(axes, f"{len(beyond)} beyond, to {np.abs(beyond).max() / gain:.2g} radii")


def _draw_singular_values(axes: Any, matrix: Matrix, gain: float, rank: float | None) -> None:
    values = np.linalg.svd(np.asarray(matrix, np.float64), compute_uv=False)
    places = np.arange(1, len(values) + 1)
    expected = gaussian_singular_values(len(values), gain)
    unit = gain or 1.0
    # Limits come first: a logarithmic axis cannot fit itself to zeros alone.
    axes.set(xscale="log", yscale="log", ylim=(unit / 30, max(20 * unit, 1.5 * values[0])))
    axes.plot(places, expected, color=REFERENCE, linewidth=0.8)
    axes.plot(places, values, ".", color=OWN, markersize=4, markeredgewidth=0)
    axes.set_xlabel("number, largest first")
    axes.set_ylabel("singular value")
    _note(axes, f"effective rank {rank:.0f}")


def _note(axes: Any, text: str) -> None:
    place = {"ha": "right", "va": "top", "transform": axes.transAxes}
    axes.text(0.98, 0.99, text, fontsize=7, color="0.2", **place)
