"""Parts that are registered from outside, in a notebook or by an installed package.

`icl.register` adds them; settings and look-ups of built-in parts find them here. A module named by
an entry point of the group `icl.parts` registers the parts of its package when it is imported,
which happens before the first config is read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any, TypeVar, Union, get_args

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from icl.config.base import Settings
from icl.errors import UserError, one_line

GROUP = "icl.parts"
SORTS = (
    "source",
    "family",
    "network",
    "embedder",
    "task",
    "loss",
    "initializer",
    "condition",
    "claim",
    "probe",
    "logger",
)
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Part:
    """A part that is registered.

    sort: one of SORTS. name: how configs name it.
    target: the function or class that it is, or its address, as `package.module:function`.
    settings: its settings, with the name as their `kind`; None where the sort has none.
    needs: of a probe, which of `hidden` and `kernels` it reads.
    entries: of a probe, its numbers by name; of a condition, its `family` and `condition`.
    """

    sort: str
    name: str
    target: Any
    settings: type[Settings] | None = None
    needs: tuple[str, ...] = ()
    entries: Mapping[str, Any] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Where it comes from: `module:function`."""
        if isinstance(self.target, str):
            return self.target
        return f"{self.target.__module__}:{self.target.__qualname__}"

    @property
    def package(self) -> str:
        """The name of the package, or of the module, that has it."""
        return self.address.partition(":")[0].partition(".")[0]

    def load(self) -> Any:
        """The function or class. Raises UserError where its address leads nowhere."""
        if not isinstance(self.target, str):
            return self.target
        module, _, path = self.target.partition(":")
        try:
            found: Any = import_module(module)
            for name in path.split("."):
                found = getattr(found, name)
        except (ImportError, AttributeError) as error:
            raise UserError(
                f"{self.sort} {self.name} = {self.target}: cannot be loaded ({one_line(error)}); "
                "allowed: module:function of what can be imported"
            ) from None
        return found


# By sort and name. Only `icl.register` writes here.
PARTS: dict[str, dict[str, Part]] = {sort: {} for sort in SORTS}


def find(table: Mapping[str, T], sort: str, name: str) -> T:
    """An entry of a table of built-in parts, or the registered part of this name.

    Raises UserError where neither has it.
    """
    if name in table:
        return table[name]
    if name not in PARTS[sort]:
        raise UserError(f"{sort} = {name}: a part that is not registered; import it or install it")
    found: T = PARTS[sort][name].load()
    return found


def installed() -> list[EntryPoint]:
    """The entry points by which installed packages name the modules that register their parts."""
    return list(entry_points(group=GROUP))


_is_loaded = False


def load_installed() -> None:
    """Import the modules that register the parts of installed packages, once.

    Raises UserError where one of them fails.
    """
    global _is_loaded
    if _is_loaded:
        return
    _is_loaded = True  # first: such a module may itself read a config
    for entry in installed():
        try:
            entry.load()
        except Exception as error:  # whatever a package raises
            _is_loaded = False
            owner = f"package {entry.dist.name}" if entry.dist else f"entry point {entry.name}"
            reason = str(error) if isinstance(error, UserError) else one_line(error)
            raise UserError(
                f"{owner}: its parts, {entry.value}, cannot be loaded ({reason}); allowed: a "
                "package that can be imported"
            ) from None


@dataclass(frozen=True)
class OneOf:
    """Marks a union of settings by `kind`, which registered parts of a sort join."""

    sort: str

    def widened(self, union: Any) -> Any:
        """The union with the settings of registered parts."""
        more = (part.settings for part in PARTS[self.sort].values())
        return Union[(union, *more)]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return handler.generate_schema(Annotated[self.widened(source), Field(discriminator="kind")])


@dataclass(frozen=True, eq=False)
class NameIn:
    """Marks a text that is a name in a table, which registered parts of a sort join."""

    sort: str
    table: Mapping[str, Any]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.literal_schema(list(self.table))


def widened(kind: Any, marks: Any) -> Any:
    """A type with the settings of registered parts where one of its marks is `OneOf`."""
    return next((mark.widened(kind) for mark in marks if isinstance(mark, OneOf)), kind)


def rebuild(sort: str) -> None:
    """Build the settings again that hold parts of a sort, those within others first."""
    found: dict[type[Settings], bool] = {}

    def visit(model: type[Settings]) -> bool:
        if model not in found:
            found[model] = False
            things = [
                thing
                for info in model.model_fields.values()
                for thing in (*info.metadata, *_within(widened(info.annotation, info.metadata)))
            ]
            # A list, so that all are visited.
            changed = [
                visit(thing)
                if isinstance(thing, type) and issubclass(thing, Settings)
                else isinstance(thing, OneOf | NameIn) and thing.sort == sort
                for thing in things
            ]
            found[model] = any(changed)
            if found[model]:
                model.model_rebuild(force=True)
        return found[model]

    for model in _subclasses(Settings):
        visit(model)


def _within(kind: Any) -> Iterator[Any]:
    """The types and marks that a type is made of."""
    yield kind
    parts = get_args(kind)
    kind_and_marks = (widened(parts[0], parts[1:]), *parts[1:]) if parts else ()
    for part in kind_and_marks:
        yield from _within(part)


def _subclasses(model: type[Settings]) -> Iterator[type[Settings]]:
    for child in model.__subclasses__():
        yield child
        yield from _subclasses(child)
