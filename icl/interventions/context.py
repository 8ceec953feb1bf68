"""Context of an edit: the role of every token, a strength and the training step.

An edit is a pure function from the value at a site and a `Context` to a value of the same shape and
type. `icl.models.sites` describes sites, docs/networks.md lists them.
"""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from icl.types import IndexSequence

Tokens = Literal["interleaved", "concatenated"]


class Context(NamedTuple):
    """The role of every token, in the network's order, and traced numbers of an intervention.

    A token of the context belongs to a pair of an exemplar and its label; the last token is the
    query. With `tokens: concatenated` a token is both parts of its pair. At a site that holds only
    the last tokens, such as `block1/out` with the query, only the last columns apply.

    is_item: whether the token shows an exemplar.
    is_label: whether the token shows a label; the query shows none.
    classes, exemplars, labels: of the token's pair, or of the query. The query's label is the right
        answer, which the network does not see.
    matches_query: whether the token's class is the query's; the query matches itself.
    strength: of the intervention; 0: nothing is changed.
    step: training steps made.
    """

    is_item: Bool[Array, "*batch token"]
    is_label: Bool[Array, "*batch token"]
    classes: Int[Array, "*batch token"]
    exemplars: Int[Array, "*batch token"]
    labels: Int[Array, "*batch token"]
    matches_query: Bool[Array, "*batch token"]
    strength: Float[Array, ""]
    step: Int[Array, ""]


Edit = Callable[[Array, Context], Array]


def make_context(
    indices: IndexSequence,
    tokens: Tokens,
    strength: float | Float[Array, ""] = 1.0,
    step: int | Int[Array, ""] = 0,
) -> Context:
    """The context of sequences.

    tokens: the setting of the network, `model.tokens`.
    """
    is_interleaved = tokens == "interleaved"

    def by_token(of_items: Array) -> Array:
        """Values [*batch, token] from values [*batch, item]."""
        return jnp.repeat(of_items, 2, axis=-1)[..., :-1] if is_interleaved else of_items

    classes = by_token(jnp.asarray(indices.classes))
    place, query = jnp.arange(classes.shape[-1]), classes.shape[-1] - 1
    is_item = place % 2 == 0 if is_interleaved else place >= 0
    is_label = place % 2 == 1 if is_interleaved else place < query
    return Context(
        is_item=jnp.broadcast_to(is_item, classes.shape),
        is_label=jnp.broadcast_to(is_label, classes.shape),
        classes=classes,
        exemplars=by_token(jnp.asarray(indices.exemplars)),
        labels=by_token(jnp.asarray(indices.labels)),
        matches_query=classes == classes[..., -1:],
        strength=jnp.asarray(strength, jnp.float32),
        step=jnp.asarray(step, jnp.int32),
    )


def bind_edits(edits: Mapping[str, Edit], context: Context) -> dict[str, Callable[[Array], Array]]:
    """Edits by site as a network takes them: from value to value, in this context."""

    def bound(edit: Edit) -> Callable[[Array], Array]:
        return lambda value: edit(value, context)

    return {site: bound(edit) for site, edit in edits.items()}
