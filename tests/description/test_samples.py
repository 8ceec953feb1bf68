"""What a description draws: as many sequences as can be had soon, and those that are trained on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from icl.description.samples import MAX_ENTRIES, draw_sample, how_many, items_of
from icl.description.sequences import describe
from icl.problems.sequences import load

from .samples import parts_of

FINITE = (
    "data.num_sequences=5",
    "data.source={kind: gaussian, dim: 8}",
    "model.embedder={kind: linear}",
    "data.noise_scale=0.3",
    "data.label_noise=0.3",
    "evaluation.conditions=[no_support]",
    "seed=3",
)


def rows(array) -> set[bytes]:
    return {row.tobytes() for row in np.asarray(array)}


@pytest.mark.parametrize("more", [(), ("data.num_blocks=2", "data.block_steps=1")])
def test_a_finite_data_set_is_the_one_trained_on(more: tuple[str, ...]):
    parts = parts_of(*FINITE, *more)
    family = parts.families["train"]
    sample = draw_sample(parts, "train", family)
    problem, num_blocks = load(parts.config), 1 + len(more) // 2
    inputs = problem.inputs(parts.config)
    draw, items, labels = jax.jit(problem.draw_batch), [], set()
    for step in range(num_blocks):
        batch = draw(jax.random.key(step), jnp.int32(step), inputs, problem.arrays)
        items.append(np.unique(batch.exemplars, axis=0))
        labels |= rows(batch.labels)
    trained = np.concatenate(items)
    assert len(trained) == 5 * num_blocks
    assert rows(sample.labels) == labels
    found = np.arange(200)
    few = jax.tree.map(lambda a: a[found], sample)
    described = np.asarray(items_of(parts, "train", jax.random.key(0), few, found))
    # Two programs may round differently; other sequences are far away.
    apart = np.abs(described[:, None] - trained).max(axis=(2, 3))
    assert apart.min(axis=1).max() < 1e-5
    assert apart.min(axis=0).max() < 1e-5
    assert (apart < 0.1).sum() == len(described)
    other = draw_sample(parts, "no_support", parts.conditions["no_support"], 20)
    assert len(rows(other.labels)) == 20


def test_a_finite_data_set_is_described_apart_from_what_it_is_drawn_from(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("icl.description.samples.NUM_TRAINING", 2_000)
    monkeypatch.setattr("icl.description.samples.NUM_CONDITION", 1_000)
    report = describe(parts_of(*FINITE).config).report
    assert report["of"] == "a data set of 5 sequences"
    assert report["theory"]["of"] == "sequences without end"
    assert sum(share > 0 for share in report["class_frequencies"]) <= 5
    for learner, score in report["ceilings"]["train"].items():
        assert score["exact"] is None, learner
    assert report["ceilings"]["no_support"]["in_weights"]["exact"] == 1


@pytest.mark.parametrize("num_symbols", [3, 64, 512])
def test_chains_of_many_symbols_are_drawn_as_often_as_time_allows(num_symbols: int):
    parts = parts_of(
        f"data.source={{kind: markov, num_symbols: {num_symbols}}}",
        "evaluation.conditions=[markov, markov_novel]",
        "data.num_holdout_classes=0",
    )
    names = ("train", *parts.conditions)
    drawn = sum(how_many(parts, name) for name in names)
    assert drawn * num_symbols**2 <= MAX_ENTRIES
    assert all(how_many(parts, name) >= 2 for name in names)
