"""A causal, pre-norm transformer that reads exemplar-label pairs and answers for a query."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from icl.config import TransformerConfig
from icl.models.embedders import EMBEDDERS
from icl.models.layers import CausalAttention, linear, sinusoidal_positions
from icl.types import Aux, Sequence


def interleave(
    items: Float[Array, "batch item width"], labels: Float[Array, "batch context width"]
) -> Float[Array, "batch token width"]:
    """item 0, label 0, item 1, label 1, ..., query item."""
    batch, context, width = labels.shape
    pairs = jnp.stack([items[:, :-1], labels], axis=2).reshape(batch, 2 * context, width)
    return jnp.concatenate([pairs, items[:, -1:]], axis=1)


class Block(nnx.Module):
    """Attention and a GELU network of one hidden layer, each after a layer norm, residual."""

    def __init__(self, config: TransformerConfig, rngs: nnx.Rngs):
        width = config.width
        self.attention_norm = nnx.LayerNorm(width, epsilon=1e-5, rngs=rngs)
        self.attention = CausalAttention(width, config.num_heads, rngs)
        self.mlp_norm = nnx.LayerNorm(width, epsilon=1e-5, rngs=rngs)
        self.mlp_in = linear(width, config.mlp_ratio * width, rngs)
        self.mlp_out = linear(config.mlp_ratio * width, width, rngs)

    def __call__(
        self, x: Float[Array, "batch token width"], query_only: bool
    ) -> tuple[Float[Array, "batch out width"], Float[Array, "batch head out token"]]:
        """For the last token alone if `query_only`: same numbers, less work."""
        update, pattern = self.attention(self.attention_norm(x), query_only)
        x = (x[:, -1:] if query_only else x) + update
        hidden = jax.nn.gelu(self.mlp_in(self.mlp_norm(x)))
        return x + self.mlp_out(hidden), pattern


class Transformer(nnx.Module):
    """The network of Chan et al. 2022: embedder, label table, blocks, norm, free readout."""

    def __init__(
        self,
        config: TransformerConfig,
        num_labels: int,
        examples: Float[np.ndarray, "example *shape"],
        rngs: nnx.Rngs,
    ):
        self.num_layers = config.num_layers
        self.max_time = config.position_max_time
        self.embedder = EMBEDDERS[config.embedder.kind](
            config.embedder, examples, config.width, rngs
        )
        self.label_table = nnx.Embed(
            num_labels,
            config.width,
            embedding_init=nnx.initializers.truncated_normal(config.label_init_std),
            rngs=rngs,
        )
        for i in range(config.num_layers):
            setattr(self, f"block{i}", Block(config, rngs))
        self.norm = nnx.LayerNorm(config.width, epsilon=1e-5, rngs=rngs)
        self.readout = linear(config.width, num_labels, rngs)

    def __call__(
        self, sequence: Sequence, query_only: bool = True
    ) -> tuple[Float[Array, "batch out label"], Aux]:
        """Logits of the query alone, or of every token."""
        batch, items, *shape = sequence.exemplars.shape
        images = sequence.exemplars.reshape(batch * items, *shape)
        embedded = self.embedder(images).reshape(batch, items, -1)
        labels: Int[Array, "batch context"] = sequence.labels[:, :-1]
        x = interleave(embedded, self.label_table(labels))
        x = x + sinusoidal_positions(x.shape[1], x.shape[2], self.max_time)
        aux: Aux = {"embedded": embedded}
        for i in range(self.num_layers):
            last = i == self.num_layers - 1
            x, aux[f"block{i}/attention"] = getattr(self, f"block{i}")(x, query_only and last)
            aux[f"block{i}/out"] = x
        return self.readout(self.norm(x)), aux
