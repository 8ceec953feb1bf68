"""Two forms of the same computation, to be timed in turns."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

REPEATS = 5  # within one compiled loop, so that the call itself does not count

Form = Callable[[Any], jax.Array]
Step = Callable[[Any], Any]  # an argument -> one of the same form
Work = Callable[[], object]


class Forms(NamedTuple):
    """Two forms. own: the one in use."""

    other: Work
    own: Work


def trained(argument: Any, other: Form, own: Form) -> Forms:
    """Time value and gradient of two functions of trained weights."""
    return repeated(argument, _descent(other), _descent(own))


def repeated(argument: Any, other: Step, own: Step) -> Forms:
    """Time REPEATS applications of two functions, each to the last result."""
    return Forms(looped(argument, other), looped(argument, own))


def _descent(form: Form) -> Step:
    def loss(argument: Any) -> jax.Array:
        return jnp.sum(jnp.sin(form(argument)))

    # Each step depends on the one before; otherwise XLA would remove all but one.
    return lambda argument: jax.tree.map(
        lambda a, g: a + 1e-6 * g, argument, jax.grad(loss)(argument)
    )


def looped(argument: Any, step: Step) -> Work:
    """Time REPEATS steps of one form; for two forms that take different arguments."""
    work = jax.jit(lambda argument: lax.fori_loop(0, REPEATS, lambda _, a: step(a), argument))
    return lambda: jax.block_until_ready(work(argument))
