"""What a probe looks at: a network now and at its start, on one set of inputs."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from jaxtyping import Array, Float

from icl.types import IndexSequence, Sequence, Trials, Variables

Gram = Float[Array, "n n"]
T = TypeVar("T")


class View(NamedTuple):
    """A network during training, its start, and inputs that stay the same at all evaluations.

    apply: the network's function of variables and inputs, to logits and intermediates.
    variables, initial: its numbers now and at the start.
    inputs: what it is given.
    indices: sequences as integers: classes, exemplars, labels; None for tasks.
    twice: a function of variables to its values now and at the start.
    mixing: parameters to the weights that let a network look at earlier inputs: the matrices of
        mixers, or the recurrent matrix of a task network.
    hidden: variables to hidden states [input, unit] where the answer is read.
    kernels: variables to tangent kernels by part: `mixing`, `input`, `readout`, `all`; a part
        that a network lacks is left out.
    targets: what each output of the kernels is to become, in their order.
    """

    apply: Callable[..., Any]
    variables: Variables
    initial: Variables
    inputs: Sequence | Trials
    indices: IndexSequence | None
    twice: Callable[[Callable[[Variables], T]], tuple[T, T]]
    mixing: Callable[[dict[str, Any]], Any]
    hidden: Callable[[Variables], Float[Array, "input unit"]]
    kernels: Callable[[Variables], dict[str, Gram]]
    targets: Float[Array, " output"]
