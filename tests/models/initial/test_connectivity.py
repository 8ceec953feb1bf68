"""Initial connectivity: statistics of each initializer, on the matrices asked for and no others."""

import math
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pydantic import TypeAdapter

from icl.config.connectivity import Connectivity
from icl.config.networks import NETWORKS, Model
from icl.models.initial.connectivity import check, connect, make_numbers, truncate
from icl.models.initial.initializers import INITIALIZERS
from icl.models.matrices import matrices, with_matrices
from icl.models.network import make_network
from icl.probes.weight_statistics import measure_matrix, stability_warning

from ...messages import check_line, refused

SIZE = 240  # of the matrix whose statistics are measured
FUSED = {"qkv": ("query", "key", "value")}
# For initializers that read a file, which is among their numbers when they are compiled.
FILES = {kind: {"path": "matrix.npy"} for kind in ("file", "aligned")}


def parse(**initializers: dict[str, Any]) -> dict[str, Connectivity]:
    """Settings by pattern."""
    return TypeAdapter(dict[str, Connectivity]).validate_python(initializers)


def make_params() -> dict[str, Any]:
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> jax.Array:
        return jnp.asarray(rng.standard_normal(shape), jnp.float32)

    return {
        "block0": {
            "mixer": {"qkv": {"kernel": normal(6, 18), "bias": normal(18)}},
            "mlp_in": {"kernel": normal(6, 24)},
            "norm": {"scale": normal(6)},
        },
        "embedder": {"conv0": {"kernel": normal(3, 3, 2, 5)}, "qkv": {"kernel": normal(4, 6)}},
        "label_table": {"embedding": normal(7, 6)},
    }


@cache
def compiled(kind: str, match: str):
    """(key, the network's own matrix, numbers) to a matrix, for all numbers of an initializer."""

    @jax.jit
    def drawn(key: jax.Array, own: jax.Array, numbers: Any) -> jax.Array:
        initializers = parse(layer={"kind": kind, "match": match, **FILES.get(kind, {})})
        params = connect(key, {"layer": {"kernel": own}}, {}, initializers, numbers)
        return params["layer"]["kernel"]

    return drawn


def draw(kind: str, seed: int = 0, shape: tuple[int, int] = (SIZE, SIZE), **settings: Any):
    """One matrix by an initializer, the network's own being zeros."""
    initializers = parse(layer={"kind": kind, **settings})
    weights = compiled(kind, settings.get("match", "none"))(
        jax.random.key(seed), jnp.zeros(shape), make_numbers(initializers)
    )
    return np.asarray(weights, np.float64)


# Which matrices there are.


def test_matrices_are_kernels_and_tables_fused_ones_part_by_part():
    params = make_params()
    found = matrices(params, FUSED)
    assert {name: matrix.shape for name, matrix in found.items()} == {
        "block0/mixer/qkv/query": (6, 6),
        "block0/mixer/qkv/key": (6, 6),
        "block0/mixer/qkv/value": (6, 6),
        "block0/mlp_in": (6, 24),
        "embedder/conv0": (18, 5),
        "embedder/qkv": (4, 6),  # a layer of that name, but not a mixer's
        "label_table": (7, 6),
    }
    kernel = params["block0"]["mixer"]["qkv"]["kernel"]
    np.testing.assert_array_equal(found["block0/mixer/qkv/key"], kernel[:, 6:12])
    conv = params["embedder"]["conv0"]["kernel"]
    np.testing.assert_array_equal(found["embedder/conv0"][:, 3], conv[..., 3].ravel())


def test_replaced_matrices_are_found_again_and_all_else_stays():
    params = make_params()
    before = matrices(params, FUSED)
    changed = {name: -before[name] for name in ("block0/mixer/qkv/key", "embedder/conv0")}
    after_params = with_matrices(params, FUSED, changed)
    after = matrices(after_params, FUSED)
    assert after.keys() == before.keys()
    for name, matrix in after.items():
        np.testing.assert_array_equal(matrix, changed.get(name, before[name]))
    assert jax.tree.map(jnp.shape, after_params) == jax.tree.map(jnp.shape, params)
    old, new = params["block0"], after_params["block0"]
    np.testing.assert_array_equal(new["mixer"]["qkv"]["bias"], old["mixer"]["qkv"]["bias"])
    np.testing.assert_array_equal(new["norm"]["scale"], old["norm"]["scale"])


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_matrices_of_every_network_are_those_of_its_layers(kind: str):
    """Fused kernels fall into parts of one size, by the names that the mixer gives them."""
    config = TypeAdapter(Model).validate_python(
        {"kind": kind, "width": 16, "embedder": {"kind": "linear"}}
    )
    network = make_network(config, 7, np.ones((3, 4), np.float32), 3)
    params = jax.eval_shape(network.init, jax.random.key(0)).params
    found = jax.eval_shape(lambda p: matrices(p, network.fused), params)
    weights = [
        leaf.size
        for path, leaf in jax.tree_util.tree_leaves_with_path(params)
        if path[-1].key in ("kernel", "embedding") and leaf.ndim > 1
    ]
    assert sum(matrix.size for matrix in found.values()) == sum(weights)
    for layer, parts in network.fused.items():
        assert all(f"block1/mixer/{layer}/{part}" in found for part in parts)
        assert len({found[f"block1/mixer/{layer}/{part}"].shape for part in parts}) == 1


# What the initializers draw.


@pytest.mark.parametrize("gain", [0.5, 2.0])
@pytest.mark.parametrize("kind", ["gaussian", "log_normal", "sparse", "block"])
def test_drawn_weights_have_mean_zero_and_the_variance_gain_squared_over_fan_in(kind, gain):
    weights = draw(kind, shape=(SIZE, 2 * SIZE), gain=gain) * math.sqrt(SIZE) / gain
    # The fourth moment gives the error of the variance; five standard errors: 6 in 10^7.
    error = math.sqrt((np.mean(weights**4) - 1) / weights.size)
    assert abs(weights.mean()) < 5 / math.sqrt(weights.size)
    assert abs(np.mean(weights**2) - 1) < 5 * error


def test_gaussian_weights_are_normal_and_not_truncated():
    weights = draw("gaussian").ravel() * math.sqrt(SIZE)
    assert np.mean(weights**4) == pytest.approx(3, abs=5 * math.sqrt(96 / weights.size))
    assert np.abs(weights).max() > 3.5


@pytest.mark.parametrize("shape", [(40, 40), (40, 20), (20, 40)])
def test_orthogonal_matrices_keep_lengths_up_to_the_gain(shape):
    values = np.linalg.svd(draw("orthogonal", shape=shape, gain=3.0), compute_uv=False)
    np.testing.assert_allclose(values, 3, rtol=1e-5)


@pytest.mark.parametrize("sigma", [0.3, 1.5])
def test_logarithms_of_log_normal_weights_are_normal(sigma):
    weights = draw("log_normal", sigma=sigma).ravel()
    logs = np.log(np.abs(weights))
    assert logs.std() == pytest.approx(sigma, rel=5 / math.sqrt(2 * weights.size))
    assert abs(np.mean(weights > 0) - 0.5) < 5 * 0.5 / math.sqrt(weights.size)


@pytest.mark.parametrize("density", [0.05, 0.5, 1.0])
def test_sparse_weights_are_there_with_the_probability_asked_for(density):
    is_there = draw("sparse", density=density) != 0
    error = math.sqrt(density * (1 - density) / is_there.size)
    assert abs(is_there.mean() - density) <= 5 * error


@pytest.mark.parametrize("contrast", [0.0, 1.0, 5.0])
def test_blocks_are_larger_within_than_between_by_the_contrast(contrast):
    weights = draw("block", num_groups=3, contrast=contrast)
    group = np.arange(SIZE) // (SIZE // 3)
    within = group[:, None] == group
    ratio = weights[within].std() / weights[~within].std()
    assert ratio == pytest.approx(contrast, rel=5 * math.sqrt(1 / within.sum()), abs=1e-9)


@pytest.mark.parametrize("rank", [1, 3, 40])
def test_a_truncated_matrix_is_the_closest_of_its_rank_with_the_norm_kept(rank):
    matrix = np.random.default_rng(1).standard_normal((60, 40)).astype(np.float32)
    after = np.asarray(truncate(jnp.asarray(matrix), jnp.int32(rank)), np.float64)
    left, values, right = np.linalg.svd(matrix.astype(np.float64), full_matrices=False)
    closest = (left[:, :rank] * values[:rank]) @ right[:rank]
    closest *= np.linalg.norm(matrix) / np.linalg.norm(closest)
    np.testing.assert_allclose(after, closest, atol=1e-4)
    assert np.linalg.norm(after) == pytest.approx(np.linalg.norm(matrix), rel=1e-5)


def test_a_matrix_of_zeros_stays_one_at_any_rank():
    assert not np.asarray(truncate(jnp.zeros((6, 5)), jnp.int32(2))).any()


def test_gain_and_rank_come_last_whatever_the_initializer():
    plain, changed = draw("block"), draw("block", gain=2.0, rank=5)
    assert np.linalg.matrix_rank(changed, tol=1e-3) == 5
    assert np.linalg.norm(changed) == pytest.approx(2 * np.linalg.norm(plain), rel=1e-4)


# Where they are drawn.


def test_only_what_a_pattern_fits_changes_and_the_longest_pattern_counts():
    params = make_params()
    initializers = parse(
        **{
            "block*": {"kind": "own", "gain": 2.0},
            "block0/mixer/qkv/*": {"kind": "own", "gain": 3.0},
            "*/value": {"kind": "own", "gain": 5.0},
        }
    )
    after = connect(jax.random.key(0), params, FUSED, initializers, make_numbers(initializers))
    gains = {
        name: float((matrix / matrices(params, FUSED)[name]).mean())
        for name, matrix in matrices(after, FUSED).items()
    }
    assert gains == pytest.approx(
        {
            "block0/mixer/qkv/query": 3,
            "block0/mixer/qkv/key": 3,
            "block0/mixer/qkv/value": 3,
            "block0/mlp_in": 2,
            "embedder/conv0": 1,
            "embedder/qkv": 1,
            "label_table": 1,
        }
    )


def test_every_matrix_has_randomness_of_its_own_that_other_initializers_do_not_touch():
    params = make_params()
    initializers = parse(
        **{"block0/mixer*": {"kind": "gaussian"}, "label_table": {"kind": "gaussian"}}
    )

    def after(*patterns: str) -> dict[str, Any]:
        chosen = {pattern: initializers[pattern] for pattern in patterns}
        drawn = connect(jax.random.key(0), params, FUSED, chosen, make_numbers(chosen))
        return matrices(drawn, FUSED)

    both, one = after(*initializers), after("label_table")
    np.testing.assert_array_equal(both["label_table"], one["label_table"])
    query, key = (both[f"block0/mixer/qkv/{part}"].ravel() for part in ("query", "key"))
    assert (query != key).all()


# Two settings of each initializer that one program serves.
PAIRS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "own": ({"gain": 2.0}, {"gain": 3.0}),
    "gaussian": ({"rank": 2}, {"rank": 3}),
    "orthogonal": ({"gain": 2.0}, {"gain": 3.0}),
    "log_normal": ({"sigma": 0.5}, {"sigma": 1.0}),
    "sparse": ({"rank": 2}, {"gain": 4.0, "rank": 7, "density": 0.5}),
    "block": ({"num_groups": 2}, {"contrast": 3.0}),
    "dale": ({"fraction": 0.5, "balanced": False}, {"fraction": 0.7}),
    "cell_types": ({"sigma": 0.5}, {"sigma": 0.0, "fractions": [1.0] * 8}),
    "motifs": ({"density": 0.3}, {"convergent": 0.3, "centred": False}),
    "file": ({"gain": 2.0}, {"transposed": True}),
    "aligned": ({"alignment": 0.5, "rank": 2}, {"rank": 3}),
}


@pytest.fixture
def square_file(tmp_path: Path) -> Path:
    path = tmp_path / "square.npy"
    np.save(path, np.random.default_rng(3).standard_normal((9, 9)))
    return path


@pytest.mark.parametrize("kind", INITIALIZERS)
def test_numbers_are_traced_and_all_initializers_draw_the_same_again(kind, square_file):
    """One program for all numbers of an initializer."""
    own = jnp.asarray(np.random.default_rng(4).standard_normal((9, 9)), jnp.float32)
    path = {"path": str(square_file)} if kind in FILES else {}
    one, other = (
        make_numbers(parse(layer={"kind": kind, **path, **numbers})) for numbers in PAIRS[kind]
    )
    weights = compiled.__wrapped__(kind, "none")
    first, second, again = (weights(jax.random.key(0), own, n) for n in (one, other, one))
    assert weights._cache_size() == 1
    assert np.isfinite(first).all()
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize(
    ("initializers", "named"),
    [
        (
            {"block*/mixer/kqv": {"kind": "own"}},
            ["block*/mixer/kqv", "block*/mixer/qkv/key, block*/mixer/qkv/query"],
        ),
        (
            {"*": {"kind": "own", "rank": 5}, "block0*": {"kind": "gaussian"}},
            ["*.rank = 5", "4", "embedder/qkv"],
        ),
        ({"block0/mlp_in": {"kind": "own", "rank": 7}}, ["block0/mlp_in.rank = 7", "6"]),
        (
            {"block0/*": {"kind": "motifs"}},
            ["block0/*.kind = motifs", "block0/mlp_in", "6 x 24"],
        ),
        (
            {"label_table": {"kind": "own", "match": "leading_eigenvalue"}},
            ["label_table.match = leading_eigenvalue", "norm", "label_table", "7 x 6"],
        ),
    ],
    ids=["no matrix", "several", "one", "square kind", "square match"],
)
def test_what_cannot_be_is_refused(initializers, named):
    parsed = parse(**initializers)
    subject, *others = named
    with refused(f"connectivity.{subject}", *others):
        check(parsed, make_numbers(parsed), make_params(), FUSED)


# How they are measured.


def test_measures_of_known_matrices():
    rotation, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((6, 6)))
    measured = measure_matrix(2 * rotation)
    expected = {
        "norm": 2 * math.sqrt(6),
        "spectral_norm": 2,
        "stable_rank": 6,
        "effective_rank": 6,
        "spectral_radius": 2,
        "leading_eigenvalue": np.linalg.eigvals(2 * rotation).real.max(),
        "eigenvalue_rank": 1,
    }
    assert 0 <= measured.pop("relu_growth") < 2
    assert measured == pytest.approx(expected)
    diagonal = measure_matrix(np.diag([-3.0, 1.0, 0.0, 0.0]))
    shares = np.array([0.75, 0.25])
    assert diagonal == pytest.approx(
        {
            "norm": math.sqrt(10),
            "spectral_norm": 3,
            "stable_rank": 10 / 9,
            "effective_rank": math.exp(-np.sum(shares * np.log(shares))),
            "spectral_radius": 3,
            "leading_eigenvalue": 1,
            "eigenvalue_rank": 4 / 12,
            "relu_growth": 1,
        }
    )


@pytest.mark.parametrize("rank", [1, 5, 30])
def test_effective_ranks_fall_with_the_rank(rank):
    measured = measure_matrix(draw("gaussian", shape=(60, 60), rank=rank))
    for name in ("stable_rank", "effective_rank"):
        assert 1 <= measured[name] <= rank * 1.001
    assert measured["eigenvalue_rank"] * 60 <= rank * 1.01


def test_of_matrices_that_are_not_square_there_are_no_eigenvalues_and_zeros_have_no_rank():
    measured = measure_matrix(np.ones((3, 5)))
    assert measured["spectral_radius"] is None
    assert measured["leading_eigenvalue"] is None
    assert measured["eigenvalue_rank"] is None
    assert measured["effective_rank"] == pytest.approx(1, abs=1e-6)
    zeros = measure_matrix(np.zeros((4, 4)))
    assert zeros["norm"] == zeros["stable_rank"] == zeros["effective_rank"] == 0
    assert zeros["eigenvalue_rank"] is None


def test_a_warning_names_an_unstable_recurrent_matrix_in_one_line():
    def numbers(radius: float | None, growth: float = 0.9) -> dict[str, float | None]:
        return {"spectral_radius": radius, "relu_growth": growth}

    stable = {
        "block0/mixer/recurrent": numbers(1.3),
        "block0/mixer/input": numbers(9.0),
        "readout": numbers(None),
    }
    assert stability_warning("gru", stable) == ""
    line = stability_warning("gru", stable | {"block1/mixer/recurrent": numbers(3.217)})
    check_line(line, "block1/mixer/recurrent", "3.22")
    gates = {f"block0/mixer/recurrent/{gate}": numbers(2.0) for gate in ("reset", "update")}
    check_line(stability_warning("gru", gates), "block0/mixer/recurrent/reset", "2", "2")
    # Within sqrt(2), but of weights that act together.
    together = {"recurrent": numbers(1.2, growth=1.3)}
    check_line(stability_warning("rate", together), "recurrent", "1.2", "1.3")
    assert stability_warning("gru", together) == ""  # whose units are bounded
    assert stability_warning("feed_forward", {"recurrent": numbers(9.0)}) == ""


def test_growth_of_activity_is_that_of_relu_units():
    random = np.random.default_rng(0).standard_normal((300, 300)) / math.sqrt(300)
    assert measure_matrix(1.3 * random)["relu_growth"] == pytest.approx(1.3 / math.sqrt(2), rel=0.1)
    assert measure_matrix(np.abs(random) * 0.1)["relu_growth"] == pytest.approx(
        measure_matrix(np.abs(random) * 0.1)["spectral_radius"]
    )
    assert measure_matrix(-np.abs(random))["relu_growth"] == 0
    assert measure_matrix(np.ones((3, 4)))["relu_growth"] is None


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_ranks_do_not_depend_on_the_scale_and_sizes_are_proportional_to_it(scale: float):
    matrix = np.asarray(draw("gaussian", shape=(20, 20), rank=5), np.float32)
    plain, scaled = measure_matrix(matrix), measure_matrix(np.float32(scale) * matrix)
    for name, value in scaled.items():
        is_rank = name.endswith("rank")
        assert value == pytest.approx(plain[name] * (1 if is_rank else scale), rel=1e-5)
