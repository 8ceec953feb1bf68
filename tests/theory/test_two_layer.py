"""Two-layer linear networks: the flow against trained networks, formulas against the flow."""

import json
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from icl.analysis.figures.theory import draw_theory
from icl.theory.comparison import (
    FEATURE_STARTS,
    KAPPAS,
    compare,
    compare_rank,
    feature_covariance,
    feature_start,
)
from icl.theory.flow import aligned_start, flow, random_start, random_targets
from icl.theory.two_layer import (
    Weights,
    aligned_alignment,
    expected_alignment,
    kernel_alignment,
    kernel_matrix,
    participation_rank,
    small_start_alignment,
)

from ..messages import refused

DIM = 20
COVARIANCE = np.diag([3.0, 2.0, 1.0, 0.5])


def normal_start(rng: np.random.Generator, num: int, hidden: int, dim: int, scale: float):
    first, readout = rng.standard_normal((num, hidden, dim)), rng.standard_normal((num, hidden))
    return Weights(scale * first, scale * readout)


def inputs_of(covariance: np.ndarray | None, num: int, dim: int) -> np.ndarray:
    """A sample whose second moments are exactly the covariance."""
    rng = np.random.default_rng(5)
    white = np.linalg.qr(rng.standard_normal((num, dim)))[0] * np.sqrt(num)
    return white if covariance is None else white @ np.sqrt(covariance)


def simulated_alignment(start: Weights, targets: np.ndarray, covariance=None) -> np.ndarray:
    end = flow(start, targets, covariance)
    return kernel_alignment(kernel_matrix(end), kernel_matrix(start), covariance)


def network(weights, inputs):
    first, readout = weights
    return (inputs @ first.T) @ readout


def descend(start: Weights, inputs, labels, rate: float, num_steps: int):
    """Gradient descent on a sample, the gradient by differentiation of the network."""

    def loss(weights):
        return jnp.mean((labels - network(weights, inputs)) ** 2) / 2

    def step(weights, _):
        slope = jax.grad(loss)(weights)
        return jax.tree.map(lambda w, g: w - rate * g, weights, slope), None

    begin = (jnp.asarray(start.first[0]), jnp.asarray(start.readout[0]))
    return jax.jit(lambda: jax.lax.scan(step, begin, None, num_steps)[0])()


@pytest.mark.parametrize("covariance", [None, COVARIANCE], ids=["white", "anisotropic"])
def test_trained_networks_follow_the_flow_to_first_order_in_the_rate(covariance):
    rng = np.random.default_rng(0)
    start, targets = normal_start(rng, 1, 6, 4, 0.2), random_targets(rng, 1, 4)
    inputs = inputs_of(covariance, 32, 4)
    labels = inputs @ targets[0]
    time = 3.0  # half of the way: far from both ends
    exact = flow(start, targets, covariance, time=time)
    moved = np.abs(exact.first - start.first).max()
    gaps = []
    for num_steps in (150, 300):
        first, readout = descend(start, inputs, labels, time / num_steps, num_steps)
        ends = ((first, exact.first[0]), (readout, exact.readout[0]))
        gaps.append(max(float(np.abs(a - b).max()) for a, b in ends) / moved)
    assert gaps[1] < 0.01
    assert gaps[0] / gaps[1] == pytest.approx(2, abs=0.1)


def test_a_trained_network_ends_with_the_kernel_that_the_flow_ends_with():
    rng = np.random.default_rng(1)
    start, targets = random_start(rng, 1, 3, 8, norm=0.05), random_targets(rng, 1, 8)
    inputs = inputs_of(None, 64, 8)
    first, readout = descend(start, inputs, inputs @ targets[0], rate=0.01, num_steps=2500)
    trained = Weights(np.array([first], np.float64), np.array([readout], np.float64))
    before = kernel_matrix(start)
    alignment = kernel_alignment(kernel_matrix(trained), before)
    assert alignment == pytest.approx(simulated_alignment(start, targets), abs=2e-4)
    assert alignment == pytest.approx(small_start_alignment(before, targets), abs=2e-3)


@pytest.mark.parametrize("covariance", [None, COVARIANCE], ids=["white", "anisotropic"])
def test_kernels_and_alignments_are_those_of_the_jacobian_over_data(covariance):
    rng = np.random.default_rng(2)
    inputs = inputs_of(covariance, 32, 4)
    ends = [normal_start(rng, 1, 6, 4, 1.0) for _ in range(2)]
    kernels = []
    for weights in ends:
        parts = jax.jacobian(network)((weights.first[0], weights.readout[0]), inputs)
        jacobian = np.concatenate([np.reshape(part, (len(inputs), -1)) for part in parts], axis=1)
        kernels.append(jacobian @ jacobian.T)
    one, other = (kernel_matrix(weights) for weights in ends)
    np.testing.assert_allclose(kernels[0], inputs @ one[0] @ inputs.T, rtol=1e-3, atol=1e-3)
    a, b = kernels
    expected = np.sum(a * b) / (np.linalg.norm(a) * np.linalg.norm(b))
    assert kernel_alignment(one, other, covariance)[0] == pytest.approx(expected, abs=1e-5)


def test_the_flow_learns_the_target_and_keeps_the_balance_of_layers():
    rng = np.random.default_rng(3)
    start, targets = normal_start(rng, 70, 5, 4, 0.5), random_targets(rng, 70, 4)
    end = flow(start, targets, COVARIANCE)
    learnt = np.einsum("nh,nhi->ni", end.readout, end.first)
    np.testing.assert_allclose(learnt, targets, atol=2e-6)

    def balance(weights: Weights) -> np.ndarray:
        readouts = weights.readout[:, :, None] * weights.readout[:, None, :]
        return weights.first @ weights.first.swapaxes(1, 2) - readouts

    np.testing.assert_allclose(balance(end), balance(start), atol=1e-6)


def test_more_hidden_units_and_their_rotation_change_no_kernel():
    rng = np.random.default_rng(4)
    start, targets = random_start(rng, 3, 2, 6, norm=0.5), random_targets(rng, 3, 6)
    wide = np.linalg.qr(rng.standard_normal((9, 9)))[0][:, :2]
    larger = Weights(wide @ start.first, start.readout @ wide.T)
    ends = [kernel_matrix(flow(each, targets)) for each in (start, larger)]
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-6)


@pytest.mark.parametrize(
    ("rank", "num_draws"), [(1, 1000), (2, 1000), (5, 1000), (10, 300), (20, 50)]
)
def test_simulated_alignment_is_the_expected_one_to_one_percent(rank, num_draws):
    row = compare_rank(np.random.default_rng(rank), rank, DIM, num_draws)
    assert row["formula"] == (1 + 1 / DIM) * np.sqrt(rank) / np.sqrt(DIM + 3)
    print(
        f"\nrank {rank:2}: formula {row['formula']:.4f}, simulated {row['simulated']:.4f}", end=""
    )
    print(f" +- {row['stderr']:.4f}, largest gap in one draw {row['largest_gap']:.1e}")
    assert row["stderr"] < 0.0025 * row["formula"]
    assert row["simulated"] == pytest.approx(row["formula"], rel=0.01)
    assert row["largest_gap"] < 1e-5


def test_the_expected_alignment_holds_for_unequal_singular_values():
    rng = np.random.default_rng(6)
    first = np.diag([3.0, 1.0, 0.5, 0.0])[None]
    effective = participation_rank(first)
    assert effective[0] == pytest.approx((9 + 1 + 0.25) ** 2 / (81 + 1 + 0.0625))
    targets = random_targets(rng, 100_000, 4)
    kernels = np.broadcast_to(first.swapaxes(1, 2) @ first, (100_000, 4, 4))
    mean = small_start_alignment(kernels, targets).mean()
    assert mean == pytest.approx(expected_alignment(effective, 4)[0], rel=5e-3)


def test_theorem_1_no_start_is_lazier_than_one_of_full_rank():
    """The alignments of single targets have the mean that the theorem gives."""
    rng = np.random.default_rng(7)
    targets = random_targets(rng, 20_000, 6)

    def mean(first: np.ndarray) -> float:
        kernels = np.broadcast_to(first.T @ first, (len(targets), 6, 6))
        return float(small_start_alignment(kernels, targets).mean())

    full = mean(np.eye(6))
    starts = rng.standard_normal((20, 6, 6)) * rng.exponential(size=(20, 1, 6)) ** 2
    means = [mean(start) for start in starts]
    assert max(means) < full
    assert min(means) < 0.6 * full


@pytest.mark.parametrize("norm", [0.1, 1.0], ids=["small", "as large as the target"])
def test_theorem_1_alignment_grows_with_rank_at_a_fixed_norm(norm):
    rng = np.random.default_rng(8)
    means = []
    for rank in (1, 2, 5, 10, 20):
        start, targets = random_start(rng, 100, rank, DIM, norm), random_targets(rng, 100, DIM)
        np.testing.assert_allclose(np.linalg.norm(start.first, axis=(1, 2)), norm)
        assert np.linalg.matrix_rank(start.first[0]) == rank
        means.append(simulated_alignment(start, targets).mean())
    assert np.all(np.diff(means) > 0.05)


@pytest.mark.parametrize("scale", [1e-3, 0.5, 2.0])
def test_proposition_1_an_aligned_start_of_rank_1_keeps_its_kernel(scale):
    targets = random_targets(np.random.default_rng(9), 3, DIM)
    balanced = simulated_alignment(aligned_start(targets, scale, is_balanced=True), targets)
    np.testing.assert_allclose(balanced, 1, atol=1e-9)
    zero_readout = simulated_alignment(aligned_start(targets, scale, is_balanced=False), targets)
    np.testing.assert_allclose(zero_readout, aligned_alignment(scale, DIM), atol=1e-5)


def test_an_aligned_start_with_zero_readout_has_its_limits():
    assert aligned_alignment(1e-4, DIM) == pytest.approx(2 / np.sqrt(DIM + 3))
    assert aligned_alignment(30.0, DIM) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("name", FEATURE_STARTS)
@pytest.mark.parametrize("is_partial", [False, True], ids=["whole", "partial"])
def test_closed_forms_hold_for_anisotropic_features(name, is_partial):
    targets = random_targets(np.random.default_rng(10), 20, DIM)
    covariance = feature_covariance(2.0, DIM)
    start = feature_start(name, targets, is_partial)
    closed_form = small_start_alignment(kernel_matrix(start), targets, covariance)
    simulated = simulated_alignment(start, targets, covariance)
    np.testing.assert_allclose(simulated, closed_form, atol=1e-5)


def test_partial_alignment_is_worth_more_the_less_the_missing_features_vary():
    targets = random_targets(np.random.default_rng(11), 200, DIM)
    for name in FEATURE_STARTS:
        whole, partial = (kernel_matrix(feature_start(name, targets, p)) for p in (False, True))
        covariances = [feature_covariance(kappa, DIM) for kappa in (*KAPPAS, 30.0)]
        of_partial = [small_start_alignment(partial, targets, s).mean() for s in covariances]
        of_whole = [small_start_alignment(whole, targets, s).mean() for s in covariances]
        assert np.all(np.diff(of_partial) > 0), name
        assert of_partial[0] < of_whole[0], name
        if name != "balanced_rank_1":
            assert of_partial[-1] == pytest.approx(of_whole[-1], abs=1e-3), name


def test_a_balanced_start_aligned_with_half_of_the_features_has_its_limits():
    targets, half = random_targets(np.random.default_rng(14), 50, DIM), DIM // 2
    seen = np.sum(targets[:, :half] ** 2, axis=1)  # share of the target in the strong half
    start = kernel_matrix(feature_start("balanced_rank_1", targets, is_partial=True))
    of_white = small_start_alignment(start, targets)
    np.testing.assert_allclose(of_white, (DIM + 2 + seen) / (DIM + 3))
    of_strong = small_start_alignment(start, targets, feature_covariance(1e3, DIM))
    norms = np.sqrt((half + 3) * (half + 2 * seen + seen**2))
    np.testing.assert_allclose(of_strong, (half + 1 + 2 * seen) / norms, rtol=1e-5)
    whole = kernel_matrix(feature_start("balanced_rank_1", targets, is_partial=False))
    np.testing.assert_allclose(
        small_start_alignment(whole, targets, feature_covariance(3.0, DIM)), 1
    )


def test_the_basis_of_the_features_does_not_matter():
    rng = np.random.default_rng(12)
    turn = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    targets, covariance = random_targets(rng, 4, 6), feature_covariance(3.0, 6)
    start = kernel_matrix(feature_start("rank_1", targets, is_partial=True))
    plain = small_start_alignment(start, targets, covariance)
    turned = (turn @ start @ turn.T, targets @ turn.T, turn @ covariance @ turn.T)
    np.testing.assert_allclose(small_start_alignment(*turned), plain)


def test_mistakes_are_refused():
    rng = np.random.default_rng(13)
    with refused("rank = 5", "1", "4"):
        random_start(rng, 2, 5, 4, norm=1.0)
    nothing = Weights(np.zeros((1, 2, 4)), np.zeros((1, 2)))
    with refused("start", "200"):
        flow(nothing, random_targets(rng, 1, 4))


def test_the_comparison_is_repeatable():
    rows = [compare_rank(np.random.default_rng(3), 2, DIM, 10) for _ in range(2)]
    assert rows[0] == rows[1]


def test_the_comparison_is_json_and_can_be_drawn():
    report = compare(0, num_draws=2, num_feature_draws=2)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert max(row["largest_gap"] for row in report["features"]) < 1e-5
    assert len(report["features"]) == len(FEATURE_STARTS) * 2 * len(KAPPAS)
    assert draw_theory(report).startswith(b"\x89PNG")


@pytest.mark.parametrize("out", ["", "/dev/null/theory"])
def test_the_script_refuses_a_folder_that_cannot_be(script, tmp_path: Path, out: str):
    done = script("theory.py", "--out", out, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: --out = {out}: ")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_script_writes_numbers_and_figure(tmp_path: Path):
    path = Path(__file__).parents[2] / "scripts" / "theory.py"
    done = subprocess.run(
        [sys.executable, str(path)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs" / "theory"
    assert sorted(path.name for path in folder.iterdir()) == ["theory.json", "theory.png"]
    assert json.loads((folder / "theory.json").read_text())["num_draws"] == 1000
