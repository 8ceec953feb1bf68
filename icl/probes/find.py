"""Look-up of probes by their names in `icl.config.probes.PROBES`."""

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

from jaxtyping import Array

from icl.config.parts import PARTS
from icl.config.probes import PROBES
from icl.errors import UserError
from icl.probes.view import View
from icl.types import Masked


def measure(view: View, probes: Iterable[str]) -> dict[str, Array | Masked]:
    """Measure several probes; results by name.

    The module `icl.probes.<name>` of a probe has a function `measure(view)`, and may have `NEEDS`:
    which of `hidden` and `kernels` it reads in `view.now` and `view.before`. A registered probe is
    such a function.
    """
    found = [find_probe(name) for name in probes]
    needed = {need for _, needs in found for need in needs}
    looks: dict[str, Any] = {
        name: getattr(view, name) for name in ("hidden", "kernels") if name in needed
    }
    if looks:
        # All at once: the network is held, and run on the inputs, once for all probes.
        now, before = view.twice(
            lambda variables: {name: look(variables) for name, look in looks.items()}
        )
        view = view._replace(now=now, before=before)
    numbers: dict[str, Array | Masked] = {}
    for measure_one, _ in found:
        numbers |= measure_one(view)
    return numbers


def find_probe(name: str) -> tuple[Callable[[View], dict[str, Array]], tuple[str, ...]]:
    """The function of a probe, and what it needs."""
    if name not in PARTS["probe"]:
        module = import_module(f"icl.probes.{name}")
        return module.measure, getattr(module, "NEEDS", ())
    part = PARTS["probe"][name]
    function = part.load()

    def measured(view: View) -> dict[str, Array]:
        """Its numbers; one that it gives alone has the name of the probe."""
        numbers = function(view)
        numbers = numbers if isinstance(numbers, dict) else {name: numbers}
        if set(numbers) != set(PROBES[name]):
            raise UserError(
                f"evaluation.probes = {name}: measures {', '.join(numbers)}; allowed: "
                f"{', '.join(PROBES[name])}, as registered"
            )
        return numbers

    return measured, part.needs
