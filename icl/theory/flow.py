"""Exact gradient flow of f(x) = w2 W1 x for many networks at once, and its initial weights."""

import numpy as np
from jaxtyping import Float
from scipy.integrate import solve_ivp

from icl.errors import UserError
from icl.theory.two_layer import Covariance, Targets, Weights

# Number of weights in one system of equations, small enough for a cache. With more weights, a
# solver's sums are divided among threads that wait for one another.
BLOCK = 8000
RELATIVE, ABSOLUTE = 1e-9, 1e-12  # error of a step, far below the tolerance that stops a flow
PATIENCE = 200.0  # time constants; weights of 1e-6 take some 15 to grow, and as many to converge

State = Float[np.ndarray, " weight"]


def flow(
    start: Weights,
    targets: Targets,
    covariance: Covariance | None = None,
    time: float | None = None,
    tolerance: float = 1e-6,
) -> Weights:
    """Follow the gradient of (w - W1' w2)' S (w - W1' w2) / 2, the loss over endless inputs.

        dW1/dt = w2 e'    dw2/dt = W1 e    e = S (w - W1' w2)

    time: when to stop; None: once |w - W1' w2| <= tolerance |w| in every network.

    Raises UserError if a network never reaches the tolerance, as from weights that are all 0.
    """
    ends = []
    num = max(1, BLOCK // (start.first[0].size + start.readout[0].size))
    for first in range(0, len(targets), num):
        block = slice(first, first + num)
        part = Weights(start.first[block], start.readout[block])
        ends.append(_flow_block(part, targets[block], covariance, time, tolerance))
    return Weights(*(np.concatenate(parts) for parts in zip(*ends, strict=True)))


def random_targets(rng: np.random.Generator, num: int, input_dim: int) -> Targets:
    """Targets of norm 1 and random direction."""
    targets = rng.standard_normal((num, input_dim))
    return targets / np.linalg.norm(targets, axis=1, keepdims=True)


def random_start(
    rng: np.random.Generator, num: int, rank: int, input_dim: int, norm: float
) -> Weights:
    """W1 of a rank and Frobenius norm, with equal singular values and random row space; w2 = 0.

    There are as many hidden units as the rank. Adding units, or mixing them by a rotation, changes
    neither the function nor the kernel along the flow.
    """
    if not 1 <= rank <= input_dim:
        raise UserError(f"rank = {rank}; allowed: a whole number from 1 to {input_dim}, the inputs")
    basis, _ = np.linalg.qr(rng.standard_normal((num, input_dim, rank)))
    return Weights(basis.swapaxes(1, 2) * norm / np.sqrt(rank), np.zeros((num, rank)))


def aligned_start(targets: Targets, scale: float, is_balanced: bool) -> Weights:
    """W1 = scale u b' of rank 1 with b = w / |w|, and w2 = scale u if balanced, else 0."""
    units = targets / np.linalg.norm(targets, axis=1, keepdims=True)
    readout = np.full((len(targets), 1), scale if is_balanced else 0.0)
    return Weights(scale * units[:, None, :], readout)


def _flow_block(
    start: Weights,
    targets: Targets,
    covariance: Covariance | None,
    time: float | None,
    tolerance: float,
) -> Weights:
    norms = np.linalg.norm(targets, axis=1)

    def velocity(_: float, state: State) -> State:
        weights = _unpack(state, start)
        error = targets - _function(weights)
        if covariance is not None:
            error = error @ covariance
        of_first = weights.readout[:, :, None] * error[:, None, :]
        of_readout = (weights.first @ error[:, :, None])[:, :, 0]
        return np.concatenate([of_first.ravel(), of_readout.ravel()])

    def excess(_: float, state: State) -> float:
        error = targets - _function(_unpack(state, start))
        return float(np.max(np.linalg.norm(error, axis=1) / norms)) - tolerance

    excess.terminal = True  # type: ignore[attr-defined]
    state = np.concatenate([start.first.ravel(), start.readout.ravel()])
    if time is None and excess(0.0, state) <= 0:
        return start
    end = _patience(norms, covariance) if time is None else time
    solved = solve_ivp(
        velocity,
        (0.0, end),
        state,
        method="DOP853",
        t_eval=(end,),
        events=excess if time is None else None,
        rtol=RELATIVE,
        atol=ABSOLUTE,
    )
    if time is not None:
        return _unpack(solved.y[:, -1], start)
    if not len(solved.y_events[0]):
        raise UserError(
            f"start: the target is not learnt by time {end:.3g}; allowed: a start that is no "
            "saddle point (a nonzero readout, or a first layer that sees the target)"
        )
    return _unpack(solved.y_events[0][-1], start)


def _unpack(state: State, like: Weights) -> Weights:
    first, readout = np.split(state, [like.first.size])
    return Weights(first.reshape(like.first.shape), readout.reshape(like.readout.shape))


def _function(weights: Weights) -> Targets:
    """W1' w2, the function of the network as a vector."""
    return (weights.readout[:, None, :] @ weights.first)[:, 0]


def _patience(norms: Float[np.ndarray, " draw"], covariance: Covariance | None) -> float:
    """PATIENCE times the slowest time constant, 1 / (|w| * least variance)."""
    least = 1.0 if covariance is None else float(np.linalg.eigvalsh(covariance)[0])
    return PATIENCE / (float(norms.min()) * least)
