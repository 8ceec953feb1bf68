"""Networks for tasks over time, as settings.

Recurrent networks are read out at every step; a feed-forward network takes the whole trial at once.
"""

from typing import Annotated, Literal

from pydantic import Field

from icl.config.base import MAX_WIDTH, TINY, Settings


class RateNetwork(Settings):
    """h = relu((1 - leak) h + leak (W x + U h)), without biases (Liu et al. 2023).

    U is `recurrent`: normal with s.d. 1.25 / sqrt(width), unless `connectivity` sets it.
    """

    kind: Literal["rate"] = "rate"
    width: int = Field(300, ge=1, le=MAX_WIDTH, description="units")
    leak: float = Field(1.0, ge=TINY, le=1, description="length of a step in time constants")


class GRUNetwork(Settings):
    """Gated recurrent units (Cho et al. 2014), the reset gate after the product; no biases."""

    kind: Literal["gru"] = "gru"
    width: int = Field(300, ge=1, le=MAX_WIDTH, description="units")


class LSTMNetwork(Settings):
    """Long short-term memory (Hochreiter and Schmidhuber 1997), without biases."""

    kind: Literal["lstm"] = "lstm"
    width: int = Field(300, ge=1, le=MAX_WIDTH, description="units")


class FeedForwardNetwork(Settings):
    """h = relu(U relu(W x)), x all inputs of a trial; answers at its last step, without biases."""

    kind: Literal["feed_forward"] = "feed_forward"
    width: int = Field(300, ge=1, le=MAX_WIDTH, description="units of each layer")


TaskNetworkConfig = Annotated[
    RateNetwork | GRUNetwork | LSTMNetwork | FeedForwardNetwork, Field(discriminator="kind")
]
