"""Counts of parameters, operations and memory, against counts by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from icl.config.networks import TransformerConfig
from icl.models.network import make_network
from icl.problems.cost import count_flops, count_parameters, forward_flops, training_cost
from icl.types import Sequence

WIDTH, CONTEXT, PIXELS, LABELS, HIDDEN = 16, 3, 9, 11, 8


def flops(function, *shapes) -> int:
    arrays = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return count_flops(jax.make_jaxpr(function)(*arrays).jaxpr)


def test_matrix_products():
    assert flops(jnp.matmul, (3, 4), (4, 5)) == 2 * 3 * 4 * 5
    assert flops(lambda a, b: jnp.einsum("bij,bkj->bik", a, b), (7, 2, 3), (7, 5, 3)) == 420
    assert flops(jnp.add, (3, 4), (3, 4)) == 0


@pytest.mark.parametrize("stride", [1, 2])
def test_convolutions_and_their_gradients(stride: int):
    """6 x 6 pixels, 3 to 5 channels, 3 x 3: each of the three products has as many terms."""

    def convolve(image, kernel):
        dims = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(image, kernel, (stride,) * 2, "SAME", None, None, dims)

    shapes = (2, 6, 6, 3), (3, 3, 3, 5)
    forward = 2 * 2 * (6 // stride) ** 2 * 5 * 27
    assert flops(convolve, *shapes) == forward

    def backward(image, kernel):
        out, pull = jax.vjp(convolve, image, kernel)
        return pull(out)

    assert flops(backward, *shapes) == 3 * forward


def test_programs_within_programs():
    def often(a, b):
        return jax.lax.scan(lambda c, _: (jax.jit(jnp.matmul)(c, b), None), a, length=4)

    assert flops(often, (3, 3), (3, 3)) == 4 * 54

    def either(a, b):
        return jax.lax.cond(a[0, 0] > 0, lambda: a @ b @ b, lambda: a @ b)

    assert flops(either, (3, 3), (3, 3)) == 2 * 54


def make(embedder: dict, num_layers: int = 2):
    config = TransformerConfig.model_validate(
        {"width": WIDTH, "num_heads": 2, "num_layers": num_layers, "embedder": embedder}
    )
    network = make_network(config, LABELS, np.ones((5, 3, 3), np.float32), 5)
    return network, jax.eval_shape(network.init, jax.random.key(0))


def sequences(batch: int) -> Sequence:
    return jax.eval_shape(
        lambda: Sequence(
            jnp.zeros((batch, CONTEXT + 1, 3, 3)), jnp.zeros((batch, CONTEXT + 1), jnp.int32)
        )
    )


@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_a_transformer_by_hand(kind: str, num_layers: int):
    """All of the attention of all tokens, where the last block is at the query alone."""
    embedder = {"kind": kind} | ({"hidden_dim": HIDDEN} if kind == "mlp" else {})
    network, variables = make(embedder, num_layers)
    tokens, w = 2 * CONTEXT + 1, WIDTH
    first = PIXELS * (w if kind == "linear" else HIDDEN)
    embed = first if kind == "linear" else first + HIDDEN * w
    block = tokens * (3 * w * w + w * w + 8 * w * w) + 2 * tokens * tokens * w
    last = tokens * 2 * w * w + w * w + w * w + 8 * w * w + 2 * tokens * w
    forward = 2 * ((CONTEXT + 1) * embed + (num_layers - 1) * block + last + w * LABELS)
    assert forward_flops(network.apply, variables, sequences(1)) == forward
    assert forward_flops(network.apply, variables, sequences(3)) == 3 * forward
    training, _ = training_cost(network.apply, variables, sequences(1))
    # Twice the forward for the gradients, but none towards the pixels.
    assert training == 3 * forward - 2 * (CONTEXT + 1) * first


def test_the_formula_of_the_benchmark_is_that_without_the_unseen_half(small_config):
    from benchmarks.flops import training_flops_per_sequence

    config = small_config("data.source.size=8", "model.num_layers=2")
    network = make_network(config.model, config.data.num_labels, np.ones((5, 8, 8), np.float32), 40)
    variables = jax.eval_shape(network.init, jax.random.key(0))
    sequence = jax.eval_shape(
        lambda: Sequence(jnp.zeros((1, 9, 8, 8)), jnp.zeros((1, 9), jnp.int32))
    )
    unseen = 17 * 16 // 2 * 2 * 2 * config.model.width * (config.model.num_layers - 1)
    counted, _ = training_cost(network.apply, variables, sequence)
    assert counted == training_flops_per_sequence(config) + 3 * unseen


def test_parts_are_all_parameters():
    _, variables = make({"kind": "mlp", "hidden_dim": HIDDEN}, 3)
    parts = count_parameters(variables.params)
    assert sum(parts.values()) == sum(x.size for x in jax.tree.leaves(variables.params))
    assert parts["embedder"] == PIXELS * HIDDEN + HIDDEN + HIDDEN * WIDTH + WIDTH
    assert parts["label_table"] == LABELS * WIDTH
    assert parts["block.mixer"] == 3 * 4 * (WIDTH * WIDTH + WIDTH)
    assert parts["readout"] == WIDTH * LABELS + LABELS


def test_parts_of_any_network():
    tree = {"mix": {"a": np.ones(2)}, "cell0": {"gate": np.ones(3)}, "cell1": np.ones(4)}
    assert count_parameters(tree) == {"mix": 2, "cell.gate": 3, "cell": 4}


def test_memory_of_a_linear_layer_is_its_input():
    """What the gradient needs: the input, the logits' softmax; the weights are there already."""

    def apply(variables, sequence, training):
        x = sequence.exemplars[:, -1].reshape(-1, PIXELS)
        return (x @ variables.params["w"])[:, None], {"state": {}}

    variables = jax.eval_shape(
        lambda: make({"kind": "linear"})[1]._replace(params={"w": jnp.zeros((PIXELS, 100))})
    )
    _, memory = training_cost(apply, variables, sequences(1))
    inputs = 4 * (CONTEXT + 1) * PIXELS + 4 * (CONTEXT + 1)
    assert inputs + 4 * (PIXELS + 100) <= memory <= inputs + 4 * (PIXELS + 3 * 100)


def test_memory_grows_with_sequences_and_not_with_what_they_share():
    network, variables = make({"kind": "mlp", "hidden_dim": HIDDEN})
    one, three = (training_cost(network.apply, variables, sequences(batch))[1] for batch in (1, 3))
    assert three == pytest.approx(3 * one, abs=100)
    deeper, more = make({"kind": "mlp", "hidden_dim": HIDDEN}, 4)
    assert training_cost(deeper.apply, more, sequences(1))[1] > 1.5 * one
