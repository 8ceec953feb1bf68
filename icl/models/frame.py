"""The frame that all mixers share: embedders, positions, blocks and the readout."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, UInt32

from icl.config.networks import NetworkConfig
from icl.config.parts import find
from icl.models.embedders import EMBEDDERS
from icl.models.layers import Constant, Data, Layers, sinusoidal_positions
from icl.models.mixers.find import find_mixer
from icl.models.noise import Shift, drop
from icl.models.sites import Sites
from icl.types import Sequence


class Block(nnx.Module):
    """x + mixer(norm(x)), then x + mlp(norm(x)). The MLP has one hidden layer of GELU units.

    Sites: those of the mixer; `mixer` and `mlp`, the two updates; `out`.
    """

    def __init__(self, config: NetworkConfig, layers: Layers):
        width, hidden = config.width, config.mlp_ratio * config.width
        self.residual = config.residual
        has_norm = config.norm == "pre"
        self.mixer_norm = layers.layer_norm(width) if has_norm else None
        self.mixer = find_mixer(config.kind)(config, layers)
        self.mlp_norm = layers.layer_norm(width) if has_norm and hidden else None
        self.mlp_in = layers.linear(width, hidden) if hidden else None
        self.mlp_out = layers.linear(hidden, width) if hidden else None

    def __call__(
        self, x: Float[Array, "batch token width"], query_only: bool, sites: Sites
    ) -> Float[Array, "batch out width"]:
        """Output of all tokens, or of the last alone if `query_only`."""
        update = sites.site("mixer", self.mixer(_normed(self.mixer_norm, x), query_only, sites))
        x = self._add(x[:, -1:] if query_only else x, update)
        if self.mlp_in is not None and self.mlp_out is not None:
            hidden = jax.nn.gelu(self.mlp_in(_normed(self.mlp_norm, x)))
            x = self._add(x, sites.site("mlp", self.mlp_out(hidden)))
        return sites.site("out", x)

    def _add(self, x: Array, update: Array) -> Array:
        return x + update if self.residual else update.astype(jnp.float32)


def _normed(norm: nnx.LayerNorm | None, x: Array) -> Array:
    return x if norm is None else norm(x)


class Head(nnx.Module):
    """ReLU layers between the last block and the readout.

    With `head_bias: scalar` all units of a layer share one bias (Reddy 2023).
    """

    def __init__(self, config: NetworkConfig, layers: Layers):
        self.num_layers = len(config.head)
        is_scalar, width = config.head_bias == "scalar", config.width
        for i, units in enumerate(config.head):
            setattr(self, f"layer{i}", layers.linear(width, units, bias=not is_scalar))
            if is_scalar:
                setattr(self, f"bias{i}", layers.param(nnx.initializers.zeros, 1))
            width = units

    def __call__(self, x: Float[Array, "*batch width"]) -> Float[Array, "*batch units"]:
        for i in range(self.num_layers):
            bias = getattr(self, f"bias{i}", None)
            x = getattr(self, f"layer{i}")(x)
            x = jax.nn.relu(x if bias is None else x + bias[...])
        return x


class Labels(nnx.Module):
    """A vector for each label."""

    def __init__(self, config: NetworkConfig, num_labels: int, layers: Layers):
        width, std = config.label_width, config.label_init_std
        if config.labels == "one_hot":
            self.embedding: nnx.Variable = Constant(jnp.eye(num_labels, width))
        elif config.labels == "fixed":
            init = nnx.initializers.normal(std)
            self.embedding = Constant(layers.param(init, num_labels, width)[...])
        else:
            init = nnx.initializers.truncated_normal(std)
            self.embedding = layers.param(init, num_labels, width)

    def __call__(self, labels: Int[Array, "*batch"]) -> Float[Array, "*batch width"]:
        return self.embedding[...][labels]


class SequenceNetwork(nnx.Module):
    """Exemplars and labels become tokens, blocks mix them, and the last token is read out.

    Sites: `embedded`, the exemplars; `tokens`, the input of the first block; `block{i}/...`.
    """

    def __init__(
        self,
        config: NetworkConfig,
        num_labels: int,
        data: Data,
        layers: Layers,
    ):
        self.config = config
        make_embedder = find(EMBEDDERS, "embedder", config.embedder.kind)
        self.embedder = make_embedder(config.embedder, data, config.item_width, layers)
        self.shift = Shift(config.max_shift) if config.max_shift else None
        self.label_table = Labels(config, num_labels, layers)
        if config.positions.kind == "learned":
            init = nnx.initializers.truncated_normal(config.positions.init_std)
            self.position_table = layers.param(init, config.positions.max_tokens, config.width)
        for i in range(config.num_layers):
            setattr(self, f"block{i}", Block(config, layers))
        has_final_norm = config.norm == "pre" and config.final_norm
        self.norm = layers.layer_norm(config.width) if has_final_norm else None
        self.head = Head(config, layers) if config.head else None
        read = config.head[-1] if config.head else config.width
        # The readout is float32 throughout, because the loss takes logarithms of what it gives.
        float32 = Layers(layers.rngs)
        if config.readout == "free":
            self.readout = float32.linear(read, num_labels, config.readout_bias)
        elif config.readout_bias:
            self.readout_bias = layers.param(nnx.initializers.zeros, num_labels)

    def __call__(
        self, sequence: Sequence, query_only: bool, sites: Sites
    ) -> Float[Array, "batch out label"]:
        """Logits of the query alone, or of every token."""
        batch, items, *shape = sequence.exemplars.shape
        exemplars = sequence.exemplars
        if self.shift is not None:
            exemplars = self.shift(exemplars, sequence.bits)
        embedded = self.embedder(exemplars.reshape(batch * items, *shape))
        embedded = embedded.reshape(batch, items, -1).astype(jnp.float32)
        embedded = drop(embedded, sequence.bits, self.config.example_dropout)
        embedded = sites.site("embedded", embedded)
        tokens = self._tokens(embedded, self.label_table(sequence.labels[:, :-1]))
        x = sites.site("tokens", self._add_positions(tokens, sequence))
        for i in range(self.config.num_layers):
            is_last = i == self.config.num_layers - 1
            x = getattr(self, f"block{i}")(x, query_only and is_last, sites.within(f"block{i}"))
        return self._read(x)

    def _tokens(
        self,
        items: Float[Array, "batch item item_dim"],
        labels: Float[Array, "batch context label_dim"],
    ) -> Float[Array, "batch token content"]:
        """Tokens in order: item 0, label 0, item 1, ..., query.

        With `tokens: concatenated` an item and its label are parts of one token; the query's label
        is 0.
        """
        if self.config.tokens == "concatenated":
            return jnp.concatenate([items, jnp.pad(labels, ((0, 0), (0, 1), (0, 0)))], axis=-1)
        batch, context, width = labels.shape
        pairs = jnp.stack([items[:, :-1], labels], axis=2).reshape(batch, 2 * context, width)
        return jnp.concatenate([pairs, items[:, -1:]], axis=1)

    def _add_positions(
        self, x: Float[Array, "batch token content"], sequence: Sequence
    ) -> Float[Array, "batch token width"]:
        """Tokens with their positions, unless these are rotary: attention applies those."""
        positions, count = self.config.positions, x.shape[1]
        if positions.kind == "sinusoidal":
            return x + sinusoidal_positions(count, x.shape[2], positions.max_time)
        if positions.kind == "learned":
            return x + self.position_table[...][:count]
        if positions.kind == "shifted":
            assert sequence.bits is not None
            return jnp.concatenate([x, _shifted(sequence.bits, count, positions.size)], axis=-1)
        return x

    def _read(self, x: Float[Array, "batch out width"]) -> Float[Array, "batch out label"]:
        x = _normed(self.norm, x)
        if self.head is not None:
            x = self.head(x).astype(jnp.float32)
        if self.config.readout == "free":
            return self.readout(x)
        logits = x @ self.label_table.embedding[...].T
        return logits + self.readout_bias[...] if self.config.readout_bias else logits


def _shifted(
    bits: UInt32[Array, " batch"], num_tokens: int, size: int
) -> Float[Array, "batch token size"]:
    """One-hot positions; each sequence draws the first one from those that leave enough room."""
    first = (bits % (size - num_tokens + 1)).astype(jnp.int32)
    return jax.nn.one_hot(first[:, None] + jnp.arange(num_tokens), size)
