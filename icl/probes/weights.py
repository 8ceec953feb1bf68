"""Change of weights since the start (Liu et al. 2023)."""

from jaxtyping import Array, Float

from icl.probes.alignment import weight_change_norm
from icl.probes.view import View


def measure(view: View) -> dict[str, Float[Array, ""]]:
    """Frobenius norms of the change of the mixing weights and of all weights."""
    params, initial = view.variables.params, view.initial.params
    return {
        "weight_change": weight_change_norm(view.mixing(params), view.mixing(initial)),
        "weight_change_all": weight_change_norm(params, initial),
    }
