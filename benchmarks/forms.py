"""Two forms of the same piece of work, to be timed in turns."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

REPEATS = 5  # within one compiled loop, so that the call itself does not count

Form = Callable[[Any], jax.Array]
Step = Callable[[Any], Any]  # from an argument to one like it
Work = Callable[[], object]


class Forms(NamedTuple):
    """own: the one in use."""

    other: Work
    own: Work


def trained(argument: Any, other: Form, own: Form) -> Forms:
    """Value and gradient of two functions of what is trained."""
    return repeated(argument, _descent(other), _descent(own))


def repeated(argument: Any, other: Step, own: Step) -> Forms:
    """Two functions, a few times each, from result to result."""
    return Forms(looped(argument, other), looped(argument, own))


def _descent(form: Form) -> Step:
    def loss(argument: Any) -> jax.Array:
        return jnp.sum(jnp.sin(form(argument)))

    # Each step depends on the one before, or all but one would be left out.
    return lambda argument: jax.tree.map(
        lambda a, g: a + 1e-6 * g, argument, jax.grad(loss)(argument)
    )


def looped(argument: Any, step: Step) -> Work:
    """One of them: where the two do not take the same argument."""
    work = jax.jit(lambda argument: lax.fori_loop(0, REPEATS, lambda _, a: step(a), argument))
    return lambda: jax.block_until_ready(work(argument))
