"""Comparison of simulated gradient flow with the formulas, by rank and by anisotropy."""

from typing import Any

import numpy as np
from jaxtyping import Float

from icl.theory.flow import aligned_start, flow, random_start, random_targets
from icl.theory.two_layer import (
    ByDraw,
    Covariance,
    Targets,
    Weights,
    aligned_alignment,
    expected_alignment,
    kernel_alignment,
    kernel_matrix,
    small_start_alignment,
)

INPUT_DIM = 20
RANKS = (1, 2, 3, 5, 7, 10, 14, 20)
SMALL = 1e-3  # norm of the initial weights; alignments are then within 1e-6 of their limit
KAPPAS = (1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0)
FEATURE_STARTS = ("features", "rank_1", "balanced_rank_1")


def compare(seed: int, num_draws: int = 1000, num_feature_draws: int = 50) -> dict[str, Any]:
    """Compute what scripts/theory.py shows: `ranks`, `aligned` and `features`, lists of rows.

    A row has `formula`; `closed_form` and `simulated`, means over draws; `stderr` and `std` of the
    simulated values; and `largest_gap`, the largest difference of the two in any draw.
    """
    of_ranks, of_features = np.random.default_rng(seed).spawn(2)
    return {
        "input_dim": INPUT_DIM,
        "scale": SMALL,
        "num_draws": num_draws,
        "num_feature_draws": num_feature_draws,
        "ranks": [compare_rank(of_ranks, rank, INPUT_DIM, num_draws) for rank in RANKS],
        "aligned": [compare_aligned(of_ranks, balanced, INPUT_DIM) for balanced in (False, True)],
        "features": compare_features(of_features, INPUT_DIM, num_feature_draws),
    }


def compare_rank(
    rng: np.random.Generator, rank: int, input_dim: int, num_draws: int
) -> dict[str, Any]:
    """Compare random targets and initial weights of a rank with w2 = 0, for white inputs."""
    targets = random_targets(rng, num_draws, input_dim)
    start = random_start(rng, num_draws, rank, input_dim, SMALL)
    formula = float(expected_alignment(np.array([float(rank)]), input_dim)[0])
    return {"rank": rank, "formula": formula} | _row(start, targets, None)


def compare_aligned(
    rng: np.random.Generator, is_balanced: bool, input_dim: int, num_draws: int = 10
) -> dict[str, Any]:
    """Compare initial weights of rank 1 aligned with the target, for white inputs."""
    targets = random_targets(rng, num_draws, input_dim)
    formula = 1.0 if is_balanced else aligned_alignment(SMALL, input_dim)
    start = aligned_start(targets, SMALL, is_balanced)
    return {"is_balanced": is_balanced, "formula": formula} | _row(start, targets, None)


def compare_features(
    rng: np.random.Generator, input_dim: int, num_draws: int
) -> list[dict[str, Any]]:
    """Compare anisotropic inputs x = F z, for initial weights that see all of F or its strong half.

    Targets are the same at every kappa, so that curves are smooth.
    """
    targets = random_targets(rng, num_draws, input_dim)
    rows: list[dict[str, Any]] = []
    for name in FEATURE_STARTS:
        for is_partial in (False, True):
            start = feature_start(name, targets, is_partial)
            for kappa in KAPPAS:
                what = {"start": name, "is_partial": is_partial, "kappa": kappa}
                rows.append(what | _row(start, targets, feature_covariance(kappa, input_dim)))
    return rows


def feature_covariance(kappa: float, input_dim: int) -> Covariance:
    """The covariance F F' of a matrix F with half its singular values kappa and the others 1.

    It is in the basis of F's singular vectors, as nothing else here has a preferred direction.
    """
    return np.diag(_halves(kappa, 1.0, input_dim) ** 2)


def feature_start(name: str, targets: Targets, is_partial: bool) -> Weights:
    """Small initial weights of networks that read x = F z, made for F or for its truncation.

    name: features: W1 F = F, or its truncation to rank d / 2; w2 = 0.
        rank_1: W1 F = u w' F, or u w' times the truncation; w2 = 0.
        balanced_rank_1: the same with w2 = |W1| u.
    """
    num_draws, input_dim = targets.shape
    seen = _halves(1.0, 0.0, input_dim) if is_partial else np.ones(input_dim)
    if name != "features":
        return aligned_start(targets * seen, SMALL, name == "balanced_rank_1")
    first = np.diag(seen) * SMALL / np.sqrt(seen.sum())
    return Weights(np.tile(first, (num_draws, 1, 1)), np.zeros((num_draws, input_dim)))


def to_table(report: dict[str, Any]) -> list[str]:
    """Format the report as lines, with simulation beside formula."""
    lines = [f"{'start':45} formula  simulated ± standard error"]
    for row in report["ranks"]:
        lines.append(_line(f"rank {row['rank']}, any direction, w2 = 0", row, row["formula"]))
    for row in report["aligned"]:
        what = "balanced w2" if row["is_balanced"] else "w2 = 0"
        lines.append(_line(f"rank 1, aligned with the target, {what}", row, row["formula"]))
    gap = max(row["largest_gap"] for rows in _lists(report) for row in rows)
    return [*lines, f"largest difference of a simulation from its own closed form: {gap:.1e}"]


def _lists(report: dict[str, Any]) -> list[list[dict[str, Any]]]:
    return [report[name] for name in ("ranks", "aligned", "features")]


def _line(what: str, row: dict[str, Any], formula: float) -> str:
    return f"{what:45} {formula:.4f}   {row['simulated']:.4f} ± {row['stderr']:.4f}"


def _halves(upper: float, lower: float, size: int) -> Float[np.ndarray, " input"]:
    return np.where(np.arange(size) < size / 2, upper, lower)


def _row(start: Weights, targets: Targets, covariance: Covariance | None) -> dict[str, Any]:
    before = kernel_matrix(start)
    after = kernel_matrix(flow(start, targets, covariance))
    simulated = kernel_alignment(after, before, covariance)
    closed_form: ByDraw = small_start_alignment(before, targets, covariance)
    return {
        "closed_form": float(closed_form.mean()),
        "simulated": float(simulated.mean()),
        "std": float(simulated.std()),
        "stderr": float(simulated.std() / np.sqrt(len(simulated))),
        "largest_gap": float(np.abs(simulated - closed_form).max()),
    }
