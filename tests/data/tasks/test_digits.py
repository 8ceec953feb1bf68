"""Sequential digits on scikit-learn's images, which need no download."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from icl.config.tasks import DigitsTask, SklearnImages
from icl.data.tasks import make_task, make_task_knobs
from icl.data.tasks.digits import load_sklearn_digits
from icl.types import Trials

from ...chi_square import ALPHA, assert_same_distribution
from ...messages import refused

CONFIG = DigitsTask(source=SklearnImages())


@pytest.fixture(scope="module")
def sklearn_datasets():
    return pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")


def draw(config, num: int, test: bool = False, seed: int = 0, **knobs) -> Trials:
    task = make_task(config)
    function = jax.jit(task.draw_test if test else task.draw, static_argnums=1)
    knobs = make_task_knobs(config)._replace(**knobs)
    return Trials(*map(np.asarray, function(jax.random.key(seed), num, knobs, task.arrays)))


def test_the_split_is_of_all_digits_and_fixed(sklearn_datasets):
    train, test = load_sklearn_digits()
    assert (len(train.labels), len(test.labels)) == (1438, 359)
    both = np.concatenate([train.images, test.images])
    published = sklearn_datasets.load_digits()
    ours = sorted(zip((i.tobytes() for i in both), [*train.labels, *test.labels], strict=True))
    theirs = (image.astype(np.uint8).tobytes() for image in published.images)
    assert ours == sorted(zip(theirs, published.target, strict=True))
    again, _ = load_sklearn_digits()
    np.testing.assert_array_equal(again.images, train.images)
    # All digits are in both parts.
    assert set(train.labels) == set(test.labels) == set(range(10))


def test_images_come_row_by_row_with_their_digit(sklearn_datasets):
    trials = draw(CONFIG, 500)
    assert trials.inputs.shape == (500, 8, 8)
    assert trials.inputs.min() == 0
    assert trials.inputs.max() == 1
    train, _ = load_sklearn_digits()
    known = {image.tobytes(): label for image, label in zip(*train, strict=True)}
    pixels = (16 * trials.inputs).astype(np.uint8)
    assert [known[image.tobytes()] for image in pixels] == list(trials.targets[:, -1])
    assert (trials.targets == trials.targets[:, -1:]).all()
    assert (trials.weights == np.eye(8)[-1]).all()


def test_training_draws_all_images_as_often(sklearn_datasets):
    train, _ = load_sklearn_digits()
    trials = draw(CONFIG, 50_000)
    number = {image.tobytes(): n for n, image in enumerate(train.images)}
    assert len(number) == len(train.images)
    pixels = (16 * trials.inputs).astype(np.uint8)
    counts = np.bincount([number[image.tobytes()] for image in pixels], minlength=len(number))
    assert_same_distribution(counts, np.full(len(number), 1 / len(number)))


def test_a_test_goes_through_the_held_out_images(sklearn_datasets):
    _, test = load_sklearn_digits()
    known = sorted(image.tobytes() for image in test.images)
    for num, copies in ((100, None), (359, 1), (718, 2)):
        pixels = (16 * draw(CONFIG, num, test=True).inputs).astype(np.uint8)
        drawn = sorted(image.tobytes() for image in pixels)
        assert set(drawn) <= set(known)
        if copies is None:
            assert len(set(drawn)) == num
        else:
            assert drawn == sorted(known * copies)


@pytest.mark.parametrize("test", [False, True])
def test_delay_and_noise(sklearn_datasets, test):
    config = CONFIG.model_copy(update={"delay": 3, "sigma": 0.5})
    trials = draw(config, 2000, test)
    noise = trials.inputs - draw(config, 2000, test, noise=None).inputs
    assert trials.inputs.shape == (2000, 11, 8)
    assert (trials.inputs[:, 8:] == 0).all()
    assert (trials.weights == np.eye(11)[-1]).all()
    flat = noise[:, :8].ravel() / 0.5
    assert stats.kstest(flat[::7], "norm").pvalue > ALPHA
    z = (noise[:, :8].var(0) / 0.25 - 1) * np.sqrt(2000 / 2)
    assert np.abs(z).max() < stats.norm.isf(ALPHA / 2 / 64)


def test_pack_and_keys(sklearn_datasets):
    task, knobs = make_task(CONFIG), make_task_knobs(CONFIG)._replace(noise=jnp.float32(1))
    keys = jax.random.split(jax.random.key(1), 2)
    for function in (task.draw, task.draw_test):
        single = jax.jit(lambda key, function=function: function(key, 4, knobs, task.arrays))
        packed = jax.jit(jax.vmap(single))(keys)
        for number in range(2):
            alone = single(keys[number])
            np.testing.assert_allclose(alone.inputs, packed.inputs[number], atol=1e-6)
            np.testing.assert_array_equal(alone.targets, packed.targets[number])
        with jax.debug_key_reuse(True):
            jax.jit(lambda key, function=function: function(key, 2, knobs, task.arrays))(
                jax.random.key(5)
            )


def test_digits_without_scikit_learn_are_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with refused("task.source.kind = sklearn", "icl[tasks]"):
        make_task(CONFIG)
