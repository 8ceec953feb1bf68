"""Registers parts from outside: sources, networks, probes and others, by the name in a config.

    import icl.register

    @icl.register.source("spirals", settings=SpiralSource)
    def spirals(settings): ...

A part that is registered is used like one that is built in, in configs, sweeps and reports. A
package registers its parts in a module that an entry point of the group `icl.parts` names; it is
imported before the first config is read. docs/parts.md says what each sort of part is.

`target` is the function or class, or its address as `package.module:function`, which is imported at
the first use; without it, each of these functions decorates one. Each raises UserError for a name
that is taken, and for settings that do not fit. The same function may be registered again, as in a
notebook: it replaces itself.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal, get_args

from pydantic import TypeAdapter, ValidationError

from icl.config import mistakes, traced
from icl.config.base import Settings
from icl.config.claims import MEASURES, METRIC_LABELS, Claim, ClaimSettings
from icl.config.conditions import CONDITIONS, Accuracy, Condition, Strategy, strategy_of_family
from icl.config.connectivity import Connectivity, OwnConnectivity
from icl.config.embedders import Embedder
from icl.config.experiment import EXPERIMENTS
from icl.config.families import NAMED, Family, OwnFamily
from icl.config.networks import Model, NetworkConfig
from icl.config.parts import PARTS, Part, rebuild
from icl.config.probes import PROBES, Measure
from icl.config.sources import OwnSource, Source
from icl.config.tasks import OverTime, TaskConfig
from icl.config.training import LOSSES
from icl.errors import UserError

Target = Callable[..., Any] | str | None
# By sort: the union of built-in settings, what others derive from, and the names they have to give.
SETTINGS: dict[str, tuple[Any, type[Settings], tuple[str, ...]]] = {
    "source": (Source, OwnSource, ("num_classes", "num_exemplars", "shape")),
    "family": (Family, OwnFamily, ()),
    "network": (Model, NetworkConfig, ()),
    "embedder": (Embedder, Settings, ()),
    "task": (TaskConfig, OverTime, ()),
    "initializer": (Connectivity, OwnConnectivity, ()),
    "claim": (Claim, ClaimSettings, ()),
}
LOGGERS = ("tensorboard", "wandb")


def source(name: str, target: Target = None, *, settings: type[Settings]) -> Any:
    """Register a source: a function of its settings that gives an ExemplarBank or ExemplarMaker."""
    return _register(Part("source", name, target, settings))


def family(name: str, target: Target = None, *, settings: type[Settings]) -> Any:
    """Register a family of sequences: (settings, config.data, config.evaluation) to a `Family`.

    The evaluation is None in training.
    """
    return _register(Part("family", name, target, settings))


def network(name: str, target: Target = None, *, settings: type[Settings]) -> Any:
    """Register a sequence mixer: a class as `Mixer` in `icl.models.mixers`."""
    return _register(Part("network", name, target, settings))


def embedder(name: str, target: Target = None, *, settings: type[Settings]) -> Any:
    """Register an embedder: (settings, data, width, layers) to an `nnx.Module`.

    Settings may have `ranks`: of exemplars that it reads, such as (2,) for images.
    """
    return _register(Part("embedder", name, target, settings))


def task(name: str, target: Target = None, *, settings: type[Settings]) -> Any:
    """Register a task over time: a function of its settings that gives a `Task`."""
    return _register(Part("task", name, target, settings))


def initializer(name: str, target: Target = None, *, settings: type[Settings]) -> Any:
    """Register a law of initial weights: (key, the network's own matrix, numbers) to a matrix."""
    return _register(Part("initializer", name, target, settings))


def claim(name: str, target: Target = None, *, settings: type[Settings]) -> Any:
    """Register a kind of claim: (dataset, settings) to a `Verdict`."""
    return _register(Part("claim", name, target, settings))


def loss(name: str, target: Target = None) -> Any:
    """Register a loss: (logits [..., label], labels [...]) to the loss of each answer [...]."""
    return _register(Part("loss", name, target))


def logger(name: str, target: Target = None) -> Any:
    """Register a logger of learning curves: (RunDirectory, Label) to a `Logger`."""
    return _register(Part("logger", name, target))


def probe(
    name: str,
    target: Target = None,
    *,
    numbers: Mapping[str, Measure] | None = None,
    needs: tuple[str, ...] = (),
) -> Any:
    """Register a probe: a function of a `View` that gives arrays by name, or a single number.

    numbers: what it gives, by name; None: a single number with the name of the probe.
    needs: which of `hidden` and `kernels` it reads in `view.now` and `view.before`.
    """
    measures = numbers or {name: Measure(name.replace("_", " "))}
    return _register(Part("probe", name, target, needs=needs, entries=measures))


def condition(
    name: str,
    target: Target = None,
    *,
    strategy: Strategy | None = None,
    metric: Accuracy | None = None,
    label: str = "",
) -> Any:
    """Register a condition, a named family: a function without arguments that gives its settings.

    strategy, metric: see `icl.config.conditions.Condition`; None: as those settings say.
    label: for legends; empty: the name.
    """

    def filled(part: Part) -> Part:
        own_family = _checked_family(part, part.load()())
        own = strategy_of_family(own_family) if strategy is None else strategy
        shown = metric or ("accuracy" if own == "IWL" else "accuracy_in_context")
        return replace(
            part, entries={"family": own_family, "condition": Condition(own, shown, label)}
        )

    return _register(Part("condition", name, target), filled)


def forget(sort: str, name: str) -> None:
    """Take a registered part out again. Raises KeyError where it is not registered."""
    _leave(PARTS[sort].pop(name))
    _refresh(sort)


def _register(part: Part, filled: Callable[[Part], Part] = lambda part: part) -> Any:
    """Register a part, or return a decorator that does so with its target.

    filled: the part with what only its target says.
    """

    def add(target: Any) -> Any:
        whole = replace(part, target=target)
        _check(whole)
        _add(filled(whole))
        return target

    return add if part.target is None else add(part.target)


def _add(part: Part) -> None:
    parts = PARTS[part.sort]
    before = parts.get(part.name)
    if before:
        _leave(before)
    try:
        parts[part.name] = part
        _join(part)
        _refresh(part.sort)
    except Exception as error:  # whatever pydantic raises for settings that it cannot read
        _leave(part)
        del parts[part.name]
        if before:
            parts[part.name] = before
            _join(before)
        _refresh(part.sort)
        raise UserError(f"{part.sort} {part.name}: {' '.join(str(error).split())}") from None


def _join(part: Part) -> None:
    """Add a part to the tables of names that configs are checked against."""
    if part.sort == "probe":
        PROBES[part.name] = dict(part.entries)
        scalars = {name: own.label for name, own in part.entries.items() if not own.axes}
        MEASURES.update(scalars)
        METRIC_LABELS.update(scalars)
    elif part.sort == "condition":
        NAMED[part.name] = part.entries["family"]
        CONDITIONS[part.name] = part.entries["condition"]
    elif part.sort == "loss":
        LOSSES[part.name] = part.name.replace("_", " ")


def _leave(part: Part) -> None:
    """Take a part out of these tables."""
    tables: dict[str, list[dict[str, Any]]] = {
        "probe": [PROBES],
        "condition": [NAMED, CONDITIONS],
        "loss": [LOSSES],
    }
    for table in tables.get(part.sort, []):
        table.pop(part.name, None)
    if part.sort == "probe":
        for name in part.entries:
            MEASURES.pop(name, None)
            METRIC_LABELS.pop(name, None)


def _refresh(sort: str) -> None:
    """Make anew what is made from settings."""
    rebuild(sort)
    mistakes.forget_schemas()
    marks = traced.traced_settings(*EXPERIMENTS.values())
    traced.TRACED.clear()
    traced.TRACED.update(marks)


def _check(part: Part) -> None:
    """Raise UserError for a name that is taken, and for settings that do not fit."""
    what = f"{part.sort} {part.name[:50]!r}"
    if not re.fullmatch(r"[A-Za-z_]\w*", part.name, re.ASCII):
        raise UserError(f"{what}: not a name; allowed: letters, digits and _")
    is_address = isinstance(part.target, str) and re.fullmatch(r"[\w.]+:[\w.]+", part.target)
    if not is_address and not (callable(part.target) and hasattr(part.target, "__qualname__")):
        raise UserError(
            f"{what}: target = {part.target!r:.50}; allowed: a function, a class, or "
            "module:function"
        )
    before = PARTS[part.sort].get(part.name)
    if before and before.address != part.address:
        raise UserError(f"{what}: taken by {before.address}; allowed: a new name")
    if part.name in _built_in(part.sort) - set(PARTS[part.sort]):
        raise UserError(f"{what}: taken by a part that is built in; allowed: a new name")
    if part.sort == "probe":
        others = set(METRIC_LABELS) | {name for own in PROBES.values() for name in own}
        for name in set(part.entries) & (others - set(before.entries if before else ())):
            raise UserError(f"{what}: measures {name}, which is taken; allowed: a new name")
    if part.sort in SETTINGS:
        _check_settings(part, what)


def _built_in(sort: str) -> set[str]:
    """The names of the parts of a sort; some tables hold registered ones too."""
    tables: dict[str, Any] = {
        "probe": PROBES,
        "condition": ("train", "task", *NAMED),
        "loss": LOSSES,
        "logger": LOGGERS,
    }
    if sort in tables:
        return set(tables[sort])
    union = get_args(SETTINGS[sort][0])[0]
    return {settings.model_fields["kind"].default for settings in get_args(union)}


def _check_settings(part: Part, what: str) -> None:
    _, base, needed = SETTINGS[part.sort]
    settings: Any = part.settings
    is_class = isinstance(settings, type) and issubclass(settings, base)
    kind = settings.model_fields.get("kind") if is_class else None
    if kind is None or kind.annotation != Literal[part.name] or kind.default != part.name:
        shown = settings.__name__ if isinstance(settings, type) else settings
        raise UserError(
            f"{what}: settings = {shown}; allowed: a class of {base.__module__}.{base.__name__} "
            f'with kind: Literal["{part.name}"] = "{part.name}"'
        )
    for name in needed:
        if name not in settings.model_fields and not hasattr(settings, name):
            raise UserError(f"{what}: settings = {settings.__name__}; allowed: one with {name}")


def _checked_family(part: Part, family: Any) -> Any:
    """What a condition gives. Raises UserError unless these are settings of a family."""
    try:
        return TypeAdapter(Family).validate_python(family)
    except ValidationError:
        raise UserError(
            f"condition {part.name}: {part.address} gives a {type(family).__name__}; allowed: "
            "settings of a family, such as FewShotFamily(ways=4)"
        ) from None
