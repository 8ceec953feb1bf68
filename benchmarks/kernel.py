"""Speed of the tangent kernel of a recurrent matrix: python -m benchmarks.kernel.

The network and sizes are those of Liu et al. 2023: 300 ReLU units, 32 sequences of 8 steps with 3
outputs each. The kernel is 768 x 768 and a gradient has 90,000 numbers. The exact kernel from
errors and activities is timed in turns with a Python loop of one compiled backward pass for each
output and the product of all gradients. Figures are medians over the turns.
"""

import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from benchmarks.reporting import Figures, median, parser_of, show
from icl.cli.arguments import run_command
from icl.probes.factored_kernel import factored_kernel, recurrent_factors
from icl.probes.tangent_kernel import projected_kernel, projection_error, tangent_kernel

TURNS = 3
FAST_TURNS = 15  # repetitions in each turn, for methods that take milliseconds
UNITS, SEQUENCES, STEPS, INPUTS, OUTPUTS = 300, 32, 8, 3, 3
PROJECTIONS = 256

RNG = np.random.default_rng(0)


def _array(values: np.ndarray) -> Array:
    return jnp.asarray(values, jnp.float32)


RECURRENT = _array(1.25 * RNG.standard_normal((UNITS, UNITS)) / UNITS**0.5)
INPUT = _array(RNG.uniform(-1, 1, (INPUTS, UNITS)) / INPUTS**0.5)
READOUT = _array(RNG.uniform(-1, 1, (UNITS, OUTPUTS)) / UNITS**0.5)
DATA = _array(RNG.standard_normal((SEQUENCES, STEPS, INPUTS)))

Way = Callable[[Array], Array]


def main() -> int:
    show(measure(), parser_of("Measure the tangent kernel.").parse_args().json)
    return 0


def measure(turns: int = TURNS) -> Figures:
    """Speed-ups, milliseconds and errors of each method."""
    ways: dict[str, Way] = {
        "loop": loop,
        "factored": jax.jit(factored),
        "by gradients": jax.jit(lambda weights: tangent_kernel(outputs, weights, DATA)),
        "projected": jax.jit(
            lambda weights: projected_kernel(jax.random.key(0), outputs, weights, DATA, PROJECTIONS)
        ),
    }
    kernels = {name: np.asarray(way(RECURRENT)) for name, way in ways.items()}  # compiles
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(turns):
        for name, way in ways.items():
            repeats = FAST_TURNS if name == "factored" else 1
            times[name].append(median([_seconds(way, RECURRENT) for _ in range(repeats)]))
    seconds = {name: np.array(values) for name, values in times.items()}
    exact = kernels["loop"]
    return {
        "loop / factored": median(seconds["loop"] / seconds["factored"]),
        "loop / by gradients": median(seconds["loop"] / seconds["by gradients"]),
        **{f"ms, {name}": median(1e3 * values) for name, values in seconds.items()},
        "factored - loop, largest / largest entry": _difference(kernels["factored"], exact),
        "by gradients - loop, largest / largest entry": _difference(kernels["by gradients"], exact),
        f"{PROJECTIONS} projections, error": float(
            np.linalg.norm(kernels["projected"] - exact) / np.linalg.norm(exact)
        ),
        f"{PROJECTIONS} projections, error stated": float(
            projection_error(jnp.asarray(exact), PROJECTIONS)
        ),
    }


def loop(weights: Array) -> Array:
    """Kernel by one backward pass for each output, over all sequences at once."""
    ones = np.eye(SEQUENCES * STEPS * OUTPUTS, dtype=np.float32)
    rows = np.stack([np.asarray(_gradient(weights, one)).ravel() for one in ones])
    return jnp.matmul(rows, rows.T, precision="highest")


@jax.jit
def _gradient(weights: Array, one: Array) -> Array:
    """Gradient of the output that `one` marks."""

    def marked(weights: Array) -> Array:
        return jnp.vdot(jax.vmap(outputs, (None, 0))(weights, DATA).ravel(), one)

    return jax.grad(marked)(weights)


def factored(weights: Array) -> Array:
    return factored_kernel(
        lambda inputs: recurrent_factors(
            lambda h, x, added: (_step(weights, h, x, added), h),
            lambda h: h @ READOUT,
            jnp.zeros(UNITS),
            inputs,
            UNITS,
            num_skipped=1,
        ),
        DATA,
    )


def outputs(weights: Array, inputs: Array) -> Float[Array, "step output"]:
    """Outputs of one sequence."""

    def body(h: Array, x: Array) -> tuple[Array, Array]:
        h = _step(weights, h, x, jnp.zeros(UNITS))
        return h, h @ READOUT

    return jax.lax.scan(body, jnp.zeros(UNITS), inputs)[1]


def _step(weights: Array, h: Array, x: Array, added: Array) -> Array:
    return jax.nn.relu(x @ INPUT + h @ weights + added)


def _difference(kernel: np.ndarray, exact: np.ndarray) -> float:
    return float(np.abs(kernel - exact).max() / np.abs(exact).max())


def _seconds(way: Way, weights: Array) -> float:
    start = time.perf_counter()
    way(weights).block_until_ready()
    return time.perf_counter() - start


if __name__ == "__main__":
    run_command(main)
