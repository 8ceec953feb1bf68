"""Every example of docs/parts.md works: a part of each sort, used as those built in are."""

import re
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from icl.analysis.claims import judge
from icl.analysis.figures.measures import draw_measures
from icl.config.conditions import condition_of, strategies_of
from icl.config.grid import make_sweep as expand
from icl.config.parts import PARTS
from icl.config.sweeps import SweepConfig
from icl.config.yaml import load_config, parse_config
from icl.data.bits import RandomBits
from icl.data.families.make import make_family
from icl.data.knobs import make_knobs
from icl.data.sources.load import load_exemplars
from icl.data.tasks import make_task, make_task_knobs
from icl.evaluation.conditions import make_conditions
from icl.models.initial import connect, make_numbers
from icl.models.layers import Layers
from icl.models.mixers.find import find_mixer
from icl.models.network import make_network
from icl.models.sites import Sites
from icl.probes.find import measure
from icl.probes.view import View
from icl.records.run_directory import RunDirectory
from icl.runs.loggers import Label, Logged, Loggers, check_loggers
from icl.training.losses import sequence_loss
from icl.training.optimizer import make_rates
from icl.types import ExemplarBank, Sequence, Variables

from .analysis.synthetic import make_sweep
from .conftest import QUICKSTART
from .messages import errors, refused
from .outside import DOCS, code_of, imported

pytestmark = pytest.mark.usefixtures("registry")


@pytest.fixture
def example(registry: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """(what, page) -> the module that the docs show after `**A what**`."""

    def make(what: str) -> ModuleType:
        name = f"outside_{what.split()[-1]}"
        return imported(name, code_of("parts.md", f"**{what}**"), tmp_path, monkeypatch)

    return make


def test_the_page_has_a_row_for_each_sort():
    text = (DOCS / "parts.md").read_text()
    assert sorted(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == sorted(PARTS)


SPIRALS = ("data.source.kind=spirals", "data.num_classes=50", "data.num_holdout_classes=10")


def test_a_source(example, monkeypatch: pytest.MonkeyPatch):
    example("A source")
    source = load_config(QUICKSTART, [*SPIRALS, "data.source.turns=3"]).data.source
    bank = load_exemplars(source)
    assert isinstance(bank, ExemplarBank)
    assert bank.exemplars.shape == (64, 20, 2)
    radii = np.linalg.norm(bank.exemplars, axis=-1)
    np.testing.assert_allclose(radii, np.broadcast_to(np.linspace(0.1, 1, 20), (64, 20)), rtol=1e-5)
    np.testing.assert_allclose(bank.exemplars[16, -1], [0, 1], atol=1e-5)  # a quarter, three turns


@pytest.mark.parametrize(
    ("give", "found"),
    [
        (lambda settings: [1, 2], "a list"),
        (lambda settings: ExemplarBank(np.zeros((5, 20, 2)), ("x",) * 5), "num_classes 5"),
        (lambda settings: ExemplarBank(np.zeros((64, 9, 2)), ("x",) * 64), "num_exemplars 9"),
        (lambda settings: ExemplarBank(np.zeros((64, 20, 3)), ("x",) * 64), "shape (3,)"),
    ],
    ids=["type", "classes", "exemplars", "shape"],
)
def test_a_source_gives_what_its_settings_say(example, give, found: str):
    settings = example("A source").SpiralSource
    give.__module__, give.__qualname__ = "outside_source", "spirals"
    import icl.register

    icl.register.source("spirals", give, settings=settings)
    with refused("data.source.kind = spirals", found):
        load_exemplars(settings())


ALTERNATING = ("data.families={ab: {kind: alternating}}", "data.mixture={ab: 1}")


def test_a_family(example):
    example("A family")
    config = load_config(QUICKSTART, [*ALTERNATING, "evaluation.conditions=[ab]"])
    family = make_family(config.data.family("ab"), config.data)
    knobs = make_knobs(config.data, 1623, 20)
    bits = jax.random.bits(jax.random.key(0), (100, 64), jnp.uint32)
    drawn = jax.jit(jax.vmap(lambda own: family(RandomBits(own), knobs)))(bits)
    classes = np.asarray(drawn.classes)
    assert classes.shape == (100, config.data.context_len + 1)
    assert (classes[:, 2:] == classes[:, :-2]).all()
    assert (classes[:, 0] != classes[:, 1]).all()
    assert strategies_of(config) == {"ab": ""}


def test_a_family_is_as_long_as_the_mixture_needs(example):
    example("A family")
    [line] = errors(
        "data.families={ab: {kind: alternating, context_len: 4}}", "data.mixture={ab: 1}"
    )
    assert line.startswith("data.families.ab.context_len = 4; allowed: data.context_len = 8")


def sequence(exemplars: np.ndarray) -> Sequence:
    """Exemplars with the labels 0, 1, 2, ..."""
    batch, items = exemplars.shape[:2]
    labels = jnp.broadcast_to(jnp.arange(items), (batch, items))
    return Sequence(jnp.asarray(exemplars), labels, jnp.zeros(batch, jnp.uint32))


def test_a_network_and_an_embedder(example):
    example("A network"), example("An embedder")
    config = load_config(
        QUICKSTART,
        ["model={kind: mean, width: 8, num_layers: 1, embedder: {kind: waves, num_waves: 3}}"],
    )
    examples = np.random.default_rng(0).random((2, 3, 5), np.float32)
    network = make_network(config.model, 3, examples[0], 4)
    variables = jax.eval_shape(network.init, jax.random.key(0))
    assert variables.params["embedder"]["out"]["kernel"].shape == (15, 8)
    logits, aux = jax.eval_shape(network.apply, variables, sequence(examples))
    assert (logits.shape, aux["block0/value"].shape) == ((2, 1, 3), (2, 5, 8))
    mixer, sites = find_mixer("mean")(config.model, Layers(nnx.Rngs(0))), Sites()
    x = np.random.default_rng(0).random((2, 4, 8), np.float32)
    mixed, value = mixer(x, False, sites), sites.notes["value"]
    np.testing.assert_allclose(mixed[:, -1], value.mean(axis=1), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(mixed[:, 0], value[:, 0])


def test_an_embedder_reads_the_exemplars_that_it_says(example):
    example("An embedder")
    symbols = ("data.source={kind: symbolic}", "model.embedder.kind=waves")
    [line] = errors(*symbols)
    assert line.startswith("model.embedder.kind = waves; allowed for data.source (symbolic)")
    assert load_config(QUICKSTART, ["model.embedder.kind=waves"]).model.embedder.num_waves == 4


def test_a_task(example):
    example("A task")
    config = parse_config({"task": {"kind": "parity", "length": 6}})
    task = make_task(config.task)
    draw = jax.jit(task.draw, static_argnums=1)
    trials = draw(jax.random.key(0), 50, make_task_knobs(config.task), task.arrays)
    assert (trials.targets[:, -1] == trials.inputs[..., 0].sum(axis=1) % 2).all()
    assert (config.task.num_choices, task.num_steps) == (2, 6)


def test_an_initializer(example):
    example("An initializer")
    config = load_config(QUICKSTART, ["connectivity={readout: {kind: banded, reach: 2, gain: 3}}"])
    params = {"readout": {"kernel": jnp.ones((40, 40))}}
    numbers = make_numbers(config.connectivity)
    changed = jax.jit(lambda key: connect(key, params, {}, config.connectivity, numbers))(
        jax.random.key(0)
    )
    matrix = np.asarray(changed["readout"]["kernel"])
    is_near = np.abs(np.subtract.outer(np.arange(40), np.arange(40))) <= 2
    assert (matrix[~is_near] == 0).all()
    assert np.std(matrix[is_near]) == pytest.approx(3 / 40**0.5, rel=0.2)


def test_a_loss(example):
    example("A loss")
    config = load_config(QUICKSTART, ["training.loss=focal"])
    logits = jnp.log(jnp.array([[[0.25, 0.75]], [[0.5, 0.5]]]))

    def apply(variables, sequence, training):
        return logits, {"state": {}}

    loss = sequence_loss(apply, make_rates(config.training), config.training.loss)
    batch = Sequence(jnp.zeros((2, 1)), jnp.array([[1], [0]]), None)
    expected = (-(0.25**2) * np.log(0.75) - 0.5**2 * np.log(0.5)) / 2
    assert float(loss(Variables({}, {}), batch)[0]) == pytest.approx(expected, rel=1e-5)


def test_a_loss_gives_a_number_for_each_answer(example):
    import icl.register

    icl.register.loss("mean", lambda logits, labels: logits.mean())
    training = load_config(QUICKSTART, ["training.loss=mean"]).training
    loss = sequence_loss(
        lambda *_, **__: (jnp.zeros((2, 1, 3)), {"state": {}}), make_rates(training), training.loss
    )
    batch = Sequence(jnp.zeros((2, 1)), jnp.zeros((2, 1), jnp.int32), None)
    with refused("training.loss = mean", "a number for each answer"):
        loss(Variables({}, {}), batch)


def test_a_task_has_its_own_loss(example):
    example("A loss")
    tree = {"task": {"kind": "two_alternative"}, "training": {"loss": "focal"}}
    with refused("training.loss = focal", "cross_entropy"):
        parse_config(tree)


def test_a_condition(example):
    example("A condition")
    config = load_config(QUICKSTART, ["evaluation.conditions=[one_shot, no_support]"])
    assert strategies_of(config) == {"one_shot": "ICL", "no_support": "IWL"}
    family = make_conditions(config.data, config.evaluation)["one_shot"]
    assert family.pattern == (1,) * 8
    assert condition_of("one_shot").label == "ICL: one shot of eight ways"
    assert condition_of("one_shot").metric == "accuracy_in_context"


CLAIM = {
    "kind": "between",
    "text": "It is between",
    "condition": "no_support",
    "metric": "loss",
    "low": 0.0,
    "high": 100.0,
}


def test_a_claim(example):
    example("A claim")
    sweep = SweepConfig.model_validate({"grid": {"seed": [0, 1, 2]}, "claims": [CLAIM]})
    assert expand("own", sweep).config.claims[0].high == 100
    claims = [CLAIM, CLAIM | {"low": 50.0}]
    assert [verdict.verdict for verdict in judge(make_sweep(claims=claims))] == ["pass", "fail"]


@pytest.fixture
def sparsity(registry: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = code_of("parts.md", "by its name in any config")
    imported("outside_probe", code, tmp_path, monkeypatch)


@pytest.mark.usefixtures("sparsity")
def test_a_probe():
    config = load_config(QUICKSTART, ["evaluation.probes=[sparsity]"])
    assert config.evaluation.probes == ("sparsity",)
    hidden = jnp.array([[0.0, 1.0], [2.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
    view = View(*[None] * len(View._fields))._replace(
        hidden=lambda variables: hidden, twice=lambda look: (look(None), look(None))
    )
    assert {name: float(value) for name, value in measure(view, ["sparsity"]).items()} == {
        "sparsity": 0.5
    }


def test_the_probe_of_its_own_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    imported("outside_looks", code_of("probes.md", "## A probe of your own"), tmp_path, monkeypatch)
    assert load_config(QUICKSTART, ["evaluation.probes=[looks]"]).evaluation.probes == ("looks",)
    pattern = jnp.arange(2.0 * 3 * 4 * 4).reshape(2, 3, 4, 4)  # sequence, head, to, from
    view = View(*[None] * len(View._fields))._replace(
        apply=lambda variables, inputs: (None, {"block0/attention": pattern})
    )
    found = measure(view, ["looks"])["query_attention"]
    np.testing.assert_array_equal(found, (pattern[0, :, 3] + pattern[1, :, 3]) / 2)


@pytest.mark.usefixtures("sparsity")
def test_a_probes_numbers_are_claimed_and_drawn():
    claim = {"kind": "above", "text": "x", "condition": "no_support", "threshold": 0.0}
    claims = [claim | {"metric": "sparsity"}]
    sweep = make_sweep({"data.p_bursty": [0.0, 1.0]}, num_steps=3, claims=claims)
    sweep = sweep.assign(sparsity=sweep.accuracy + 1)
    assert [verdict.verdict for verdict in judge(sweep)] == ["pass"]
    figure = draw_measures(sweep)["measures_data.p_bursty"]
    assert "sparsity" in {axes.get_title() for axes in figure.axes}


def test_a_logger(example, tmp_path: Path):
    example("A logger")
    check_loggers(("table",))
    record = {"step": 5, "train": {"loss": 1.0}, "conditions": {"x": {"accuracy": 0.25}}}
    with RunDirectory(tmp_path / "run", load_config(QUICKSTART)) as directory, ExitStack() as stack:
        directory.begin({})
        Logged(Loggers(("table",), {directory: Label()}, stack)).evaluated(directory, record)
    assert (tmp_path / "run" / "accuracies.txt").read_text() == "5 x/accuracy 0.250\n"
