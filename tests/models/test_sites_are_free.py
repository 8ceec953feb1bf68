"""What nobody reads or edits is not in the program: sites cost nothing."""

import re

import jax
import jax.numpy as jnp
import pytest

from icl.config.networks import NETWORKS
from icl.models.sites import Sites
from icl.types import Variables

from .cases import make_case, make_sequence
from .task_cases import TASK_NETWORKS, make_task_case


def programs(kind: str) -> list[jax.stages.Lowered]:
    """Evaluation, and the gradient in training."""
    case, sequence = make_case(kind, "linear"), make_sequence("linear")

    def loss(params, sequence):
        variables = Variables(params, case.variables.state)
        logits, aux = case.network.apply(variables, sequence, training=True)
        return jnp.sum(jax.nn.log_softmax(logits)[..., 0]), aux["state"]

    return [
        jax.jit(lambda v, s: case.network.apply(v, s)[0]).lower(case.variables, sequence),
        jax.jit(jax.grad(loss, has_aux=True)).lower(case.variables.params, sequence),
    ]


def task_programs(kind: str) -> list[jax.stages.Lowered]:
    network, params, inputs = make_task_case(kind)

    def loss(params, inputs):
        return jnp.sum(jax.nn.log_softmax(network.apply(params, inputs)[0])[..., 0])

    return [
        jax.jit(lambda p, x: network.apply(p, x)[0]).lower(params, inputs),
        jax.jit(jax.grad(loss)).lower(params, inputs),
    ]


def optimised(program: jax.stages.Lowered) -> str:
    """The compiled text, without the places in the source that its operations are from."""
    text = re.sub(r", metadata=\{[^{}]*\}", "", program.compile().as_text())
    return text.partition("\nFileNames\n")[0] + text[text.index("ENTRY") :]


@pytest.mark.parametrize(
    ("make", "kind"),
    [(programs, kind) for kind in NETWORKS] + [(task_programs, kind) for kind in TASK_NETWORKS],
)
def test_without_edits_programs_are_what_they_would_be_without_sites(make, kind, monkeypatch):
    """The compiler is given the same, so it returns the same; that is shown for one kind."""
    with_sites = make(kind)
    monkeypatch.setattr(Sites, "site", lambda self, name, value: value)
    for program, other in zip(with_sites, make(kind), strict=True):
        assert program.as_text() == other.as_text()
        if kind == "transformer":
            assert optimised(program) == optimised(other)
