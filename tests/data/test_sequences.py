"""Families of sequences, against formulas and against the plain NumPy of `reference.py`."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from icl.config import DataConfig, EvaluationConfig
from icl.data.distribution import class_thresholds
from icl.data.sequences import (
    Bursty,
    Family,
    FewShot,
    Independent,
    Mixture,
    NoSupport,
    draw_indices,
    look_up,
)
from icl.evaluation import CONDITIONS
from icl.types import IndexSequence, Knobs
from tests.data import reference
from tests.statistics import (
    ALPHA,
    assert_independent,
    assert_proportion,
    assert_same_distribution,
    assert_same_samples,
)

CAPACITY = 64
HOLDOUT = (50, 14)  # the last classes of the capacity
NUM = 20_000

BURSTY = Bursty(8, 3, 2)
REFERENCE_CODE = Bursty(8, 3, 2, distinct=False)
INDEPENDENT = Independent(8)
NO_SUPPORT = NoSupport(8)
FEWSHOT_TRAIN = FewShot(4, 2)
FEWSHOT_HOLDOUT = FewShot(4, 2, HOLDOUT)
TRAIN = Mixture(BURSTY, INDEPENDENT)

FAMILIES: dict[str, Family] = {
    "bursty": BURSTY,
    "bursty, nothing else": Bursty(8, 4, 2),
    "bursty, one item": Bursty(1, 1, 1),
    "bursty, one way": Bursty(3, 2, 1),
    "bursty, all differ": Bursty(3, 1, 3),
    "bursty, independent classes": REFERENCE_CODE,
    "independent": INDEPENDENT,
    "independent, one item": Independent(1),
    "no support": NO_SUPPORT,
    "no support, one item": NoSupport(1),
    "few-shot": FEWSHOT_TRAIN,
    "few-shot, three ways": FewShot(1, 3),
    "few-shot, held out": FEWSHOT_HOLDOUT,
    "few-shot, all held out": FewShot(2, 14, HOLDOUT),
    "mixture": TRAIN,
}
MAIN = {
    name: FAMILIES[name]
    for name in ("bursty", "independent", "no support", "few-shot", "few-shot, held out", "mixture")
}
OWN_LABELS = {name: f for name, f in FAMILIES.items() if not isinstance(f, FewShot)}


def make_knobs(
    num_classes: int = 50,
    zipf_exponent: float = 0.0,
    p_bursty: float = 0.5,
    multiplicity: int = 1,
    num_exemplars: int = 20,
    noise_scale: float = 0.0,
    capacity: int = CAPACITY,
) -> Knobs:
    return Knobs(
        p_bursty=jnp.float32(p_bursty),
        class_thresholds=jnp.array(class_thresholds(num_classes, zipf_exponent, capacity)),
        num_classes=jnp.int32(num_classes),
        label_multiplicity=jnp.int32(multiplicity),
        num_exemplars=jnp.int32(num_exemplars),
        noise_scale=jnp.float32(noise_scale),
    )


KNOBS = {
    "plain": make_knobs(),
    "few classes": make_knobs(num_classes=5, multiplicity=3, num_exemplars=1),
    "steep": make_knobs(zipf_exponent=10.0, multiplicity=1024, num_exemplars=10_000),
    "full": make_knobs(num_classes=CAPACITY, zipf_exponent=1.0, num_exemplars=2, p_bursty=1.0),
}

# Integers come out the same however little the compiler does, and compiling takes most of the time.
QUICKLY = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
jit_draw = jax.jit(draw_indices, static_argnums=(1, 3), compiler_options=QUICKLY)


def draw(family: Family, knobs: Knobs, seed: int = 0) -> IndexSequence:
    """NUM sequences as NumPy arrays; cases that differ in knobs alone share a program."""
    return jax.tree.map(np.asarray, jit_draw(jax.random.key(seed), family, knobs, NUM))


def same(values: np.ndarray) -> np.ndarray:
    """[..., i, j]: whether items i and j are equal."""
    return values[..., :, None] == values[..., None, :]


def context_counts(classes: np.ndarray) -> np.ndarray:
    """How often the class of each item occurs in the context; the query's comes last."""
    return same(classes)[:, :, :-1].sum(-1)


def first_item(where: np.ndarray) -> np.ndarray:
    """The place of the first True in each row."""
    assert where.any(1).all()
    return where.argmax(1)


# ---- what holds of every sequence


@pytest.mark.parametrize("knobs", KNOBS.values(), ids=KNOBS)
@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_shapes_and_ranges(family, knobs):
    drawn = draw(family, knobs)
    context_len = getattr(family, "context_len", 8)
    if isinstance(family, FewShot):
        context_len = family.shots * family.ways
    for values in (drawn.classes, drawn.exemplars, drawn.labels):
        assert values.shape == (NUM, context_len + 1)
        assert values.dtype == np.int32
        assert values.min() >= 0
    assert drawn.is_bursty.shape == drawn.meanings.shape == (NUM,)
    assert drawn.exemplars.max() < knobs.num_exemplars
    if isinstance(family, FewShot) and family.holdout is not None:
        assert drawn.classes.min() >= HOLDOUT[0]
        assert drawn.classes.max() < sum(HOLDOUT)
    else:
        assert drawn.classes.max() < knobs.num_classes
    if isinstance(family, FewShot):
        assert (drawn.meanings == 1).all()
    else:
        assert (drawn.meanings == knobs.label_multiplicity).all()
        np.testing.assert_array_equal(drawn.labels // knobs.label_multiplicity, drawn.classes)
    if not isinstance(family, Mixture):
        assert (drawn.is_bursty == isinstance(family, Bursty | FewShot)).all()


def test_training_and_held_out_classes_never_meet():
    """With every class of the source in use on one side or the other."""
    data = DataConfig(num_classes=1600, num_holdout_classes=23)
    knobs = make_knobs(1600, capacity=data.source.num_classes)
    held_out = CONDITIONS["fewshot_holdout"](data, EvaluationConfig()).family
    assert set(draw(held_out, knobs).classes.ravel()) == set(range(1600, 1623))
    assert draw(INDEPENDENT, knobs).classes.max() == 1599


# ---- the composition of a sequence


@pytest.mark.parametrize("knobs", KNOBS.values(), ids=KNOBS)
@pytest.mark.parametrize(
    "family", [f for f in FAMILIES.values() if isinstance(f, Bursty) and f.distinct], ids=str
)
def test_bursty_counts_are_exact(family, knobs):
    counts = context_counts(draw(family, knobs).classes)
    repeated = family.shots * family.ways
    expected = [1] * (family.context_len - repeated) + [family.shots] * repeated
    assert (np.sort(counts[:, :-1], axis=1) == expected).all()
    assert (counts[:, -1] == family.shots).all()


@pytest.mark.parametrize("knobs", KNOBS.values(), ids=KNOBS)
@pytest.mark.parametrize(
    "family", [f for f in FAMILIES.values() if isinstance(f, FewShot)], ids=str
)
def test_few_shot_counts_and_labels_are_exact(family, knobs):
    drawn = draw(family, knobs)
    assert (context_counts(drawn.classes) == family.shots).all()
    # each class has one label, each label one class, and all labels 0 .. ways - 1 occur
    np.testing.assert_array_equal(same(drawn.labels), same(drawn.classes))
    expected = np.repeat(np.arange(family.ways), family.shots)
    assert (np.sort(drawn.labels[:, :-1], axis=1) == expected).all()


@pytest.mark.parametrize("num_classes", [2, 5, 50])
@pytest.mark.parametrize("zipf_exponent", [0.0, 1.0, 10.0])
@pytest.mark.parametrize("family", [NO_SUPPORT, NoSupport(1)], ids=str)
def test_no_support_never_contains_the_querys_class(family, zipf_exponent, num_classes):
    classes = draw(family, make_knobs(num_classes, zipf_exponent)).classes
    assert (context_counts(classes)[:, -1] == 0).all()


@pytest.mark.parametrize("zipf_exponent", [0.0, 2.0])
def test_bursty_order_is_uniform(zipf_exponent):
    """All 8! / (3! 3! 2!) arrangements of the query's class, the other way and the rest."""
    classes = draw(BURSTY, make_knobs(zipf_exponent=zipf_exponent)).classes
    is_query = classes[:, :-1] == classes[:, -1:]
    is_repeated = context_counts(classes)[:, :-1] == 3
    kinds = is_query.astype(int) + is_repeated
    codes, counts = np.unique(kinds @ 3 ** np.arange(8), return_counts=True)
    assert len(codes) == 560
    assert_same_distribution(counts, np.full(560, 1 / 560))


def test_few_shot_order_is_uniform():
    classes = draw(FEWSHOT_HOLDOUT, make_knobs()).classes
    is_query = classes[:, :-1] == classes[:, -1:]
    codes, counts = np.unique(is_query @ 2 ** np.arange(8), return_counts=True)
    assert len(codes) == 70
    assert_same_distribution(counts, np.full(70, 1 / 70))


def test_order_does_not_depend_on_class():
    classes = draw(BURSTY, make_knobs(zipf_exponent=1.0)).classes
    place = first_item(classes[:, :-1] == classes[:, -1:])
    assert_independent(np.histogram2d(classes[:, -1], place, [10, np.arange(9)])[0])


# ---- frequencies


@pytest.mark.parametrize("num_classes", [5, 30, 50, 64])
@pytest.mark.parametrize("zipf_exponent", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize(
    "family", [BURSTY, REFERENCE_CODE, INDEPENDENT, NO_SUPPORT, FEWSHOT_TRAIN, TRAIN], ids=str
)
def test_query_class_frequencies(family, zipf_exponent, num_classes):
    """In a table for more classes than are in use, too."""
    knobs = make_knobs(num_classes, zipf_exponent)
    counts = np.bincount(draw(family, knobs).classes[:, -1], minlength=num_classes)
    assert_same_distribution(counts, reference.class_probabilities(num_classes, zipf_exponent))


@pytest.mark.parametrize("zipf_exponent", [0.0, 1.0])
def test_query_class_frequencies_of_the_full_size(zipf_exponent):
    knobs = make_knobs(1600, zipf_exponent, capacity=1623)
    counts = np.bincount(draw(INDEPENDENT, knobs).classes.ravel(), minlength=1600)
    assert_same_distribution(counts, reference.class_probabilities(1600, zipf_exponent))


def test_pairs_of_held_out_classes_are_uniform():
    classes = draw(FEWSHOT_HOLDOUT, make_knobs()).classes - HOLDOUT[0]
    other = classes[np.arange(NUM), first_item(classes[:, :-1] != classes[:, -1:])]
    counts = np.bincount(classes[:, -1] * 14 + other, minlength=196)
    assert_same_distribution(counts, (1 - np.eye(14)) / (14 * 13))


@pytest.mark.parametrize("zipf_exponent", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("family", [BURSTY, FEWSHOT_TRAIN], ids=str)
def test_query_and_other_way_are_drawn_without_replacement(family, zipf_exponent):
    classes = draw(family, make_knobs(6, zipf_exponent)).classes
    counts = context_counts(classes)
    is_other_way = (classes[:, :-1] != classes[:, -1:]) & (counts[:, :-1] == family.shots)
    other = classes[np.arange(NUM), first_item(is_other_way)]
    p = reference.class_probabilities(6, zipf_exponent)
    exact = (1 - np.eye(6)) * p[:, None] * p / (1 - p)[:, None]
    assert_same_distribution(np.bincount(classes[:, -1] * 6 + other, minlength=36), exact)


@pytest.mark.parametrize("zipf_exponent", [0.0, 1.0, 3.0])
def test_no_support_context_is_independent_given_the_query(zipf_exponent):
    classes = draw(NO_SUPPORT, make_knobs(5, zipf_exponent)).classes
    p = reference.class_probabilities(5, zipf_exponent)
    given = (1 - np.eye(5)) * p / (1 - p)[:, None]  # [query, context item]
    exact = p[:, None, None] * given[:, :, None] * given[:, None, :]
    for i, j in ((0, 1), (3, 7)):
        counts = np.bincount(classes[:, [-1, i, j]] @ [25, 5, 1], minlength=125)
        assert_same_distribution(counts, exact)


@pytest.mark.parametrize("zipf_exponent", [0.0, 1.0, 2.0])
def test_independent_items_support_the_query_by_chance(zipf_exponent):
    """The query's class occurs Binomial(8, p) times, p its own probability."""
    classes = draw(INDEPENDENT, make_knobs(30, zipf_exponent)).classes
    p = reference.class_probabilities(30, zipf_exponent)
    exact = p @ stats.binom.pmf(np.arange(9), 8, p[:, None])
    assert_same_distribution(np.bincount(context_counts(classes)[:, -1], minlength=9), exact)


@pytest.mark.parametrize(
    ("zipf_exponent", "collision"), [(0.0, 0.0006), (1.0, 0.026), (1.5, 0.18), (2.0, 0.40)]
)
def test_ways_drawn_independently_coincide_as_in_the_reference_code(zipf_exponent, collision):
    """Two independent ways are one class with probability sum p**2: 40% at exponent 2."""
    probability = (reference.class_probabilities(1613, zipf_exponent) ** 2).sum()
    assert probability == pytest.approx(collision, rel=0.05)
    knobs = make_knobs(1613, zipf_exponent, capacity=1623)
    classes = draw(Bursty(6, 3, 2, distinct=False), knobs).classes
    coincide = (classes == classes[:, :1]).all(1)
    assert_proportion(coincide.sum(), NUM, probability)


def test_the_others_may_repeat_a_way_when_drawn_independently():
    """The counts are 3, 3, 1, 1 only when four independent classes happen to differ."""
    counts = context_counts(draw(REFERENCE_CODE, make_knobs(50)).classes)[:, :-1]
    as_wanted = (np.sort(counts, axis=1) == [1, 1, 3, 3, 3, 3, 3, 3]).all(1)
    assert_proportion(as_wanted.sum(), NUM, 49 * 48 * 47 / 50**3)


# ---- the mixture


@pytest.mark.parametrize("p_bursty", [0.0, 0.01, 0.3, 0.9, 1.0])
def test_share_of_bursty_sequences(p_bursty):
    drawn = draw(TRAIN, make_knobs(50, p_bursty=p_bursty))
    assert_proportion(drawn.is_bursty.sum(), NUM, p_bursty)
    counts = context_counts(drawn.classes)[drawn.is_bursty]
    assert (np.sort(counts[:, :-1], axis=1) == [1, 1, 3, 3, 3, 3, 3, 3]).all()


def test_the_rest_of_the_mixture_is_independent():
    drawn = draw(TRAIN, make_knobs(10, multiplicity=4))
    plain = context_counts(drawn.classes)[~drawn.is_bursty][:, -1]
    exact = stats.binom.pmf(np.arange(9), 8, 0.1)
    assert_same_distribution(np.bincount(plain, minlength=9), exact)
    assert not same(drawn.labels)[~drawn.is_bursty].all()


# ---- labels


@pytest.mark.parametrize("multiplicity", [2, 5])
def test_a_class_has_one_label_throughout_a_bursty_sequence(multiplicity):
    drawn = draw(BURSTY, make_knobs(multiplicity=multiplicity))
    np.testing.assert_array_equal(same(drawn.labels), same(drawn.classes))
    other = first_item(drawn.classes[:, :-1] != drawn.classes[:, -1:])
    meaning = drawn.labels % multiplicity
    pairs = meaning[:, -1] * multiplicity + meaning[np.arange(NUM), other]
    cells = multiplicity**2
    assert_same_distribution(np.bincount(pairs, minlength=cells), np.full(cells, 1 / cells))


@pytest.mark.parametrize("family", [INDEPENDENT, NO_SUPPORT], ids=str)
@pytest.mark.parametrize("multiplicity", [2, 5])
def test_an_item_has_a_label_of_its_own_elsewhere(family, multiplicity):
    drawn = draw(family, make_knobs(2, multiplicity=multiplicity))
    meaning = drawn.labels % multiplicity
    cells = multiplicity**2
    for i, j in ((0, 1), (7, 8)):
        pairs = meaning[:, i] * multiplicity + meaning[:, j]
        assert_same_distribution(np.bincount(pairs, minlength=cells), np.full(cells, 1 / cells))
    together = drawn.classes[:, 0] == drawn.classes[:, 1]
    agree = meaning[together, 0] == meaning[together, 1]
    assert_proportion(agree.sum(), together.sum(), 1 / multiplicity)


def test_the_largest_multiplicity_uses_every_label():
    drawn = draw(INDEPENDENT, make_knobs(5, multiplicity=1024))
    counts = np.bincount(drawn.labels.ravel(), minlength=5 * 1024)
    assert_same_distribution(counts, np.full(5 * 1024, 1 / (5 * 1024)))


@pytest.mark.parametrize("family", [FEWSHOT_TRAIN, FEWSHOT_HOLDOUT, FewShot(1, 3)], ids=str)
def test_few_shot_labels_are_balanced_and_independent_of_class(family):
    drawn = draw(family, make_knobs(10, 1.0))
    labels = drawn.labels[:, -1]
    counts = np.bincount(labels, minlength=family.ways)
    assert_same_distribution(counts, np.full(family.ways, 1 / family.ways))
    assert_independent(np.histogram2d(drawn.classes[:, -1], labels, [64, family.ways])[0])
    place = first_item(drawn.classes[:, :-1] == drawn.classes[:, -1:])
    bins = [np.arange(drawn.classes.shape[1]), np.arange(family.ways + 1)]
    assert_independent(np.histogram2d(place, labels, bins)[0])


# ---- exemplars


@pytest.mark.parametrize("num_exemplars", [1, 2, 20, 700])
@pytest.mark.parametrize("family", MAIN.values(), ids=MAIN)
def test_exemplars_are_uniform_at_every_place(family, num_exemplars):
    drawn = draw(family, make_knobs(num_exemplars=num_exemplars))
    num_items = drawn.exemplars.shape[1]
    cells = num_exemplars * num_items
    counts = np.bincount(
        (drawn.exemplars + num_exemplars * np.arange(num_items)).ravel(), minlength=cells
    )
    assert_same_distribution(counts, np.full(cells, 1 / cells))


@pytest.mark.parametrize("num_exemplars", [1, 3, 4, 20])
@pytest.mark.parametrize("family", [BURSTY, FEWSHOT_TRAIN, FEWSHOT_HOLDOUT], ids=str)
def test_the_exemplars_of_a_repeated_class_differ_while_there_are_others(family, num_exemplars):
    """The query is not in context, unless its class has no more exemplars than shots."""
    drawn = draw(family, make_knobs(num_exemplars=num_exemplars))
    codes = drawn.classes * 1000 + drawn.exemplars
    num_different = 1 + (np.diff(np.sort(codes, axis=1)) > 0).sum(1)
    alike = same(codes)[:, -1, :-1].any(1)
    if num_exemplars > family.shots:
        assert not alike.any()
        assert (num_different == codes.shape[1]).all()
    else:
        of_query = drawn.classes[:, :-1] == drawn.classes[:, -1:]
        distinct = [len(set(row[mask])) for row, mask in zip(codes[:, :-1], of_query, strict=True)]
        assert (np.array(distinct) == num_exemplars).all()
        assert alike.all()


@pytest.mark.parametrize("family", [INDEPENDENT, NO_SUPPORT], ids=str)
def test_exemplars_of_separate_items_are_independent(family):
    drawn = draw(family, make_knobs())
    pairs = drawn.exemplars[:, 0] * 20 + drawn.exemplars[:, 5]
    assert_same_distribution(np.bincount(pairs, minlength=400), np.full(400, 1 / 400))


# ---- against plain NumPy

STATISTICS = {
    "query's class": lambda d: d.classes[:, -1],
    "first class": lambda d: d.classes[:, 0],
    "support": lambda d: context_counts(d.classes)[:, -1],
    "commonest count": lambda d: context_counts(d.classes)[:, :-1].max(1),
    "classes in sequence": lambda d: 1 + (np.diff(np.sort(d.classes, axis=1)) > 0).sum(1),
    "labels in sequence": lambda d: 1 + (np.diff(np.sort(d.labels, axis=1)) > 0).sum(1),
    "label of the query": lambda d: d.labels[:, -1],
    "right labels in context": lambda d: (d.labels[:, :-1] == d.labels[:, -1:]).sum(1),
    "copies of the query": lambda d: (
        (d.classes == d.classes[:, -1:]) & (d.exemplars == d.exemplars[:, -1:])
    ).sum(1),
    "query's class in the first half": lambda d: (d.classes[:, :4] == d.classes[:, -1:]).sum(1),
    "bursty": lambda d: d.is_bursty,
}
PLAIN = {
    "bursty": (BURSTY, lambda rng, s: reference.bursty(rng, s, 8, 3, 2)),
    "bursty, independent classes": (
        REFERENCE_CODE,
        lambda rng, s: reference.bursty(rng, s, 8, 3, 2, distinct=False),
    ),
    "independent": (INDEPENDENT, lambda rng, s: reference.independent(rng, s, 8)),
    "no support": (NO_SUPPORT, lambda rng, s: reference.no_support(rng, s, 8)),
    "few-shot": (FEWSHOT_TRAIN, lambda rng, s: reference.few_shot(rng, s, 4, 2)),
    "few-shot, held out": (
        FEWSHOT_HOLDOUT,
        lambda rng, s: reference.few_shot(rng, s, 4, 2, HOLDOUT),
    ),
    "mixture": (TRAIN, lambda rng, s: reference.mixture(rng, s, 0.5, 8, 3, 2)),
}


@pytest.mark.parametrize(
    "setting",
    [reference.Setting(12, 0.0, 1, 20), reference.Setting(7, 1.5, 3, 2)],
    ids=["uniform", "zipf, multiplicity"],
)
@pytest.mark.parametrize(("family", "plain"), PLAIN.values(), ids=PLAIN)
def test_against_plain_numpy(family, plain, setting):
    rng = np.random.default_rng(0)
    sequences = [plain(rng, setting) for _ in range(2000)]
    slow = reference.Drawn(*(np.array(part) for part in zip(*sequences, strict=True)))
    fast = draw(
        family,
        make_knobs(
            setting.num_classes,
            setting.zipf_exponent,
            multiplicity=setting.label_multiplicity,
            num_exemplars=setting.num_exemplars,
        ),
    )
    for name, statistic in STATISTICS.items():
        try:
            assert_same_samples(statistic(slow), statistic(fast))
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error


# ---- randomness and compilation


# One of each, the training families in their mixture.
SHORT = {
    "no support": NoSupport(2),
    "few-shot": FewShot(1, 2),
    "few-shot, held out": FewShot(1, 2, (4, 3)),
    "mixture": Mixture(Bursty(2, 1, 1), Independent(2)),
}


@pytest.mark.parametrize("family", SHORT.values(), ids=SHORT)
def test_same_words_same_sequence_however_it_is_run(family):
    knobs = make_knobs(4, 1.0, multiplicity=3, capacity=7)
    batch = jax.random.bits(jax.random.key(7), (2, family.num_words), jnp.uint32)
    jitted = jax.jit(family)
    mapped = jax.jit(jax.vmap(family, (0, None)), compiler_options=QUICKLY)(batch, knobs)
    for i, words in enumerate(batch):
        once = jitted(words, knobs)
        for other in (jitted(words, knobs), jax.tree.map(lambda x, i=i: x[i], mapped)):
            jax.tree.map(np.testing.assert_array_equal, once, other)
    jax.tree.map(np.testing.assert_array_equal, once, family(batch[-1], knobs))  # eager


@pytest.mark.parametrize("family", MAIN.values(), ids=MAIN)
def test_same_key_same_sequences(family):
    jax.tree.map(
        np.testing.assert_array_equal, draw(family, make_knobs()), draw(family, make_knobs())
    )


@pytest.mark.parametrize("family", MAIN.values(), ids=MAIN)
def test_other_keys_give_other_sequences(family):
    first, second = draw(family, make_knobs(), seed=1), draw(family, make_knobs(), seed=2)
    assert (first.classes != second.classes).any(1).mean() > 0.9
    assert (first.classes[1:] != first.classes[:-1]).any(1).mean() > 0.9
    assert (first.exemplars != second.exemplars).any(1).mean() > 0.9


@pytest.mark.parametrize("family", SHORT.values(), ids=SHORT)
def test_no_key_is_used_twice(family):
    def sequences(key, knobs, bank):
        index_key, noise_key = jax.random.split(key)
        indices = draw_indices(index_key, family, knobs, 2)
        return look_up(noise_key, indices, bank, knobs.noise_scale)

    knobs, bank = make_knobs(4, capacity=7), jnp.zeros((7, 20, 2, 2), jnp.uint8)
    with jax.debug_key_reuse(True):
        jax.jit(sequences, compiler_options=QUICKLY)(jax.random.key(0), knobs, bank)


def test_a_key_used_twice_would_be_noticed():
    with jax.debug_key_reuse(True), pytest.raises(jax.errors.KeyReuseError):
        jax.jit(lambda key: jax.random.bits(key) + jax.random.bits(key))(jax.random.key(0))


def test_all_knobs_share_one_program():
    num_traces = 0

    @functools.partial(jax.jit, compiler_options=QUICKLY)
    def sequences(key, knobs):
        nonlocal num_traces
        num_traces += 1
        return draw_indices(key, TRAIN, knobs, 16)

    outcomes = [
        sequences(jax.random.key(0), knobs)
        for knobs in (
            make_knobs(),
            make_knobs(p_bursty=0.0),
            make_knobs(num_classes=8),
            make_knobs(zipf_exponent=2.0),
            make_knobs(multiplicity=9),
            make_knobs(num_exemplars=3),
            make_knobs(noise_scale=0.3),
        )
    ]
    assert num_traces == 1
    for other in outcomes[1:-1]:  # and each of them matters
        assert any((a != b).any() for a, b in zip(outcomes[0], other, strict=True))


@pytest.mark.parametrize("family", [INDEPENDENT, NO_SUPPORT], ids=str)
def test_spare_capacity_changes_nothing(family):
    """A table for more classes, padded, gives the same classes bit for bit."""
    small, large = (make_knobs(10, 1.0, capacity=capacity) for capacity in (10, CAPACITY))
    first, second = draw(family, small), draw(family, large)
    jax.tree.map(np.testing.assert_array_equal, first, second)


# ---- look_up


def indices_of(classes, exemplars) -> IndexSequence:
    classes, exemplars = jnp.array(classes), jnp.array(exemplars)
    batch = classes.shape[:-1]
    return IndexSequence(
        classes, exemplars, classes + 100, jnp.zeros(batch, bool), jnp.ones(batch, jnp.int32)
    )


def test_pixels_are_scaled_and_otherwise_exact():
    bank = np.arange(3 * 2 * 5 * 7, dtype=np.uint8).reshape(3, 2, 5, 7)
    bank[0, 0, 0, 0], bank[2, 1, 4, 6] = 0, 255
    indices = indices_of([[2, 0, 1], [0, 0, 2]], [[1, 0, 1], [1, 0, 0]])
    sequence = look_up(jax.random.key(0), indices, jnp.array(bank))
    assert sequence.exemplars.dtype == jnp.float32
    expected = bank[np.array(indices.classes), np.array(indices.exemplars)].astype(np.float32) / 255
    np.testing.assert_allclose(sequence.exemplars, expected, rtol=1e-6)
    assert sequence.exemplars[0, 0, 4, 6] == 1
    assert sequence.exemplars[0, 1, 0, 0] == 0
    np.testing.assert_array_equal(sequence.labels, indices.labels)


def test_zero_noise_is_no_noise():
    bank = jnp.arange(12, dtype=jnp.uint8).reshape(3, 1, 4)
    indices = indices_of([[0, 1, 2]], [[0, 0, 0]])
    key = jax.random.key(0)
    np.testing.assert_array_equal(
        look_up(key, indices, bank, jnp.float32(0.0)).exemplars,
        look_up(key, indices, bank).exemplars,
    )


def test_features_pass_unscaled():
    bank = jnp.array([[[-3.0, 700.0]], [[0.5, 1e-9]]], jnp.float32)
    sequence = look_up(jax.random.key(0), indices_of([[1, 0]], [[0, 0]]), bank)
    np.testing.assert_array_equal(sequence.exemplars, bank[jnp.array([[1, 0]]), 0])


@pytest.mark.parametrize("noise_scale", [0.1, 2.0])
@pytest.mark.parametrize("dtype", [jnp.uint8, jnp.float32])
def test_noise_is_gaussian_and_each_items_own(noise_scale, dtype):
    """All items are the same exemplar: whatever differs is noise."""
    bank = jnp.full((1, 1, 8, 8), 51, dtype)
    level = 51 / 255 if dtype == jnp.uint8 else 51.0
    indices = indices_of(np.zeros((100, 9), int), np.zeros((100, 9), int))
    sequence = look_up(jax.random.key(3), indices, bank, jnp.float32(noise_scale))
    noise = (np.asarray(sequence.exemplars, np.float64) - level) / noise_scale
    size = noise.size
    assert abs(noise.mean()) * math.sqrt(size) < stats.norm.isf(ALPHA / 2)
    p_value = 2 * min(stats.chi2.cdf((noise**2).sum(), size), stats.chi2.sf((noise**2).sum(), size))
    assert p_value > ALPHA
    assert stats.kstest(noise.ravel()[:20_000], "norm").pvalue > ALPHA
    for one, other in (
        (noise[:, 1:], noise[:, :-1]),  # items of a sequence
        (noise[1:], noise[:-1]),  # sequences of a batch
        (noise[..., 1:, :], noise[..., :-1, :]),  # pixels of an item
        (noise[..., 1:], noise[..., :-1]),
    ):
        correlation = np.mean(one * other)
        assert abs(correlation) * math.sqrt(one.size) < stats.norm.isf(ALPHA / 2)
