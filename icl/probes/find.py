"""Look-up of probes by their names in `icl.config.probes.PROBES`."""

from collections.abc import Iterable
from importlib import import_module

from jaxtyping import Array

from icl.probes.view import View


def measure(view: View, probes: Iterable[str]) -> dict[str, Array]:
    """Measure several probes; results by name.

    The module `icl.probes.<name>` of a probe has a function `measure(view)`.
    """
    numbers: dict[str, Array] = {}
    for name in probes:
        numbers |= import_module(f"icl.probes.{name}").measure(view)
    return numbers
