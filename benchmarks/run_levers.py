"""Whole training steps in two forms."""

from collections.abc import Callable
from functools import cache

import jax
import jax.numpy as jnp
import optax

from benchmarks.forms import Forms, Work, looped, repeated
from benchmarks.parts import NETWORKS, config_of
from icl.config import ExperimentConfig
from icl.problems.base import Program
from icl.problems.load import load_program
from icl.problems.sequences import SequenceProblem
from icl.training.losses import query_loss
from icl.types import Variables

STEPS = 10
SMALL, DEEP = "2 layers, MLP encoder, batch 64", "12 layers, linear encoder, batch 32"


def _config(name: str) -> ExperimentConfig:
    return config_of(NETWORKS[name])


@cache
def _program(name: str) -> Program:
    config = _config(name)
    return load_program(config)


def _last_block() -> Forms:
    program, config = _program(SMALL), _config(SMALL)
    problem, inputs = program.problem, program.inputs(config)
    assert isinstance(problem, SequenceProblem)
    family, size = problem.families["train"], config.training.batch_size
    _, sequence = problem.draw(jax.random.key(0), size, family, inputs.knobs)
    params, others = program.init(inputs).variables

    def descended(query_only: bool) -> Callable[[dict], dict]:
        def loss(params: dict) -> jax.Array:
            variables = Variables(params, others)
            logits = problem.network.apply(variables, sequence, True, query_only)[0]
            return query_loss(logits[:, -1:], sequence.labels).mean()

        return lambda params: jax.tree.map(
            lambda a, g: a - 1e-6 * g, params, jax.grad(loss)(params)
        )

    return repeated(params, descended(False), descended(True))


def _optimizer() -> Forms:
    program, config = _program(DEEP), _config(DEEP)
    params = program.init(program.inputs(config)).variables.params

    def of(optimizer: optax.GradientTransformation) -> Work:
        def step(state: tuple) -> tuple:
            params, moments = state
            updates, moments = optimizer.update(params, moments, params)
            return optax.apply_updates(params, updates), moments

        return looped((params, optimizer.init(params)), step)

    adam = optax.adam(1e-3)
    return Forms(of(optax.flatten(adam)), of(adam))


def _training(num_calls: int, gives_up: bool = True) -> Work:
    """Make STEPS training steps in `num_calls` calls."""
    program, config = _program(SMALL), _config(SMALL)
    inputs, arrays = program.inputs(config), program.arrays
    donated = 0 if gives_up else ()
    train = jax.jit(
        lambda state, stop, inputs, arrays: program.train(state, stop, inputs, arrays),
        donate_argnums=donated,
    )
    state, done = program.init(inputs), 0

    def work() -> None:
        nonlocal state, done
        for _ in range(num_calls):
            done += STEPS // num_calls
            state = jax.block_until_ready(train(state, jnp.int32(done), inputs, arrays))

    return work


RUN_LEVERS: dict[str, Callable[[], Forms]] = {
    "last block at all tokens over the query alone": _last_block,
    "optimiser over flattened weights over one by one": _optimizer,
    "a call for each step over one for ten": lambda: Forms(_training(STEPS), _training(1)),
    "state copied over state given up, a call for each step": lambda: Forms(
        _training(STEPS, gives_up=False), _training(STEPS)
    ),
}
