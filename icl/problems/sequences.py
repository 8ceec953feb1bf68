"""The problem of sequences of exemplars and labels, solved from the context or from weights."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Int, Key, PyTree, Shaped

from icl.config import ExperimentConfig
from icl.data.batches import (
    at_step,
    choose,
    draw_batch,
    draw_numbered_batch,
    in_block,
    keys_of,
)
from icl.data.families.base import Family
from icl.data.families.make import make_families
from icl.data.knobs import make_knobs
from icl.data.sources.load import load_exemplars
from icl.data.sources.on_device import (
    check_exemplars,
    example_items,
    exemplars_in_use,
    put_on_device,
)
from icl.evaluation.conditions import make_conditions
from icl.evaluation.scores import evaluate
from icl.models.matrices import Fused
from icl.models.network import Network, make_network
from icl.probes.find import measure
from icl.probes.sequence_view import NUM_SEQUENCES, sequence_view
from icl.problems.base import Cost, Inputs, Program, make_inputs
from icl.problems.cost import network_costs
from icl.problems.given import sequences_given
from icl.problems.streams import (
    condition_key,
    data_set_key,
    probed_sequences_key,
    shown_sequences_key,
)
from icl.training.losses import Loss, sequence_loss
from icl.training.optimizer import Rates
from icl.training.step import TrainState
from icl.types import (
    Aux,
    Batch,
    ExemplarBank,
    ExemplarMaker,
    Exemplars,
    IndexSequence,
    Knobs,
    Masked,
    Sequence,
    Shown,
    ShownSequence,
    Variables,
)

ROWS_PER_FAMILY = 3
MAX_ROWS = 40
SEARCHED = 64  # sequences drawn from the mixture to find some of each family


@dataclass(frozen=True, eq=False)
class SequenceProblem:
    """A `Problem` whose batches are sequences.

    families: training families by name, and `train`, their mixture.
    conditions: families of the evaluation by name of the condition.
    """

    config: ExperimentConfig
    exemplars: Exemplars
    network: Network
    families: dict[str, Family]
    conditions: dict[str, Family]

    @property
    def arrays(self) -> PyTree:
        return self.exemplars.arrays

    @property
    def fused(self) -> Fused:
        return self.network.fused

    def inputs(self, config: ExperimentConfig) -> Inputs:
        data, exemplars = config.data, self.exemplars
        knobs = make_knobs(data, exemplars.num_classes, exemplars_in_use(data, exemplars))
        return make_inputs(config, knobs, data.num_sequences)

    def draw_network(self, key: Key[Array, ""]) -> Variables:
        return self.network.init(key)

    def draw_batch(
        self, key: Key[Array, ""], step: Int[Array, ""], inputs: Inputs, arrays: PyTree
    ) -> Sequence:
        """Fresh sequences, or some of a finite data set."""
        size, family = self.config.training.batch_size, self.families["train"]
        exemplars = replace(self.exemplars, arrays=arrays)
        knobs = in_block(at_step(inputs.knobs, step))
        if inputs.num_sequences is None:
            return draw_batch(key, size, family, knobs, exemplars)[1]
        chosen = choose(key, inputs.num_sequences, size)
        keys = keys_of(data_set_key(inputs.train_key), chosen)
        return draw_numbered_batch(keys, family, knobs, exemplars)

    def make_loss(self, rates: Rates) -> Loss:
        return sequence_loss(self.network.apply, rates, self.config.training.loss)

    def evaluate(
        self,
        state: TrainState,
        initial: Callable[[], Variables],
        inputs: Inputs,
        arrays: PyTree,
    ) -> dict[str, dict[str, Array | Masked]]:
        exemplars = replace(self.exemplars, arrays=arrays)
        knobs = at_step(inputs.knobs, state.step)
        scores = {
            name: evaluate(
                condition_key(inputs.eval_key, state.step, name),
                self.config.evaluation.num_sequences,
                partial(draw_batch, family=family, knobs=knobs, exemplars=exemplars),
                lambda sequence: self.network.apply(state.variables, sequence)[0],
                knobs,
            )
            for name, family in self.conditions.items()
        }
        if probes := self.config.evaluation.probes:
            start = initial()
            for name, family in self.conditions.items():
                # The same sequences throughout a run; if labels drift, with those of its start.
                key = probed_sequences_key(inputs.eval_key, name)
                drawn = draw_batch(key, NUM_SEQUENCES, family, inputs.knobs, exemplars)
                view = sequence_view(self.network.apply, state.variables, start, *drawn)
                scores[name] |= measure(view, probes)
        return scores

    def tested_as(self, config: ExperimentConfig) -> "SequenceProblem":
        check_exemplars(config, self.exemplars)
        conditions = make_conditions(config.data, config.evaluation)
        return replace(self, config=config, conditions=conditions)

    def draw_condition(
        self, name: str, key: Key[Array, ""], count: int, inputs: Inputs, step: Int[Array, ""]
    ) -> Batch:
        evaluation = self.config.evaluation.model_copy(update={"conditions": (name,)})
        family = make_conditions(self.config.data, evaluation)[name]
        indices, sequence = self.draw(key, count, family, at_step(inputs.knobs, step))
        return Batch(sequence.exemplars, sequence.labels, sequence.bits, indices)

    def as_inputs(self, given: Batch) -> Batch:
        return sequences_given(given, self.exemplars.shape, self.config.data.num_labels)

    def apply(
        self, variables: Variables, given: Batch, query_only: bool = True
    ) -> tuple[Array, Aux]:
        sequence = Sequence(given.exemplars, given.labels, given.bits)
        logits, aux = self.network.apply(variables, sequence, query_only=query_only)
        return (logits[:, -1] if query_only else logits), aux

    @cached_property
    def _draw(self) -> Callable[..., tuple[IndexSequence, Sequence]]:
        def draw(
            key: Array, batch_size: int, family: Family, knobs: Knobs, arrays: PyTree
        ) -> tuple[IndexSequence, Sequence]:
            return draw_batch(
                key, batch_size, family, knobs, replace(self.exemplars, arrays=arrays)
            )

        return jax.jit(draw, static_argnums=(1, 2))

    def draw(
        self, key: Key[Array, ""], batch_size: int, family: Family, knobs: Knobs
    ) -> tuple[IndexSequence, Sequence]:
        """Draw sequences, as integers and as network inputs; compiled on first use."""
        return self._draw(key, batch_size, family, knobs, self.arrays)

    def shown(self, config: ExperimentConfig, inputs: Inputs) -> Shown:
        """A few sequences of each training family, query last."""
        weights = {name: w for name, w in config.data.weights.items() if w > 0}
        count = rows_per_family(len(weights))

        def drawn(key: Array, count: int, name: str) -> tuple[IndexSequence, np.ndarray]:
            indices, sequence = self.draw(key, count, self.families[name], inputs.knobs)
            return jax.tree.map(np.asarray, (indices, sequence.exemplars))

        mixture = drawn(shown_sequences_key(config.seed), SEARCHED, "train")
        rows: list[ShownSequence] = []
        for i, name in enumerate(config.data.weights):
            if name not in weights:
                continue
            mixed, found = mixture, np.flatnonzero(mixture[0].family == i)[:count]
            if len(found) < count:  # too rare in the mixture
                mixed = drawn(shown_sequences_key(config.seed, i), count, name)
                found = np.arange(count)
            indices, exemplars = jax.tree.map(lambda a, found=found: a[found], mixed)
            rows += rows_of("", f"{name}\n{weights[name]:.3g}", indices, exemplars)
        return Shown("sequences", rows)

    def cost(self, program: Program) -> Cost:
        batch_size = self.config.training.batch_size
        costs = network_costs(self.config, example_items(self.config.data, self.exemplars))
        return Cost(
            float(costs["training_flops_per_sequence"] * batch_size),
            float(costs["memory_per_sequence_bytes"] * batch_size),
        )


def load(config: ExperimentConfig) -> SequenceProblem:
    """Load the exemplars of a config and make its problem.

    Raises UserError if exemplars are missing or broken, or lack what the config asks for.
    """
    return make_problem(config, load_exemplars(config.data.source))


def make_problem(config: ExperimentConfig, loaded: ExemplarBank | ExemplarMaker) -> SequenceProblem:
    """Put the exemplars on the device and make families, conditions and network.

    loaded: exemplars from the source of `config.data`.
    """
    data = config.data
    exemplars = put_on_device(data, loaded)
    check_exemplars(config, exemplars)
    examples = example_items(data, exemplars)
    return SequenceProblem(
        config=config,
        exemplars=exemplars,
        network=make_network(config.model, data.num_labels, examples, exemplars.num_classes),
        families=make_families(data),
        conditions=make_conditions(data, config.evaluation),
    )


def rows_of(
    section: str, name: str, indices: IndexSequence, exemplars: Shaped[Any, "batch item *shape"]
) -> list[ShownSequence]:
    """Rows of a picture, one for each sequence of a batch."""
    classes, labels = np.asarray(indices.classes), np.asarray(indices.labels)
    is_same = classes == classes[:, -1:]
    return [
        ShownSequence(section, name, *parts)
        for parts in zip(np.asarray(exemplars), labels, is_same, strict=True)
    ]


def rows_per_family(num_families: int) -> int:
    """Number of rows that keeps the picture readable."""
    return max(1, min(ROWS_PER_FAMILY, MAX_ROWS // max(num_families, 1)))
