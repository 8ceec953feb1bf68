"""Spectra of weight matrices: what they are drawn beside, and what is drawn."""

import io
import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from icl.analysis.figures import spectra
from icl.analysis.figures.spectra import (
    EXAMPLES,
    LIMIT,
    draw_spectra,
    gaussian_singular_values,
    make_matrix,
)

UNITS = 40


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Figures that are drawn, in place of their PNGs."""
    drawn: list[Figure] = []

    def keep(figure: Figure) -> bytes:
        drawn.append(figure)
        return b""

    monkeypatch.setattr(spectra, "to_png", keep)
    return drawn


@pytest.mark.parametrize("gain", [0.5, 1.25])
def test_gaussian_singular_values_are_those_of_a_large_matrix(gain: float):
    size = 600
    matrix = gain * np.random.default_rng(0).standard_normal((size, size)) / size**0.5
    drawn = np.linalg.svd(matrix, compute_uv=False)
    expected = gaussian_singular_values(size, gain)
    np.testing.assert_allclose(drawn, expected, atol=0.02 * gain)
    assert np.all(np.diff(expected) < 0)
    # The mean square is the variance times the size.
    assert np.mean(expected**2) == pytest.approx(gain**2, rel=1e-3)


@pytest.mark.parametrize("name", ["gaussian, rank 30", "dale, not balanced"])
def test_initializers_begin_with_the_norm_of_a_gaussian_matrix(name: str):
    matrix = make_matrix(EXAMPLES[name], UNITS, 0)
    assert np.linalg.norm(matrix) == pytest.approx(UNITS**0.5, rel=1e-4)
    rank = np.linalg.matrix_rank(matrix, tol=1e-3)
    assert rank == (30 if "rank" in name else UNITS)


def test_eigenvalues_and_singular_values_are_where_they_belong(figures: list[Figure]):
    values = np.linspace(-1, 1, UNITS)
    values *= (UNITS / np.sum(values**2)) ** 0.5  # of gain 1
    draw_spectra({"diagonal": np.diag(values)})
    left, right = figures[0].axes
    circle, inside, *_ = left.lines
    np.testing.assert_allclose(np.hypot(*circle.get_data()), 1, atol=1e-12)
    within = values[np.abs(values) <= LIMIT]
    np.testing.assert_allclose(np.sort(inside.get_xdata()), within, atol=1e-12)
    assert not np.any(inside.get_ydata())
    expected, own = right.lines
    np.testing.assert_allclose(own.get_ydata(), np.sort(np.abs(values))[::-1])
    np.testing.assert_allclose(expected.get_ydata(), gaussian_singular_values(UNITS, 1.0))


def test_eigenvalues_beyond_are_on_the_edge_and_counted(figures: list[Figure]):
    matrix = np.ones((UNITS, UNITS))  # norm 40, gain 40 / sqrt(40); an eigenvalue of 40
    draw_spectra({"ones": matrix})
    left, _ = figures[0].axes
    edge = left.lines[2]
    np.testing.assert_allclose(edge.get_xdata(), [LIMIT * UNITS**0.5])
    assert [text.get_text() for text in left.texts] == ["1 beyond, to 6.3 radii"]


def test_a_matrix_of_zeros_is_drawn_without_warnings(monkeypatch: pytest.MonkeyPatch):
    figures: list[Figure] = []
    to_png = spectra.to_png
    monkeypatch.setattr(spectra, "to_png", lambda figure: figures.append(figure) or to_png(figure))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_spectra({"zeros": np.zeros((UNITS, UNITS)), "of rank 1": np.ones((UNITS, UNITS))})
    left, right = figures[0].axes[:2]
    assert left.get_xlim() == left.get_ylim() == (-LIMIT, LIMIT)
    assert right.get_ylim() == pytest.approx((1 / 30, 20))
    circle, inside = left.lines
    assert not np.any(circle.get_data())
    assert len(inside.get_xdata()) == UNITS
    assert [text.get_text() for text in right.texts] == ["effective rank 0"]


@pytest.mark.parametrize(("count", "rows", "columns"), [(1, 1, 2), (3, 2, 3), (5, 4, 4)])
def test_each_matrix_has_two_pictures(count: int, rows: int, columns: int, figures: list[Figure]):
    draw_spectra({f"matrix {i}": np.eye(4) for i in range(count)})
    (figure,) = figures
    assert len(figure.axes) == 2 * count
    grid = figure.axes[0].get_gridspec()
    assert (grid.nrows, grid.ncols) == (rows, columns)
    assert [axes.get_title() for axes in figure.axes[::2]] == [f"matrix {i}" for i in range(count)]


def test_too_large_a_matrix_has_no_eigenvalues(
    figures: list[Figure], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(spectra, "MAX_EIGENVALUES", 3)
    draw_spectra({"large": np.eye(4)})
    left, right = figures[0].axes
    assert len(left.lines) == 1
    assert len(right.lines) == 2


def test_a_picture_is_a_png():
    image = Image.open(io.BytesIO(draw_spectra({"one": np.eye(4)})))
    assert image.format == "PNG"
    assert np.asarray(image).std() > 0
