"""Sites: named places inside a network, where values can be read and edited.

A site adds no operation to a program. A note holds a value that the network computes anyway, and
XLA removes what nobody reads. docs/networks.md lists the sites of every network.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from jaxtyping import Array

from icl.errors import allowed
from icl.types import Aux

Edits = Mapping[str, Callable[[Array], Array]]
"""Functions by site, from the value there to another of the same shape and type."""

NO_EDITS: Edits = MappingProxyType({})


class Sites:
    """The sites of one forward pass: the edits to make there, and the values that were there.

    notes: values by site, after their edits.
    """

    def __init__(self, edits: Edits = NO_EDITS):
        self.notes: Aux = {}
        self._edits = edits
        self._scope = ""

    def within(self, scope: str) -> "Sites":
        """The same sites and notes, with `scope/` before every name."""
        inner = Sites(self._edits)
        inner.notes = self.notes
        inner._scope = f"{self._scope}{scope}/"
        return inner

    def site(self, name: str, value: Array) -> Array:
        """The value that the network goes on with: edited, if there is an edit, and noted.

        Raises ValueError if the edit changes the shape or the type of the value.
        """
        name = self._scope + name
        if name in self._edits:
            edited = self._edits[name](value)
            if (edited.shape, edited.dtype) != (value.shape, value.dtype):
                raise ValueError(
                    f"edits[{name!r}]: returned {edited.dtype}{list(edited.shape)}; "
                    f"allowed: {value.dtype}{list(value.shape)}, as the value it was given"
                )
            value = edited
        self.notes[name] = value
        return value

    def has_edit(self, *names: str) -> bool:
        """Whether any of these sites is edited."""
        return any(self._scope + name in self._edits for name in names)

    def check(self) -> None:
        """Raise ValueError for an edit of a site that the network does not have.

        Call it after the forward pass, which notes every site.
        """
        unknown = [name for name in self._edits if name not in self.notes]
        if unknown:
            raise ValueError(
                f"edits[{unknown[0]!r}]: no such site; {allowed(unknown[0], self.notes)}"
            )
