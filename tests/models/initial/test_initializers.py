"""Initializers with structure: cells, motifs, files, aligned matrices; what `match` makes equal."""

import math
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from icl.config.grid import load_sweep
from icl.config.yaml import load_config
from icl.models.initial.cell_types import keep_signs, unit_signs
from icl.models.initial.connectivity import check, make_numbers, truncate
from icl.models.initial.matching import match_gaussian, spectral_abscissa, spectral_radius
from icl.models.initial.reference import aligned
from icl.probes.weight_statistics import measure_matrix

from ...conftest import QUICKSTART
from ...messages import refused
from .test_connectivity import SIZE, draw, parse

# Cells and connections.


@pytest.mark.parametrize(
    ("kind", "num_out"),
    [("dale", 2 * SIZE), ("cell_types", 2 * SIZE), ("motifs", SIZE)],
)
def test_structured_initializers_have_the_mean_square_of_the_others(kind, num_out):
    drawn = [draw(kind, seed, (SIZE, num_out), gain=2.0) for seed in range(3)]
    assert np.mean(np.square(drawn)) * SIZE / 4 == pytest.approx(1, abs=0.06)


STRUCTURES: dict[str, dict[str, Any]] = {
    "dale": {"kind": "dale"},
    "unbalanced": {"kind": "dale", "balanced": False},
    "cell_types": {"kind": "cell_types"},
    "convergent": {"kind": "motifs", "convergent": 0.3},
    "divergent": {"kind": "motifs", "divergent": 0.3},
    "reciprocal": {"kind": "motifs", "reciprocal": 0.6},
    "chain": {"kind": "motifs", "convergent": 0.3, "divergent": 0.3, "chain": 0.25},
}


@pytest.mark.parametrize("numbers", STRUCTURES.values(), ids=STRUCTURES)
def test_structure_lowers_the_effective_rank(numbers):
    """Liu et al. 2023: by their definition, below that of a gaussian matrix of the same norm."""
    shape = (64, 64)
    plain = measure_matrix(draw("gaussian", shape=shape))
    structured = measure_matrix(draw(**numbers, shape=shape, match="norm"))
    assert structured["norm"] == pytest.approx(math.sqrt(64), rel=1e-5)
    assert structured["eigenvalue_rank"] < 0.95 * plain["eigenvalue_rank"]
    if "reciprocal" not in numbers:  # symmetry concerns eigenvalues alone
        assert structured["effective_rank"] < 0.95 * plain["effective_rank"]


@pytest.mark.slow
def test_structures_that_are_compared_are_of_lower_rank_than_the_control():
    """Ranks are lower by one of both definitions, at the size and the strengths of the grid."""
    cells = load_sweep(QUICKSTART.parent / "liu2023" / "structures.yaml").config.cells
    initializers = [
        {name: value for name, value in cell["connectivity.recurrent"].items() if name != "kept"}
        for cell in cells
    ]
    plain, *structured = [
        measure_matrix(draw(**initializer, shape=(300, 300))) for initializer in initializers
    ]
    assert len(structured) == 9
    for measured in structured:
        assert (
            measured["eigenvalue_rank"] < 0.95 * plain["eigenvalue_rank"]
            or measured["effective_rank"] < 0.99 * plain["effective_rank"]
        )


@pytest.mark.parametrize("balanced", [True, False])
def test_all_weights_from_a_unit_have_one_sign_by_dales_law(balanced):
    weights = draw("dale", shape=(SIZE, 2 * SIZE), fraction=0.75, balanced=balanced)
    signs = np.asarray(unit_signs(SIZE, jnp.float32(0.75)))
    assert (signs == np.where(np.arange(SIZE) < 0.75 * SIZE, 1, -1)).all()
    assert (weights * signs[:, None] > 0).all()
    sums = weights.sum(0)
    # Three of four units excite: without balance inputs add up to half of their sizes.
    excess = 0 if balanced else np.abs(weights).sum(0).mean() / 2
    assert sums.mean() == pytest.approx(excess, abs=5 * sums.std() / math.sqrt(2 * SIZE))


@pytest.mark.parametrize("fraction", [0.01, 0.99])
def test_both_kinds_of_units_are_there_however_few_there_are(fraction):
    assert set(np.sign(draw("dale", shape=(2, 4), fraction=fraction))[:, 0]) == {-1, 1}
    assert np.isfinite(draw("dale", shape=(1, 4), fraction=fraction)).all()


def test_signs_are_kept_by_putting_weights_that_left_theirs_at_zero():
    weights = jnp.array([[-0.5, 3.0, 4.0], [-0.5, -3.0, 4.0]])
    units = keep_signs(weights, jnp.array([[1.0], [-1.0]]))
    np.testing.assert_array_equal(units, [[0, 3, 4], [-0.5, -3, 0]])
    single = keep_signs(weights, jnp.array([[1.0, -2.0, 0.0], [1.0, 0.0, 0.0]]))
    np.testing.assert_array_equal(single, [[0, 0, 4], [0, -3, 4]])


def test_connections_of_cell_types_follow_their_tables():
    probabilities, strengths = [[0.1, 0.8], [0.5, 0.25]], [[1.0, 2.0], [-4.0, -1.0]]
    tables = {"probabilities": probabilities, "strengths": strengths}
    weights = draw("cell_types", fractions=[3, 1], sigma=0.2, **tables)
    types = (np.arange(SIZE) >= 3 * SIZE // 4).astype(int)
    means = np.zeros((2, 2))
    for pair in np.ndindex(2, 2):
        block = weights[types == pair[0]][:, types == pair[1]]
        there = block[block != 0]
        p, strength = probabilities[pair[0]][pair[1]], strengths[pair[0]][pair[1]]
        assert len(there) / block.size == pytest.approx(p, abs=5 * math.sqrt(p / block.size))
        assert set(np.sign(there)) == {np.sign(strength)}
        logs = np.log(np.abs(there))
        assert logs.std() == pytest.approx(0.2, rel=5 / math.sqrt(2 * len(logs)))
        means[pair] = logs.mean() - math.log(abs(strength))
    assert np.ptp(means) < 0.03


def test_the_default_cell_types_are_those_of_a_cortical_column():
    column = parse(layer={"kind": "cell_types"})["layer"]
    # Potjans and Diesmann 2014: four of five neurons excite; table 5, from 5i to 5e and back.
    assert sum(column.fractions[::2]) == pytest.approx(0.80, abs=0.005)
    assert (column.probabilities[5][4], column.probabilities[4][5]) == (0.3726, 0.06)
    assert column.strengths[2][0] == 2 * column.strengths[0][0] == -column.strengths[1][0] / 2
    # All their connections, 0.3 in 10^9 but for multiple ones.
    counts = np.array(column.fractions) * 77169
    assert counts @ np.array(column.probabilities) @ counts == pytest.approx(0.3e9, rel=0.1)


MOTIFS = {
    "none": {},
    "reciprocal": {"reciprocal": 0.6},
    "convergent": {"convergent": 0.4},
    "divergent": {"divergent": 0.4},
    "chain": {"chain": 0.25, "convergent": 0.3, "divergent": 0.3, "reciprocal": 0.5},
    "few chains": {"chain": -0.25, "convergent": 0.3, "divergent": 0.3, "reciprocal": -0.5},
}


def frequencies(is_there: np.ndarray) -> dict[str, float]:
    """How often both connections of a pair are there, of all pairs of different units."""
    a = is_there.astype(float)
    np.fill_diagonal(a, 0)
    size, out, into = len(a), a.sum(1), a.sum(0)
    reciprocal = np.sum(a * a.T)
    three = size * (size - 1) * (size - 2)
    return {
        "reciprocal": reciprocal / (size * (size - 1)),
        "convergent": np.sum(into * (into - 1)) / three,
        "divergent": np.sum(out * (out - 1)) / three,
        "chain": (np.sum(into * out) - reciprocal) / three,
    }


@pytest.mark.parametrize("numbers", MOTIFS.values(), ids=MOTIFS)
def test_motifs_are_as_frequent_as_their_correlations_say(numbers):
    """Two normal variables above a threshold, by scipy's distribution of two."""
    density = 0.2
    drawn = [draw("motifs", seed, density=density, **numbers) > 0 for seed in range(8)]
    found = [frequencies(matrix) for matrix in drawn]
    for name in found[0]:
        rho = numbers.get(name, 0.0)
        both = multivariate_normal.cdf([norm.ppf(density)] * 2, cov=[[1, rho], [rho, 1]])
        values = [each[name] for each in found]
        # All pairs of a matrix share its units: matrices are the independent samples.
        error = np.std(values, ddof=1) / math.sqrt(len(values)) + 2e-4
        assert np.mean(values) == pytest.approx(both, abs=5 * error), name


def test_motifs_are_centred_or_all_excite():
    centred, plain = draw("motifs", density=0.3), draw("motifs", density=0.3, centred=False)
    assert len(np.unique(centred)) == len(np.unique(plain)) == 2
    assert plain.min() == 0
    np.testing.assert_array_equal(centred > 0, plain > 0)
    # A mean adds one large eigenvalue; without it there is none.
    radii = [np.abs(np.linalg.eigvals(matrix)).max() for matrix in (centred, plain)]
    assert radii[0] == pytest.approx(1, abs=0.15)
    assert radii[1] == pytest.approx(math.sqrt(0.3 * SIZE), rel=0.05)


# Files, and what is aligned with them.


def test_a_matrix_from_a_file_is_taken_as_it_is_in_either_direction(tmp_path):
    matrix = np.random.default_rng(3).standard_normal((40, 40)).astype(np.float32)
    np.save(tmp_path / "from_to.npy", matrix)
    np.savetxt(tmp_path / "to_from.csv", matrix.T, delimiter=",")
    for name, transposed in (("from_to.npy", False), ("to_from.csv", True)):
        path = str(tmp_path / name)
        drawn = draw("file", shape=(40, 40), path=path, transposed=transposed, gain=2.0)
        np.testing.assert_allclose(drawn, 2 * matrix, rtol=1e-6)


@pytest.mark.parametrize("alignment", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("rank", [1, 10])
def test_aligned_matrices_have_the_cosine_asked_for(tmp_path, rank, alignment):
    shape = (30, 50)
    reference = np.random.default_rng(3).standard_normal(shape).astype(np.float32)
    path = str(tmp_path / "reference.npy")
    np.save(path, reference.T)
    wanted = np.asarray(truncate(jnp.asarray(reference), jnp.int32(rank)))
    numbers = {"rank": rank, "alignment": alignment, "gain": 1.5, "transposed": True}
    cosines = []
    for seed in range(8):
        drawn = draw("aligned", seed, shape, path=path, **numbers)
        assert np.linalg.matrix_rank(drawn, tol=1e-3) == rank
        assert np.linalg.norm(drawn) == pytest.approx(1.5 * math.sqrt(shape[1]), rel=1e-4)
        cosines.append(np.sum(drawn * wanted) / np.linalg.norm(drawn) / np.linalg.norm(wanted))
    error = np.std(cosines, ddof=1) / math.sqrt(len(cosines)) + 1e-4
    assert np.mean(cosines) == pytest.approx(alignment, abs=5 * error)


# What they are matched in.


@pytest.mark.parametrize(
    ("match", "numbers"),
    [
        ("norm", {"kind": "dale", "balanced": False}),
        ("spectral_radius", {"kind": "gaussian", "rank": 30}),
        ("leading_eigenvalue", {"kind": "gaussian", "rank": 30}),
    ],
)
def test_matched_matrices_have_the_size_of_a_gaussian_one_of_the_same_gain(match, numbers):
    plain = draw(**numbers, shape=(60, 60), gain=1.5)
    drawn = draw(**numbers, shape=(60, 60), gain=1.5, match=match)
    directions = [matrix / np.linalg.norm(matrix) for matrix in (drawn, plain)]
    np.testing.assert_allclose(*directions, atol=1e-5)
    eigenvalues = np.linalg.eigvals(drawn)
    found = {
        "norm": np.linalg.norm(drawn) / math.sqrt(60),
        "spectral_radius": np.abs(eigenvalues).max(),
        "leading_eigenvalue": eigenvalues.real.max(),
    }
    assert found[match] == pytest.approx(1.5, rel=2e-3)


compiled_radius, compiled_abscissa = jax.jit(spectral_radius), jax.jit(spectral_abscissa)
matched = jax.jit(match_gaussian, static_argnames="match")
NORMAL = np.random.default_rng(5).standard_normal((30, 30))
MATRICES = {
    "normal": NORMAL,
    "rotation": np.linalg.qr(NORMAL)[0],
    "positive": np.abs(NORMAL),
    "shifted": NORMAL - 20 * np.eye(30),
    "tiny": 1e-12 * NORMAL,
    "huge": 1e12 * NORMAL,
}


@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES)
def test_spectra_by_products_are_those_of_eigenvalues(matrix):
    eigenvalues = np.linalg.eigvals(matrix)
    radius, abscissa = np.abs(eigenvalues).max(), eigenvalues.real.max()
    assert float(compiled_radius(jnp.float32(matrix))) == pytest.approx(radius, rel=1e-3)
    found = float(compiled_abscissa(jnp.float32(matrix)))
    assert found == pytest.approx(abscissa, abs=1e-3 * radius)


@pytest.mark.parametrize(
    ("matrix", "match"),
    [
        (np.triu(np.ones((30, 30)), 1), "spectral_radius"),
        (np.triu(np.ones((30, 30)), 1), "leading_eigenvalue"),
        (-np.ones((30, 30)), "leading_eigenvalue"),
        (np.zeros((30, 30)), "norm"),
        (np.zeros((30, 30)), "leading_eigenvalue"),
    ],
    ids=["nilpotent", "nilpotent", "negative", "zeros", "zeros"],
)
def test_what_has_nothing_to_match_stays_as_it_is(matrix, match):
    found = matched(jnp.float32(matrix), match=match, gain=jnp.float32(2.0))
    np.testing.assert_array_equal(found, matrix)


# What cannot be.

# By the name of the file, its content and what the line names after it.
FILES: dict[str, tuple[Any, list[str]]] = {
    "wide.npy": (np.ones((3, 4)), ["3 x 4"]),
    "flat.npy": (np.ones(9), ["9"]),
    "nan.npy": (np.full((2, 2), np.nan), ["4", "4"]),
    "infinite.csv": ("1,inf\n0,1\n", ["1", "4"]),
    "complex.npy": (np.ones((2, 2), complex), ["complex128"]),
    "words.csv": ("a,b\nc,d\n", ["ValueError"]),
    "objects.npy": (np.array([[{}]], dtype=object), ["ValueError"]),
    "cut.npy": ("\x93NUMPY", ["ValueError"]),
    "absent.npy": (None, ["FileNotFoundError"]),
    "matrix.txt": ("1", [".npy or .csv"]),
    "small.npy": (np.ones((2, 2)), ["2 x 2", "3 x 3", "layer"]),
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_hold_no_such_matrix_are_refused_by_what_they_hold(tmp_path: Path, name):
    path, (content, found) = tmp_path / name, FILES[name]
    if isinstance(content, str):
        path.write_text(content)
    elif content is not None:
        np.save(path, content, allow_pickle=True)
    initializers = parse(layer={"kind": "file", "path": str(path)})
    with refused(f"connectivity.layer.path = {path}", *found):
        check(initializers, make_numbers(initializers), {"layer": {"kernel": np.zeros((3, 3))}}, {})


@pytest.mark.parametrize(
    ("initializer", "named"),
    [
        ("{kind: dale, fraction: 0.0}", ["fraction = 0.0", "1e-30", "0.9999999"]),
        ("{kind: dale, fraction: 1.0}", ["fraction = 1.0", "1e-30", "0.9999999"]),
        ("{kind: dale, gain: 0.0}", ["gain = 0.0", "1e-30", "1000000"]),
        ("{kind: gaussian, gain: -1.0}", ["gain = -1.0", "1e-30"]),
        ("{kind: own, rank: 0}", ["rank = 0", "1", "null"]),
        ("{kind: own, match: size}", ["match = size", "none, norm, spectral_radius"]),
        (
            "{kind: motifs, chain: 0.2, convergent: 0.1, divergent: 0.1}",
            ["chain = 0.2", "sqrt(convergent * divergent) = 0.1"],
        ),
        (
            "{kind: motifs, convergent: 0.6, divergent: 0.5}",
            ["convergent + divergent = 1.1", "1"],
        ),
        (
            "{kind: motifs, reciprocal: 0.9, convergent: 0.3}",
            ["reciprocal = 0.9", "-0.7", "0.7", "2 chain"],
        ),
        (
            "{kind: cell_types, fractions: [1, 1], strengths: [[1, 1], [1, 1]]}",
            ["probabilities", "8, 8, 8, 8, 8, 8, 8, 8", "2 x 2"],
        ),
        (
            "{kind: cell_types, fractions: [1], probabilities: [[0.5]], strengths: [[0]]}",
            ["strengths = 0", "probabilities"],
        ),
        ("{kind: block, num_groups: 1, contrast: 0}", ["contrast = 0", "num_groups", "1", "0"]),
        ("{kind: cell_types, fractions: [-1]}", ["fractions.0 = -1", "1e-30"]),
        ("{kind: aligned}", ["path"]),
        ("{kind: aligned, path: a.npy, alignment: 1.5}", ["alignment = 1.5", "0", "1"]),
    ],
)
def test_settings_that_cannot_be_are_refused_with_their_bounds(initializer, named):
    subject, *others = named
    with refused(f"connectivity.block*/mlp_in.{subject}", *others):
        load_config("configs/quickstart.yaml", [f"connectivity={{'block*/mlp_in': {initializer}}}"])


@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1e18, 1e30])
def test_matrices_are_matched_and_truncated_at_any_scale(scale: float):
    """Squares of these entries overflow float32, or vanish."""
    matrix = jax.random.normal(jax.random.key(0), (12, 12))
    scaled, ratio = jnp.float32(scale) * matrix, np.float32(scale)
    for match in ("norm", "spectral_radius", "leading_eigenvalue"):
        expected = matched(matrix, match=match, gain=jnp.float32(1.5))
        found = matched(scaled, match=match, gain=jnp.float32(1.5))
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
    shorten = jax.jit(truncate)
    np.testing.assert_allclose(
        np.asarray(shorten(scaled, jnp.int32(3))) / ratio,
        shorten(matrix, jnp.int32(3)),
        rtol=1e-3,
        atol=1e-5,
    )
    own = jnp.zeros((12, 12))
    numbers = {"matrix": matrix, "alignment": jnp.float32(0.5)}
    np.testing.assert_allclose(
        aligned(jax.random.key(1), own, numbers | {"matrix": scaled}),
        aligned(jax.random.key(1), own, numbers),
        atol=1e-4,
    )
