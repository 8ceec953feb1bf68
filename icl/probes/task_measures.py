"""How rich or lazy the learning of a task has been: measures of a network now and at its start.

Names of measures are those of the records. Kernels are of all outputs that the loss asks for, over
the trials given: all steps, or the last one alone.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from icl.models.task_networks import TaskNetwork
from icl.probes.alignment import (
    kernel_alignment,
    kernel_target_alignment,
    participation_ratio,
    representation_alignment,
    representation_gram,
    sign_similarity,
    weight_change_norm,
)
from icl.probes.factored_kernel import (
    Factors,
    factored_kernel,
    perturbed_factors,
    recurrent_factors,
)
from icl.probes.kernel import layer_kernels

Params = dict[str, Any]
Inputs = Float[Array, "trial step channel"]


def measure_task(
    network: TaskNetwork,
    params: Params,
    initial: Params,
    trials: Inputs,
    few_trials: Float[Array, "few step channel"],
    targets: Int[Array, "few step"],
    last_only: bool,
) -> dict[str, Float[Array, ""]]:
    """All measures of Liu et al. 2023, and what their reviewers asked for.

    trials: for representations, hidden states of the last step. few_trials: for kernels, with
    their targets at each step.
    last_only: whether the loss asks for the last step alone.
    """
    last_only = last_only or network.as_steps(few_trials).shape[1] == 1
    hidden, hidden_before = (
        network.apply(p, trials)[1]["hidden"][:, -1] for p in (params, initial)
    )
    now, before = (kernels(network, p, few_trials, last_only) for p in (params, initial))
    outputs = params["readout"]["kernel"].shape[1]
    alignments = kernel_alignment(
        now | {"all": sum(now.values())}, before | {"all": sum(before.values())}
    )
    asked = targets[:, -1:] if last_only else targets
    return {
        "weight_change": weight_change_norm(params["recurrent"], initial["recurrent"]),
        "weight_change_all": weight_change_norm(params, initial),
        "representation_alignment": representation_alignment(hidden, hidden_before),
        "representation_rank": participation_ratio(representation_gram(hidden)),
        "sign_similarity": sign_similarity(hidden, hidden_before),
        "kernel_alignment": alignments["recurrent"],
        "kernel_alignment_input": alignments["input"],
        "kernel_alignment_readout": alignments["readout"],
        "kernel_alignment_all": alignments["all"],
        "kernel_rank": participation_ratio(now["recurrent"]),
        "kernel_target_alignment": kernel_target_alignment(
            now["recurrent"], jax.nn.one_hot(asked, outputs).ravel()
        ),
    }


def kernels(
    network: TaskNetwork, params: Params, trials: Inputs, last_only: bool
) -> dict[str, Float[Array, "n n"]]:
    """The tangent kernel of each matrix, over outputs in the order (trial, step, output).

    last_only: also of networks of a single step.
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
        # The gradient of an output is the hidden state, in the output's own column.
        "readout": jnp.kron(representation_gram(hidden), jnp.eye(num_outputs)),
    }


def recurrent_kernel_factors(
    network: TaskNetwork, params: Params, steps: Inputs, last_only: bool
) -> Factors:
    """Errors and activities of `recurrent`. steps: inputs of the network's own steps."""
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
