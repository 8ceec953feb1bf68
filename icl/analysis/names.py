"""Names for the points of an axis, from the settings in which they differ."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

MAX_LABEL = 48  # characters

# (knob, setting) -> its value at each point. The setting is None unless the values of the knob are
# tables; of a table within a table it has both names: "qkv/value gain".
SettingsByPoint = dict[tuple[str, str | None], list[Any]]


def names_of(columns: Mapping[str, Sequence[Any]]) -> list[str]:
    """A name for each point.

    It holds all settings that differ among the points. If that is too long, it holds only enough
    settings to distinguish the points.

    columns: the values of each knob, by its dotted name.
    """
    settings = differing(columns)
    count = len(next(iter(columns.values())))
    names = [_name(settings, i) for i in range(count)]
    if max(map(len, names)) > MAX_LABEL:
        settings = distinguishing(settings)
        names = [_name(settings, i) for i in range(count)]
    return [name if len(name) <= MAX_LABEL else f"{name[: MAX_LABEL - 1]}…" for name in names]


def differing(columns: Mapping[str, Sequence[Any]]) -> SettingsByPoint:
    """The settings that differ among the points; None where a table has no such setting.

    Where no setting differs, the first one.
    """
    settings: SettingsByPoint = {}
    for knob, values in columns.items():
        tables = [table for value in values if (table := _table(value)) is not None]
        if any(tables) and len(tables) == len(values):
            for key, column in _flat(tables).items():
                settings[knob, key] = column
        else:
            settings[knob, None] = list(values)
    found = {name: values for name, values in settings.items() if len(set(map(str, values))) > 1}
    return found or dict([next(iter(settings.items()))])


def _flat(tables: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Each setting, those of tables within included, at each point; None where a point lacks it.

    If all points that have a table within agree on its kind, the kind is left out, and the table's
    other settings remain.
    """
    items = [(place, *item) for place, table in enumerate(tables) for item in table.items()]
    short = _shortened([key for _, key, value in items if _holds_settings(value)])
    columns: dict[str, list[Any]] = {}
    for place, key, value in items:
        named = (
            {f"{short[key]} {inner}": setting for inner, setting in value.items()}
            if _holds_settings(value)
            else {key: value}
        )
        for name, setting in named.items():
            columns.setdefault(name, [None] * len(tables))[place] = setting
    for name in [name for name in columns if name.endswith(" kind")]:
        siblings = [other for other in columns if other.startswith(name.removesuffix("kind"))]
        if len(siblings) > 1 and len(set(map(str, columns[name])) - {"None"}) == 1:
            del columns[name]
    return columns


def _holds_settings(value: Any) -> bool:
    return isinstance(value, dict) and bool(value)


def _shortened(paths: Sequence[str]) -> dict[str, str]:
    """Paths of weights with only the last of the leading components that all of them share."""
    split = [path.split("/") for path in paths]
    alike = 0
    while split and all(len(path) > alike + 1 and path[alike] == split[0][alike] for path in split):
        alike += 1
    return {path: "/".join(path.split("/")[max(alike - 1, 0) :]) for path in paths}


def distinguishing(settings: SettingsByPoint) -> SettingsByPoint:
    """Choose as few settings as distinguish the points; each point has at least one of them."""
    found: SettingsByPoint = {}
    kinds = [""] * len(next(iter(settings.values())))
    nameless = set(range(len(kinds)))
    for name, values in settings.items():
        finer = [f"{kind} {value}" for kind, value in zip(kinds, values, strict=True)]
        there = {place for place, value in enumerate(values) if value is not None}
        if len(set(finer)) > len(set(kinds)) or there & nameless:
            found[name], kinds, nameless = values, finer, nameless - there
    return found


def _name(settings: SettingsByPoint, place: int) -> str:
    parts: dict[str, list[str]] = {}
    for (knob, key), values in settings.items():
        text = _format(key, values[place])
        parts.setdefault(knob, []).extend([text] if text else [])
    if len(parts) == 1:
        return " ".join(*parts.values())
    return ", ".join(
        f"{knob.rpartition('.')[2]}={' '.join(texts)}" for knob, texts in parts.items() if texts
    )


def _table(value: Any) -> dict[str, Any] | None:
    """A table of settings, which records hold as JSON; None where the value is no table."""
    if value in (None, "null"):
        return {}
    try:
        found = json.loads(value) if isinstance(value, str) else None
    except ValueError:  # a text, such as {seed}.npy
        return None
    return found if isinstance(found, dict) else None


def _format(key: str | None, value: Any) -> str:
    """A setting of a table, empty where the table lacks it; or, without a key, a value."""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    if key is None or key == "kind":
        return text
    if value is None:
        return ""
    return key if value is True else f"{key.removesuffix(' kind')} {text}"
