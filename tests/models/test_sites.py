"""Sites: every one can be read and edited, and costs nothing where nobody does either."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from icl.config.networks import NETWORKS
from icl.types import Variables

from ..conftest import QUICKSTART
from . import numpy_transformer
from .cases import BATCH, ITEMS, TOKENS, make_case, make_sequence, moved
from .task_cases import CHANNELS, STEPS, TASK_NETWORKS, TRIALS, UNITS, make_task_case

DOCS = QUICKSTART.parent.parent / "docs" / "networks.md"
every_kind = pytest.mark.parametrize("kind", NETWORKS)
every_task_network = pytest.mark.parametrize("kind", TASK_NETWORKS)


def same(value: jax.Array) -> jax.Array:
    return value


# Every site can be edited.


@every_kind
def test_an_edit_that_changes_nothing_changes_not_a_bit(kind):
    """The compiler is given the same program."""
    case, sequence = make_case(kind, "linear"), make_sequence("linear")
    edited = []

    def text(edits):
        answer = jax.jit(lambda v, s: case.network.apply(v, s, edits=edits)[0])
        return answer.lower(case.variables, sequence).as_text()

    def same_at(site):
        def edit(value):
            edited.append(site)
            return value

        return edit

    sites = case.query(case.variables, sequence)[1]
    assert text({site: same_at(site) for site in sites}) == text({})
    assert set(edited) == set(sites)


@pytest.mark.parametrize(
    ("kind", "training"), [*((kind, False) for kind in NETWORKS), ("transformer", True)]
)
def test_an_edit_of_any_site_changes_the_answers(kind, training):
    """Each site in turn is put to zero, by one program, which has the factors of all as inputs."""
    case, sequence = make_case(kind, "linear"), make_sequence("linear")
    sites = sorted(case.query(case.variables, sequence)[1])

    @jax.jit
    def answer(factors):
        edits = {
            site: lambda value, i=i: value * factors[i].astype(value.dtype)
            for i, site in enumerate(sites)
        }
        return case.network.apply(case.variables, sequence, training=training, edits=edits)[0]

    before = answer(jnp.ones(len(sites)))
    np.testing.assert_allclose(
        before, case.query(case.variables, sequence)[0], rtol=1e-4, atol=1e-5
    )
    for i, site in enumerate(sites):
        after = answer(jnp.ones(len(sites)).at[i].set(0))
        assert np.abs(after - before).max() > 1e-4, site


@every_task_network
def test_sites_of_networks_for_tasks_can_be_edited(kind):
    network, params, inputs = make_task_case(kind)
    logits, aux = network.apply(params, inputs)
    edited, _ = network.apply(params, inputs, edits=dict.fromkeys(aux, same))
    np.testing.assert_array_equal(edited, logits)
    for site in aux:
        edited, notes = network.apply(params, inputs, edits={site: jnp.zeros_like})
        assert np.abs(edited - logits).max() > 1e-3, site
        assert (notes[site] == 0).all()


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm", "ctrnn"])
def test_an_edit_of_hidden_states_acts_after_the_recurrence(kind):
    case, sequence = make_case(kind, "linear"), make_sequence("linear")
    edits = {"block0/hidden": lambda hidden: hidden.at[:, 0].set(0)}
    before = case.full(case.variables, sequence)[1]
    after = case.network.apply(case.variables, sequence, query_only=False, edits=edits)[1]
    assert (after["block0/hidden"][:, 0] == 0).all()
    for name in ("block0/hidden", "block0/out"):
        np.testing.assert_allclose(after[name][:, 1:], before[name][:, 1:], rtol=1e-5, atol=1e-6)


# Edits of attention do what they do when written by hand.


def zero_head(heads):
    """Set the second head to zero; the last axes are [head, dim]."""
    return heads * np.array([1, 0], np.float32)[:, None]


def look_at_the_first(pattern):
    """Every token of every head attends to the first token alone."""
    return 0 * pattern + (np.arange(pattern.shape[-1]) == 0)


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("site", "edit"),
    [("heads", zero_head), ("attention", look_at_the_first)],
    ids=["heads", "attention"],
)
def test_attention_is_edited_as_in_numpy(site, edit, training, layer):
    case, sequence = make_case("transformer", "linear"), make_sequence("linear")
    variables = moved(case.variables, scale=0.3)
    edits = {f"block{layer}/{site}": edit}
    logits, aux = case.network.apply(variables, sequence, training, query_only=False, edits=edits)
    plain, _ = case.full(variables, sequence)
    assert np.abs(logits - plain).max() > 0.01
    params, state = jax.tree.map(lambda a: np.asarray(a, np.float64), variables)
    for i in range(BATCH):
        embedded = numpy_transformer.embed_linear(
            np.asarray(sequence.exemplars[i]), params["embedder"], {}
        )
        labels = sequence.labels[i, :-1]
        expected, patterns = numpy_transformer.transformer(
            params, state, case.config, embedded, labels, edits={layer: {site: edit}}
        )
        np.testing.assert_allclose(logits[i], expected, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(aux["block1/attention"][i], patterns[1], atol=1e-5)


def test_an_edited_block_has_the_attention_that_jax_differentiates():
    case, sequence = make_case("transformer", "linear"), make_sequence("linear")

    def slope(edits):
        def answer(params):
            variables = Variables(params, case.variables.state)
            return case.network.apply(variables, sequence, training=True, edits=edits)[0].sum()

        return jax.jvp(answer, (case.variables.params,), (case.variables.params,))[1]

    assert np.isfinite(slope({f"block{i}/{name}": same for i, name in enumerate(("key", "heads"))}))
    with pytest.raises(TypeError, match="forward-mode"):
        slope({"block0/out": same, "block1/heads": same})


# Mistakes.


def test_an_unknown_site_is_refused_with_those_there_are():
    case, sequence = make_case("transformer", "linear"), make_sequence("linear")
    with pytest.raises(ValueError, match=r"'block2/out'.*; .*block1/out"):
        case.network.apply(case.variables, sequence, edits={"block2/out": same})
    network, params, inputs = make_task_case("gru")
    with pytest.raises(ValueError, match=r"'embedded'.*; .*input, hidden"):
        network.apply(params, inputs, edits={"embedded": same})


@pytest.mark.parametrize(
    "edit", [lambda x: x[..., :1], lambda x: x.astype(jnp.bfloat16)], ids=["shape", "type"]
)
def test_an_edit_keeps_shape_and_type(edit):
    case, sequence = make_case("transformer", "linear"), make_sequence("linear")
    with pytest.raises(ValueError, match=r"edits\['embedded'\].*float32\[4, 4, 16\]"):
        case.network.apply(case.variables, sequence, edits={"embedded": edit})


# The documentation.


def test_the_example_of_the_documentation_runs():
    case, sequence = make_case("transformer", "linear"), make_sequence("linear")
    text = DOCS.read_text().partition("\n## Sites\n")[2].partition("\n## ")[0]
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names = {"network": case.network, "variables": case.variables, "sequence": sequence}
    exec(code, names)
    assert names["pattern"].shape == (BATCH, 2, TOKENS, TOKENS)
    assert (names["aux"]["block0/heads"][:, :, 1] == 0).all()
    assert (names["logits"] != case.query(case.variables, sequence)[0]).any()


def table_of_sites() -> list[tuple[str, str, str]]:
    """Rows: names of sites, networks, shape."""
    text = DOCS.read_text().partition("\n## Sites\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \| (.*?) \| \[(.*?)\] \|", text, re.MULTILINE)
    assert rows
    return rows


def documented(kind: str, sizes: dict[str, int], num_layers: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the sites of a network, by name, as the table has them."""
    found = {}
    for names, kinds, shape in table_of_sites():
        if kinds == "all" or kind in re.findall(r"`(.*?)`", kinds):
            dims = tuple(sizes[dim] if dim in sizes else int(dim) for dim in shape.split(", "))
            for name in re.findall(r"`(.*?)`", names):
                for i in range(num_layers if "*" in name else 1):
                    found[name.replace("*", str(i))] = dims
    return found


@every_kind
def test_the_table_of_sites_is_that_of_the_network(kind):
    case, sequence = make_case(kind, "linear"), make_sequence("linear")
    config = case.config
    heads = getattr(config, "num_heads", 1)
    sizes = {
        "batch": BATCH,
        "item": ITEMS,
        "token": TOKENS,
        "out": TOKENS,
        "width": config.width,
        "item_width": config.item_width,
        "head": heads,
        "dim": config.width // heads,
        "channel": getattr(config, "expand", 1) * config.width,
        "state": getattr(config, "state_dim", 1),
    }
    for last, answer in ((TOKENS, case.full), (1, case.query)):
        aux = answer(case.variables, sequence)[1]
        first_blocks = documented(kind, sizes, config.num_layers)
        last_block = documented(kind, sizes | {"out": last}, config.num_layers)
        end = f"block{config.num_layers - 1}/"
        expected = {
            name: (last_block if name.startswith(end) else first_blocks)[name]
            for name in first_blocks
        }
        assert {name: value.shape for name, value in aux.items()} == expected


@every_task_network
def test_the_table_of_sites_is_that_of_the_network_for_tasks(kind):
    network, params, inputs = make_task_case(kind)
    out = 1 if kind == "feed_forward" else STEPS
    sizes = {"batch": TRIALS, "step": STEPS, "channel": CHANNELS, "out": out, "width": UNITS}
    aux = network.apply(params, inputs)[1]
    found = {name: value.shape for name, value in aux.items()}
    text = DOCS.read_text().partition("\n## Sites\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^- `(\w+)`, \[(.*?)\]", text, re.MULTILINE)
    assert found == {name: tuple(sizes[dim] for dim in dims.split(", ")) for name, dims in rows}
