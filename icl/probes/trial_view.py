"""View of a network that learns a task over time, for probes.

Kernels are over all outputs in the loss, for the given trials: those of all steps, or of the last
step only.
"""

from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from icl.models.task_networks import TaskNetwork
from icl.probes.alignment import representation_gram
from icl.probes.factored_kernel import (
    Factors,
    factored_kernel,
    perturbed_factors,
    recurrent_factors,
)
from icl.probes.tangent_kernel import layer_kernels
from icl.probes.view import View
from icl.types import Trials, Variables

Params = dict[str, Any]
Inputs = Float[Array, "trial step channel"]


def trial_view(
    network: TaskNetwork,
    params: Params,
    initial: Params,
    trials: tuple[Trials, Trials],
    last_only: bool,
) -> View:
    """View of a network on one set of trials.

    trials: many trials, for hidden states of the last step, and few trials, for kernels.
    last_only: whether the loss uses the last step only.
    """
    many, few = trials
    last_only = last_only or network.as_steps(few.inputs).shape[1] == 1
    asked = few.targets[:, -1:] if last_only else few.targets
    now, before = Variables(params, {}), Variables(initial, {})

    def kernels_of(variables: Variables) -> dict[str, Array]:
        by_matrix = kernels(network, variables.params, few.inputs, last_only)
        total = reduce(jnp.add, by_matrix.values())
        return {"mixing": by_matrix.pop("recurrent"), **by_matrix, "all": total}

    return View(
        apply=network.apply,
        variables=now,
        initial=before,
        inputs=many,
        indices=None,
        twice=lambda look: (look(now), look(before)),
        mixing=lambda params: params["recurrent"],
        hidden=lambda variables: network.apply(variables.params, many.inputs)[1]["hidden"][:, -1],
        kernels=kernels_of,
        targets=jax.nn.one_hot(asked, params["readout"]["kernel"].shape[1]).ravel(),
    )


def kernels(
    network: TaskNetwork, params: Params, trials: Inputs, last_only: bool
) -> dict[str, Float[Array, "n n"]]:
    """Tangent kernel of each matrix, over outputs in the order (trial, step, output).

    last_only: whether outputs are of the last step only; also True for networks of one step.
    """
    steps = network.as_steps(trials)

    def outputs(kernel: Array, x: Array) -> Array:
        changed = params | {"input": {"kernel": kernel}}
        logits = network.apply(changed, x[None])[0][0]
        return logits[-1:] if last_only else logits

    hidden = network.apply(params, trials)[1]["hidden"]
    hidden = (hidden[:, -1:] if last_only else hidden).reshape(-1, hidden.shape[-1])
    num_outputs = params["readout"]["kernel"].shape[1]
    return {
        "input": layer_kernels(outputs, params["input"]["kernel"], trials),
        "recurrent": factored_kernel(
            lambda some: recurrent_kernel_factors(network, params, some, last_only), steps
        ),
        # The gradient of an output is the hidden state, in the output's column.
        "readout": jnp.kron(representation_gram(hidden), jnp.eye(num_outputs)),
    }


def recurrent_kernel_factors(
    network: TaskNetwork, params: Params, steps: Inputs, last_only: bool
) -> Factors:
    """Errors and activities of `recurrent`. steps: inputs of the network's steps."""
    num_products = steps.shape[1] - network.num_skipped
    width = params["recurrent"]["kernel"].shape[1]

    def read(state: Any) -> Array:
        return state[0] @ params["readout"]["kernel"]

    def step(state: Any, x: Array, added: Array) -> tuple[Any, Array]:
        return network.step(params, state, x, added)

    if not last_only:
        return recurrent_factors(step, read, network.state, steps, width, network.num_skipped)

    def last(added: Array, inputs: Array) -> tuple[Array, Array]:
        every = jnp.pad(added, ((network.num_skipped, 0), (0, 0)))
        state, activities = jax.lax.scan(
            lambda state, now: step(state, *now), network.state, (inputs, every)
        )
        return read(state), activities[network.num_skipped :]

    return perturbed_factors(last, steps, num_products, width)
