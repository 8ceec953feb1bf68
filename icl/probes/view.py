"""Input of probes: a network now and at its start, on one set of inputs."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from jaxtyping import Array, Float

from icl.types import IndexSequence, Sequence, Trials, Variables

Gram = Float[Array, "n n"]
T = TypeVar("T")


class View(NamedTuple):
    """A network during training, its start, and inputs that are the same at all evaluations.

    apply: (variables, inputs) -> logits and intermediates.
    variables, initial: variables of the network now and at the start.
    inputs: inputs of the network.
    indices: sequences as integers (classes, exemplars, labels); None for tasks.
    twice: a function of variables -> its values now and at the start.
    mixing: parameters -> the weights that let a network look at earlier inputs: the matrices of
        mixers, or the recurrent matrix of a task network.
    hidden: variables -> hidden states [input, unit] where the answer is read.
    kernels: variables -> tangent kernels by part: `mixing`, `input`, `readout`, `all`; without
        parts that the network lacks.
    targets: targets of the outputs of the kernels, in their order.
    now, before: `hidden` and `kernels` of the network now and at the start, by name, where a probe
        needs them (`NEEDS`).
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
    now: Mapping[str, Any] = MappingProxyType({})
    before: Mapping[str, Any] = MappingProxyType({})
