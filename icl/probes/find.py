"""Look-up of probes by their names in `icl.config.probes.PROBES`."""

from collections.abc import Iterable
from importlib import import_module

from jaxtyping import Array

from icl.probes.view import View
from icl.types import Masked


def measure(view: View, probes: Iterable[str]) -> dict[str, Array | Masked]:
    """Measure several probes; results by name.

    The module `icl.probes.<name>` of a probe has a function `measure(view)`, and may have `NEEDS`:
    which of `hidden` and `kernels` it reads in `view.now` and `view.before`.
    """
    modules = [import_module(f"icl.probes.{name}") for name in probes]
    needed = {need for module in modules for need in getattr(module, "NEEDS", ())}
    looks = {name: getattr(view, name) for name in ("hidden", "kernels") if name in needed}
    if looks:
        # All at once: the network is held, and run on the inputs, once for all probes.
        now, before = view.twice(
            lambda variables: {name: look(variables) for name, look in looks.items()}
        )
        view = view._replace(now=now, before=before)
    numbers: dict[str, Array | Masked] = {}
    for module in modules:
        numbers |= module.measure(view)
    return numbers
