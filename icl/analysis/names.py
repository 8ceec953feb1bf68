"""What the points of an axis are called: by the settings that they differ in."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

MAX_LABEL = 48  # characters

# A knob, and of a knob whose values are tables a setting within -> its value at each point.
Settings = dict[tuple[str, str | None], list[Any]]


def names_of(columns: Mapping[str, Sequence[Any]]) -> list[str]:
    """A name for each point, of the values of its knobs by their dotted names.

    It tells all settings that differ among the points; where a name would be too long, as few as
    tell the points apart.
    """
    settings = differing(columns)
    count = len(next(iter(columns.values())))
    names = [_name(settings, i) for i in range(count)]
    if max(map(len, names)) > MAX_LABEL:
        settings = telling(settings)
        names = [_name(settings, i) for i in range(count)]
    return [name if len(name) <= MAX_LABEL else f"{name[: MAX_LABEL - 1]}…" for name in names]


def differing(columns: Mapping[str, Sequence[Any]]) -> Settings:
    """The settings that are not alike at all points; None where a table has no such setting.

    Of points that are all alike, their first knob.
    """
    settings: Settings = {}
    for knob, values in columns.items():
        tables = [table for value in values if (table := _table(value)) is not None]
        if any(tables) and len(tables) == len(values):
            for key in dict.fromkeys(key for table in tables for key in table):
                settings[knob, key] = [table.get(key) for table in tables]
        else:
            settings[knob, None] = list(values)
    found = {name: values for name, values in settings.items() if len(set(map(str, values))) > 1}
    return found or dict([next(iter(settings.items()))])


def telling(settings: Settings) -> Settings:
    """Without those that tell no points apart that others before them do not."""
    found: Settings = {}
    kinds = [""] * len(next(iter(settings.values())))
    for name, values in settings.items():
        finer = [f"{kind} {value}" for kind, value in zip(kinds, values, strict=True)]
        if len(set(finer)) > len(set(kinds)):
            found[name], kinds = values, finer
    return found


def _name(settings: Settings, place: int) -> str:
    parts: dict[str, list[str]] = {}
    for (knob, key), values in settings.items():
        told = _told(key, values[place])
        parts.setdefault(knob, []).extend([told] if told else [])
    if len(parts) == 1:
        return " ".join(*parts.values())
    return ", ".join(
        f"{knob.rpartition('.')[2]}={' '.join(told)}" for knob, told in parts.items() if told
    )


def _table(value: Any) -> dict[str, Any] | None:
    """Of settings, as records tell it, empty where there are none; None where it is no table."""
    if value in (None, "null"):
        return {}
    try:
        found = json.loads(value) if isinstance(value, str) else None
    except ValueError:  # a text, such as {seed}.npy
        return None
    return found if isinstance(found, dict) else None


def _told(key: str | None, value: Any) -> str:
    """A setting of a table; nothing where the table does not have it. Or a value without key."""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    if key is None or key == "kind":
        return text
    if value is None:
        return ""
    return key if value is True else f"{key} {text}"
