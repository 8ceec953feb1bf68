"""A distribution and a network before training: statistics, ceilings and costs.

Thousands of sequences are drawn as integers; the network is traced and never compiled.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from icl.config import ExperimentConfig
from icl.data.families.base import Family
from icl.data.labels import meanings_of
from icl.data.sources.on_device import example_items
from icl.description import ceilings as learners
from icl.description.ceilings import Ceiling, Knowledge
from icl.description.closed_forms import (
    burst_counts,
    class_frequencies,
    make_pools,
    mixed,
    p_present,
)
from icl.description.combining import combined, exact_combined
from icl.description.exact_ceilings import (
    EXACT_METRICS,
    NOTHING,
    Exact,
    FamilyCeilings,
    exact_ceilings,
    make_knows,
)
from icl.description.label_distributions import component, label_entropy_bits, shift_of
from icl.description.samples import Parts, draw_sample, items_of, make_parts
from icl.description.statistics import (
    Entropies,
    Estimate,
    bursts,
    estimate,
    label_entropies,
    shares,
)
from icl.problems.cost import network_costs
from icl.problems.sequences import rows_of, rows_per_family
from icl.problems.streams import described_items_key, described_row_key
from icl.types import IndexSequence, ShownSequence

NUM_LOOKED_UP = 2_000  # sequences whose items are looked up, for nearest neighbours
# Bounds on the numbers in these items, in memory and in total.
MAX_NUMBERS, MAX_LOOKED_UP = 2**22, 2**27
MIN_DRAWS = 30  # a class drawn less often has no point in the picture of entropies


class Description(NamedTuple):
    """A description: its numbers, and what its pictures show.

    report: numbers by name, as JSON has them.
    rows: sequences.
    entropies: classes drawn often, and the entropy of the labels of each, in bits.
    """

    report: dict[str, Any]
    rows: list[ShownSequence]
    entropies: tuple[np.ndarray, np.ndarray]


def describe(config: ExperimentConfig) -> Description:
    """Describe a run on sequences before its first step.

    Where classes come block after block, the training distribution is that of all blocks.

    Raises UserError where the source or the embedder is not available.
    """
    parts = make_parts(config)
    report = network_costs(config, example_items(config.data, parts.exemplars))
    asked = {"train": parts.families["train"], **parts.conditions}
    with ThreadPoolExecutor() as threads:  # as compiling is most of the work
        samples = threads.map(lambda name: draw_sample(parts, name, asked[name]), asked)
        drawn = dict(zip(asked, samples, strict=True))
    measured, entropies = measure_sample(parts, drawn["train"])
    report = {"config": config.model_dump(mode="json")} | measured | report
    report["theory"] = theory(parts)
    report["ceilings"] = {
        name: _score(parts, name, sample, drawn["train"]) for name, sample in drawn.items()
    }
    # A memory of whole sequences would be right on all of a finite data set.
    report["in_weights_of"] = "classes and their own labels, not sequences by heart"
    report["chance"] = {
        name: {metric: float(np.mean(marks)) for metric, marks in levels._asdict().items()}
        for name, levels in (
            (name, learners.chance(sample, config.data.num_labels))
            for name, sample in drawn.items()
        )
    }
    return Description(report, _rows(parts, drawn), entropies)


def measure_sample(
    parts: Parts, sample: IndexSequence
) -> tuple[dict[str, Any], tuple[np.ndarray, np.ndarray]]:
    """Statistics of the training distribution; frequencies are of training classes as queries."""
    data, count = parts.config.data, parts.num_symbols or parts.config.data.num_classes
    occurrences = bursts(sample)
    present, size = estimate(occurrences > 0), data.num_sequences
    queries = np.asarray(sample.classes[:, -1])
    context = np.asarray(sample.classes[:, :-1]).ravel()
    by_class, entropy = label_entropy(parts, sample)
    often = (by_class.draws >= MIN_DRAWS) & by_class.suffice
    measured = {
        "num_sequences": len(queries),
        "of": "sequences without end" if size is None else f"a data set of {size:,} sequences",
        "num_labels": data.num_labels,
        "families": {name: weight for name, weight in data.weights.items() if weight > 0},
        "p_query_in_context": present.value,
        "p_query_in_context_stderr": present.stderr,
        "burst_counts": shares(occurrences, sample.classes.shape[1]).tolist(),
        "label_entropy_bits": None if entropy is None else entropy.value,
        "label_entropy_bits_stderr": None if entropy is None else entropy.stderr,
        **_frequencies(shares(queries, count)),
        "item_frequencies_by_class": shares(context, count).tolist(),
    }
    return measured, (by_class.classes[often], by_class.bits[often])


def label_entropy(parts: Parts, sample: IndexSequence) -> tuple[Entropies, Estimate | None]:
    """Entropy of the query's label given its class, by class and on average.

    The average is None for too few draws. Where all classes have the same distribution of labels
    but for a shift, their labels are counted together, which needs fewer draws; not in a finite
    data set, which may hold a class only once.
    """
    data = parts.config.data
    queries, labels = (np.asarray(a[:, -1]) for a in (sample.classes, sample.labels))
    by_class = label_entropies(queries, labels)
    kind = shift_of(_trained(parts), data) if data.num_sequences is None else None
    if kind is None:
        return by_class, by_class.mean
    shift = queries
    if kind == "own":
        shift = np.asarray(meanings_of(jnp.asarray(queries), parts.knobs)) * data.label_multiplicity
    shifted = labels if kind == "none" else (labels - shift) % data.num_trained_labels
    return by_class, label_entropies(np.zeros_like(queries), shifted).mean


def _frequencies(by_class: Float[np.ndarray, " class"] | None) -> dict[str, list[float] | None]:
    """Frequencies in descending order, and in the order of classes, the commonest first."""
    return {
        "class_frequencies": None if by_class is None else np.sort(by_class)[::-1].tolist(),
        "class_frequencies_by_class": None if by_class is None else by_class.tolist(),
    }


def _trained(parts: Parts) -> dict[str, Family]:
    """The families of the training mixture that have a weight."""
    weights = parts.config.data.weights
    return {name: parts.families[name] for name, weight in weights.items() if weight > 0}


def _over_mixture(parts: Parts, value: Callable[..., Any]) -> list[tuple[float, Any]]:
    """Weight and value(family, data, pools) of each family trained on, for each block."""
    data = parts.config.data
    blocks = range(data.num_blocks) if data.num_blocks > 1 else [None]
    return [
        (data.weights[name], value(family, data, make_pools(data, block)))
        for block in blocks
        for name, family in _trained(parts).items()
    ]


def theory(parts: Parts) -> dict[str, Any]:
    """The intended statistics: exact counterparts of those measured; None where not known.

    They are of sequences without end, even where a finite data set is drawn from these.
    """
    counts, present = (mixed(_over_mixture(parts, form)) for form in (burst_counts, p_present))
    blocks = _over_mixture(parts, lambda *of: partial(component, *of))
    components = [make(weight) for weight, make in blocks if weight > 0]
    return {
        "of": "sequences without end",
        "p_query_in_context": None if present is None else float(present),
        "burst_counts": None if counts is None else counts.tolist(),
        "label_entropy_bits": label_entropy_bits(components, parts.config.data),
        **_frequencies(mixed(_over_mixture(parts, class_frequencies))),
    }


def exact(parts: Parts, name: str) -> dict[str, Exact]:
    """The exact score of each learner in a condition, or in the training mixture if `train`.

    It is of sequences without end, even where a finite data set is drawn from these.
    """
    data = parts.config.data
    knows = make_knows(data)

    def of_family(family: Family, data: Any, pools: Any) -> FamilyCeilings:
        return exact_ceilings(family, data, pools, name == "train", knows)

    if name == "train":
        formulas = _over_mixture(parts, of_family)
    else:
        formulas = [(1.0, of_family(parts.conditions[name], data, make_pools(data)))]

    def mean(learner: str) -> Exact:
        return Exact(
            *(
                mixed([(w, getattr(getattr(f, learner), m)) for w, f in formulas])
                for m in EXACT_METRICS
            )
        )

    both = Exact(*(exact_combined([(w, f.groups[m]) for w, f in formulas]) for m in EXACT_METRICS))
    return {"in_context": mean("in_context"), "in_weights": mean("in_weights"), "combined": both}


def _score(
    parts: Parts, name: str, sample: IndexSequence, train: IndexSequence
) -> dict[str, dict[str, Any]]:
    """The accuracies of each learner, their standard errors, and their exact values."""
    looked_up, distances = _distances(parts, name, sample)
    copied = learners.in_context(sample)
    known = learned(parts, sample, train)
    marks = {
        "nearest_neighbour": learners.nearest_neighbour(looked_up, distances),
        "in_context": copied,
        "in_weights": known,
        "combined": combined(sample, copied, known, is_known(parts, sample)),
    }
    formulas = dict.fromkeys(marks, NOTHING)
    if name != "train" or parts.config.data.num_sequences is None:
        formulas |= exact(parts, name)
    scores: dict[str, dict[str, Any]] = {}
    for learner, of_learner in marks.items():
        accuracy, among = (estimate(part) for part in of_learner)
        scores[learner] = {
            "accuracy": accuracy.value,
            "accuracy_in_context": among.value,
            "stderr": accuracy.stderr,
            "stderr_in_context": among.stderr,
            "exact": formulas[learner].accuracy,
            "exact_in_context": formulas[learner].accuracy_in_context,
            "num_sequences": len(of_learner.accuracy),
        }
    return scores


def learned(parts: Parts, sample: IndexSequence, train: IndexSequence) -> Ceiling:
    """Marks of the in-weights learner, which learns from one half of a sample for the other."""
    middle = len(sample.labels) // 2
    cuts = (slice(middle), slice(middle, None))
    halves = [jax.tree.map(lambda a, cut=cut: a[cut], sample) for cut in cuts]
    knowledge: Knowledge = learners.make_knowledge(parts.config.data, parts.knobs)

    def marked(half: IndexSequence, other: IndexSequence) -> Ceiling:
        if not parts.num_symbols:
            return learners.in_weights(half, knowledge, other)
        lessons = other if sample is train else train
        table = learners.count_followers(lessons, parts.num_symbols)
        if shift_of(_trained(parts), parts.config.data) == "symbol":
            table = learners.alike(table)
        return learners.of_symbols(half, table)

    pairs = [marked(*halves), marked(*halves[::-1])]
    return Ceiling(*(np.concatenate(pair) for pair in zip(*pairs, strict=True)))


def is_known(parts: Parts, sample: IndexSequence) -> np.ndarray:
    """Whether each query's class, or symbol, is known by heart."""
    queries = np.asarray(sample.classes[:, -1])
    if parts.num_symbols:
        return np.ones(len(queries), bool)
    return learners.make_knowledge(parts.config.data, parts.knobs).meanings(queries) >= 0


def _distances(parts: Parts, name: str, sample: IndexSequence) -> tuple[IndexSequence, np.ndarray]:
    """Some of the sequences, and their distances from each context item to the query."""
    numbers = int(np.prod(parts.exemplars.shape)) * sample.classes.shape[1]
    wanted = min(len(sample.classes), NUM_LOOKED_UP, max(100, MAX_LOOKED_UP // numbers))
    size = min(wanted, max(1, MAX_NUMBERS // numbers))

    chunks = []
    for start in range(0, wanted, size):
        chosen = np.arange(start, start + size) % wanted
        chunk = jax.tree.map(lambda a, chosen=chosen: a[chosen], sample)
        key = described_items_key(parts.config.seed, name, start)
        items = items_of(parts, name, key, chunk, chosen)
        chunks.append(np.asarray(learners.distances_to_query(items)))
    return jax.tree.map(lambda a: a[:wanted], sample), np.concatenate(chunks)[:wanted]


def _rows(parts: Parts, drawn: dict[str, IndexSequence]) -> list[ShownSequence]:
    """A few sequences of each family trained on, and of each condition."""
    data, train = parts.config.data, drawn["train"]
    trained = _trained(parts)
    count = rows_per_family(len(trained) + len(parts.conditions))
    chosen: list[tuple[str, str, str, IndexSequence, Any]] = []
    for i, name in enumerate(data.weights):
        if name not in trained:
            continue
        found, origin = np.flatnonzero(train.family == i)[:count], "train"
        few = jax.tree.map(lambda a, found=found: a[found], train)
        if len(found) < count:  # too rare in the mixture
            few, origin = draw_sample(parts, name, trained[name], count), name
        text = f"{name}\n{data.weights[name]:.3g}"
        chosen.append(("trained on, with its weight", text, origin, few, found))
    for name in parts.conditions:
        few = jax.tree.map(lambda a: a[:count], drawn[name])
        chosen.append(("tested on", name, name, few, None))
    rows = []
    for i, (section, text, origin, few, found) in enumerate(chosen):
        key = described_row_key(parts.config.seed, i)
        rows += rows_of(section, text, few, items_of(parts, origin, key, few, found))
    return rows
