"""Where the values of a knob are drawn, and what they are called."""

import json
import re
from typing import Any

import pytest

from icl.analysis.views import colors_along, knobs_of, what_is_averaged

from .synthetic import make_sweep, without


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([0.0, 0.5, 1.0], "linear"),
        ([1, 10, 100, 1000], "log"),
        ([1e-4, 1e-3, 1e-2], "log"),
        ([0, 1, 10, 100, 1000], "even"),  # 0 and 1 would coincide on a linear axis
        (["lstm", "gru"], "names"),
        ([True, False], "names"),
        ([3, 1, 2], "linear"),
    ],
)
def test_the_scale_of_a_knob(values: list[Any], scale: str):
    [knob] = knobs_of(make_sweep({"k": values}))
    assert knob.scale == scale
    assert len(knob.places) == len(values)
    if scale in ("linear", "log"):
        assert knob.places == values


def test_numbers_too_close_to_draw_to_scale_stand_in_their_order():
    [knob] = knobs_of(make_sweep({"k": [1000, 0, 10, 1, 100]}))
    assert (knob.scale, knob.places) == ("even", [4, 0, 2, 1, 3])


@pytest.mark.parametrize("values", [["a", "b", "c"], [1, 2, 3], [str(i) for i in range(30)]])
def test_every_value_has_a_colour_of_its_own(values: list[Any]):
    [knob] = knobs_of(make_sweep({"k": values}))
    colors = colors_along(knob, len(values))
    assert len(set(colors)) == len(values)
    assert all(re.fullmatch("#[0-9a-f]{6}", color) for color in colors)  # as the page reads them


def test_single_cells_are_named_by_their_knobs():
    sweep = make_sweep({"cell": [0, 1]}).assign_coords(
        {"data.x": ("cell", [0.5, 0.25]), "model.kind": ("cell", ["gru", "rnn"])}
    )
    [knob] = knobs_of(sweep)
    assert knob.texts == ["x=0.5, kind=gru", "x=0.25, kind=rnn"]


def test_tables_of_settings_are_named_by_what_they_differ_in():
    tables = [
        {"kind": "gaussian"},
        {"kind": "dale", "kept": True},
        {"kind": "motifs", "chain": 0.1},
    ]
    texts = [json.dumps(table | {"gain": 1.25}) for table in tables]
    sweep = make_sweep({"cell": [0, 1, 2]}).assign_coords({"recurrent": ("cell", texts)})
    [knob] = knobs_of(sweep)
    assert knob.texts == ["gaussian", "dale kept", "motifs chain 0.1"]
    [knob] = knobs_of(make_sweep({"recurrent": texts}))
    assert knob.texts == ["gaussian", "dale kept", "motifs chain 0.1"]


def test_names_that_would_be_too_long_tell_what_tells_them_apart():
    aligned = {"kind": "aligned", "path": 40 * "x", "rank": 10, "gain": 0.4}
    starts = [aligned | {"alignment": 0}, {"kind": "gaussian", "gain": 0.4, "match": "norm"}]
    starts += [aligned | {"alignment": share} for share in (0.5, 1, 1)]
    inputs = [{"kind": "own"}] * 4 + [{"kind": "aligned", "path": 40 * "y"}]
    sweep = make_sweep({"cell": [0, 1, 2, 3, 4]}).assign_coords(
        {
            "connectivity.recurrent": ("cell", [json.dumps(start) for start in starts]),
            "connectivity.input": ("cell", [json.dumps(start) for start in inputs]),
        }
    )
    [knob] = knobs_of(sweep)
    assert knob.texts == [
        "recurrent=aligned alignment 0, input=own",
        "recurrent=gaussian, input=own",
        "recurrent=aligned alignment 0.5, input=own",
        "recurrent=aligned alignment 1, input=own",
        "recurrent=aligned alignment 1, input=aligned",
    ]
    [knob] = knobs_of(make_sweep({"k": [30 * "a" + 30 * letter for letter in "ab"]}))
    assert [len(text) for text in knob.texts] == [48, 48]  # cut, as last resort


def test_knobs_that_vary_together_are_one_axis():
    sweep = make_sweep({"data.x": [1, 1, 2]}).assign_coords({"y": ("data.x", [1, 2, 3])})
    [knob] = knobs_of(sweep)
    assert knob.label == "data.x (with y)"
    assert knob.texts == ["x=1, y=1", "x=1, y=2", "x=2, y=3"]


def test_a_table_may_be_empty_or_none():
    tables = ["{}", "null", json.dumps({"kind": "own", "gain": 4.0}), json.dumps({"kind": "own"})]
    [knob] = knobs_of(make_sweep({"initializer": tables}))
    assert knob.texts[2:] == ["own gain 4", "own"]
    assert not any("{" in text for text in knob.texts)


def test_settings_of_tables_within_tables_are_named():
    qkv = "block*/mixer/qkv"
    large = {"kind": "own", "gain": 4.0}
    tables = [{f"{qkv}/*": large | {"gain": 1.0}}, {f"{qkv}/*": large}, {f"{qkv}/value": large}]
    tables.append({f"{qkv}/query": large, f"{qkv}/key": large})
    [knob] = knobs_of(make_sweep({"connectivity": list(map(json.dumps, tables))}))
    both = "qkv/query gain 4 qkv/key gain 4"
    assert knob.texts == ["qkv/* gain 1", "qkv/* gain 4", "qkv/value gain 4", both]
    tables[-1] = {"recurrent_weights/of_all": large, "readout_weights/of_all": large}
    [knob] = knobs_of(make_sweep({"connectivity": list(map(json.dumps, tables))}))
    assert knob.texts[-1].startswith("recurrent_weights/of_all gain 4")  # too long with both
    assert all(knob.texts)


def test_kinds_of_tables_within_tables_are_named_where_they_differ():
    models = [{"embedder": {"kind": kind, "width": 8}, "mixer": {}} for kind in ("mlp", "linear")]
    [knob] = knobs_of(make_sweep({"model": list(map(json.dumps, models))}))
    assert knob.texts == ["embedder mlp", "embedder linear"]


def test_a_text_in_braces_is_not_a_table_of_settings():
    [knob] = knobs_of(make_sweep({"path": ["{seed}.npy", "x.npy"]}))
    assert knob.texts == ["{seed}.npy", "x.npy"]


def test_runs_that_are_not_finished_are_named_whatever_the_number_of_knobs():
    sweep = without(make_sweep({"x": [1, 2]}), "partial", x=1, seed=0)
    assert what_is_averaged(sweep) == "without 1 of 6 runs, missing or not finished"
    assert what_is_averaged(make_sweep({"x": [1, 2]})) == ""


def test_an_axis_with_one_value_is_not_a_knob():
    assert knobs_of(make_sweep({"data.x": [1]})) == []
