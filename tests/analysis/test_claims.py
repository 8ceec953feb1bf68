"""Each kind of claim passes, fails and is left undecided where it should be."""

import json
from typing import Any

import numpy as np
import pytest
import xarray
from pydantic import TypeAdapter, ValidationError

from icl.analysis.claims import CLAIMS, Verdict, judge
from icl.analysis.views import filled
from icl.config.claims import Claim

from ..messages import refused
from .synthetic import make_sweep, with_starts, without

ICL = {"condition": "fewshot_holdout", "metric": "accuracy_in_context"}
IWL = {"condition": "no_support", "metric": "accuracy"}
BURSTY, ZIPF = "data.p_bursty", "data.zipf_exponent"


def verdict_of(sweep: xarray.Dataset, kind: str, **settings: Any) -> Verdict:
    claim = {"kind": kind, "text": "as claimed", **settings}
    [verdict] = judge(sweep.assign_attrs(claims=json.dumps([claim])))
    return verdict


ROUGH = make_sweep(noise=0.25)  # too noisy to decide anything from a single cell
FINE = with_starts(make_sweep())
RANK = {"start": "effective_rank", "matrix": "recurrent"}
HERE = {BURSTY: 0.6, ZIPF: 1.0}

# Kind, settings, the verdict on smooth curves.
JUDGED = [
    ("rises", {**ICL, "along": BURSTY, "at": "peak"}, "pass"),
    ("rises", {**ICL, "along": BURSTY, "at": "peak", "high": 0.2, "margin": 0.2}, "fail"),
    ("rises", {**ICL, "along": ZIPF}, "fail"),
    ("falls", {**ICL, "along": BURSTY}, "fail"),
    ("falls", {**ICL, "along": BURSTY, "at": "time_to_threshold", "low": 0.6, "margin": 0}, "pass"),
    ("above", {**ICL, "where": {BURSTY: 1.0}, "at": "peak", "threshold": 0.9}, "pass"),
    ("above", {**ICL, "where": {BURSTY: 0}, "at": "peak", "threshold": 0.9}, "fail"),
    ("below", {**IWL, "where": {ZIPF: 0.0}, "threshold": 0.1}, "pass"),
    ("below", {**IWL, "where": {ZIPF: 2.0}, "threshold": 0.1}, "fail"),
    ("near", {**ICL, "where": {BURSTY: 0.0}, "value": 0.5, "margin": 0.05}, "pass"),
    ("near", {**ICL, "where": {BURSTY: 1.0}, "value": 0.5, "margin": 0.05}, "fail"),
    ("transient", {**ICL, "where": {BURSTY: 1.0}}, "pass"),
    ("transient", {**ICL, "where": {BURSTY: 0.0}}, "fail"),
    ("transient", {**IWL}, "fail"),
    ("follows", {**ICL, **RANK, "where": {ZIPF: 1.0}, "at": "peak"}, "pass"),
    ("follows", {**ICL, **RANK, "where": {ZIPF: 1.0}, "at": "peak", "inverse": True}, "fail"),
    ("follows", {**IWL, **RANK, "margin": 0.5}, "fail"),
    ("follows", {**ICL, **RANK, "matrix": "re*", "where": {ZIPF: 0.0}, "at": "peak"}, "pass"),
]
COEXIST = {
    **ICL,
    "along": ZIPF,
    "other_condition": "no_support",
    "other_metric": "accuracy",
    "other_threshold": 0.6,
}


@pytest.mark.parametrize(("kind", "settings", "expected"), JUDGED)
def test_claims_on_smooth_curves(kind: str, settings: dict[str, Any], expected: str):
    verdict = verdict_of(FINE, kind, **settings)
    assert verdict.verdict == expected, verdict
    assert verdict.interval[0] <= verdict.effect <= verdict.interval[1]
    assert verdict.seeds == 3


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("rises", {"along": BURSTY, "where": {ZIPF: 2.0}}),
        ("falls", {"along": BURSTY, "where": {ZIPF: 1.0}}),
        ("above", {"where": HERE, "threshold": 0.65}),
        ("below", {"where": HERE, "threshold": 0.65}),
        ("near", {"where": HERE, "value": 0.65, "margin": 0.01}),
        ("transient", {"where": HERE}),
    ],
)
def test_too_rough_to_tell(kind: str, settings: dict[str, Any]):
    verdict = verdict_of(ROUGH, kind, **ICL, **settings)
    assert verdict.verdict == "undecided"
    assert "the interval holds" in verdict.detail


@pytest.mark.parametrize(
    ("sweep", "threshold", "expected"),
    [(FINE, 0.7, "pass"), (FINE, 0.9, "fail"), (ROUGH, 0.7, "undecided")],
)
def test_coexistence(sweep: xarray.Dataset, threshold: float, expected: str):
    where = {BURSTY: 1.0}
    verdict = verdict_of(sweep, "coexist", **COEXIST, threshold=threshold, where=where)
    assert verdict.verdict == expected, verdict


def test_coexistence_needs_one_value_for_both():
    one_knob = make_sweep({BURSTY: [0.0, 0.5, 1.0]})  # IWL falls as ICL rises
    both = {**COEXIST, "along": BURSTY, "at": "peak"}
    assert verdict_of(one_knob, "coexist", **both, threshold=0.9).verdict == "fail"
    in_the_middle = verdict_of(
        one_knob, "coexist", **both | {"other_threshold": 0.3}, threshold=0.6
    )
    assert in_the_middle.verdict == "pass"
    assert in_the_middle.detail.startswith("data.p_bursty = 0.5")


def test_two_seeds_decide_nothing():
    verdict = verdict_of(make_sweep(num_seeds=2), "rises", **ICL, along=BURSTY)
    assert verdict.verdict == "undecided"
    assert verdict.detail.startswith("2 seeds, at least 3 needed")


def test_one_seed_has_an_effect_but_no_interval():
    verdict = verdict_of(make_sweep(num_seeds=1), "rises", **ICL, along=BURSTY)
    assert np.isfinite(verdict.effect)
    assert np.isnan(verdict.interval).all()


def test_seeds_that_miss_a_cell_are_left_out_and_counted():
    sweep = without(make_sweep(num_seeds=4), **{BURSTY: 5, ZIPF: 2, "seed": 1})
    verdict = verdict_of(sweep, "rises", **ICL, along=BURSTY, at="peak")
    assert (verdict.verdict, verdict.seeds) == ("pass", 3)
    assert "1 of 4 seeds left out" in verdict.detail


def test_runs_that_are_not_finished_say_nothing_yet():
    sweep = make_sweep().assign(status=xarray.full_like(FINE.status, "partial"))
    verdict = verdict_of(sweep, "above", **ICL, threshold=0.1)
    assert verdict.verdict == "undecided"
    assert "90 of 90 runs not finished" in verdict.detail


def test_a_run_that_never_gets_there_is_a_bound():
    never = {**ICL, "at": "time_to_threshold", "where": {BURSTY: 0.0}}
    assert verdict_of(FINE, "above", **never, threshold=5000).verdict == "pass"
    below = verdict_of(FINE, "below", **never, threshold=20000)
    assert below.verdict == "undecided"
    assert "never at 0.75" in below.detail
    # The first value of the knob never gets there: the fall may only be larger than measured.
    time = {**ICL, "at": "time_to_threshold", "along": BURSTY}
    assert verdict_of(FINE, "falls", **time).verdict == "pass"
    assert verdict_of(FINE, "falls", **time, margin=9500).verdict == "undecided"


def test_the_interval_may_be_a_bootstrap():
    verdict = verdict_of(FINE, "rises", **ICL, along=BURSTY, at="peak", interval="bootstrap")
    assert verdict.interval_kind == "bootstrap (BCa) over seeds, paired"
    assert verdict.verdict == "pass"


def test_a_knob_that_varies_with_another_can_be_named():
    sweep = FINE.assign_coords({"model.width": (BURSTY, [8, 16, 32, 64, 128, 256])})
    assert verdict_of(sweep, "rises", **ICL, along="model.width", at="peak").verdict == "pass"
    near = verdict_of(sweep, "near", **ICL, where={"model.width": 8}, value=0.5, margin=0.05)
    assert near.verdict == "pass"


def test_single_cells_are_found_by_their_knobs():
    sweep = make_sweep({"cell": [0, 1, 2]}).assign_coords(
        {"data.x": ("cell", [2.0, 0.0, 2.0]), "data.name": ("cell", ["a", "b", "b"])}
    )
    above = verdict_of(sweep, "above", **ICL, threshold=0.7, where={"data.x": 2, "data.name": "b"})
    assert above.verdict == "pass"
    with refused("claims.0.where", "data.name = a"):
        verdict_of(sweep, "above", **ICL, threshold=0, where={"data.x": 0, "data.name": "a"})


def test_a_trend_needs_two_values_where_knobs_vary_together():
    sweep = make_sweep({"cell": [0, 1, 2]}).assign_coords(
        {"data.x": ("cell", [1.0, 1.0, 2.0]), "data.y": ("cell", [3, 4, 4])}
    )
    assert verdict_of(sweep, "rises", **ICL, along="data.x", where={"data.y": 4}).seeds == 3
    with refused("claims.0.where", "1.0 of data.x"):
        verdict_of(sweep, "rises", **ICL, along="data.x", where={"data.y": 3})


BAD = [
    ({"condition": "holdout"}, ["condition = holdout", "fewshot_holdout"]),
    ({"along": "data.x"}, ["along = data.x", "data.p_bursty"]),
    ({"low": 0.3}, ["low = 0.3", "0.0, 0.2, 0.4, 0.6, 0.8, 1.0"]),
    ({"low": 0.8, "high": 0.2}, ["along = data.p_bursty, low = 0.8, high = 0.2"]),
    ({"where": {"data.x": 1}}, ["where.data.x = 1", "data.p_bursty"]),
    ({"where": {ZIPF: 0.7}}, ["where.data.zipf_exponent = 0.7", "0.0, 0.5, 1.0"]),
    ({"where": {BURSTY: 0.2}}, ["where.data.p_bursty", "along"]),
]


@pytest.mark.parametrize(("settings", "named"), BAD)
def test_bad_references_are_one_line(settings: dict[str, Any], named: list[str]):
    subject, *others = named
    with refused(f"claims.0.{subject}", *others):
        verdict_of(FINE, "rises", **{**ICL, "along": BURSTY} | settings)


def test_what_weights_begin_as_counts_once_it_is_recorded():
    claim = ICL | RANK
    assert verdict_of(make_sweep(), "follows", **claim).verdict == "undecided"
    alike = verdict_of(FINE, "follows", **claim | {"matrix": "readout"})
    assert (alike.verdict, alike.seeds) == ("undecided", 0)
    assert "effective_rank the same in all cells" in alike.detail
    flat = FINE.copy(deep=True)
    flat.accuracy_in_context[..., 0, 0, :] = 0.5  # of a seed, whatever the start: in no order
    found = verdict_of(flat, "follows", **claim | {"where": {ZIPF: 1.0}, "at": "peak"})
    whole = verdict_of(FINE, "follows", **claim | {"where": {ZIPF: 1.0}, "at": "peak"})
    assert (found.verdict, found.seeds) == ("undecided", 3)
    assert found.effect < whole.effect
    with refused("claims.0.matrix = recurent", "recurrent, readout"):
        verdict_of(FINE, "follows", **claim | {"matrix": "recurent"})


def test_a_run_that_tells_no_start_or_has_no_number_leaves_its_seed_out():
    claim = ICL | RANK | {"where": {ZIPF: 1.0}, "at": "peak"}
    untold = FINE.copy(deep=True)
    untold.start_effective_rank[2, 2, 0] = np.nan
    found = verdict_of(untold, "follows", **claim)
    assert found.seeds == 2
    assert "1 of 18 runs do not record it" in found.detail
    assert "1 of 3 seeds left out" in found.detail
    gone = {BURSTY: 2, ZIPF: 2, "seed": 1}
    partial = verdict_of(without(FINE, "partial", **gone), "follows", **claim)
    assert partial.seeds == 2
    lacking = untold.assign_coords(matrix=["recurrent", "gate"])  # of networks of another kind
    lacking.start_effective_rank[1:, :, :, 1] = np.nan
    both = verdict_of(lacking, "follows", **claim | {"matrix": "*"})
    assert (both.verdict, both.seeds) == ("undecided", 0)
    begun = xarray.full_like(FINE.start_effective_rank, np.nan)
    begun[0, 0, 0, 1] = 3.0  # only the readout of one run is recorded
    waiting = FINE.assign(start_effective_rank=begun)
    assert verdict_of(waiting, "follows", **claim).verdict == "undecided"


@pytest.mark.parametrize(
    ("sweep", "where"), [(FINE, {BURSTY: 0.0, ZIPF: 0.0}), (with_starts(make_sweep({})), {})]
)
def test_an_order_needs_three_cells(sweep: xarray.Dataset, where: dict[str, float]):
    found = verdict_of(sweep, "follows", **ICL, **RANK, where=where)
    assert (found.verdict, found.seeds) == ("undecided", 0)
    assert "three cells are needed" in found.detail


def test_an_order_of_times_is_undecided_where_a_run_never_gets_there():
    claim = ICL | RANK | {"where": {ZIPF: 1.0}, "at": "time_to_threshold", "inverse": True}
    found = verdict_of(FINE, "follows", **claim)
    assert found.verdict == "undecided"
    assert "runs never at 0.75" in found.detail


def test_a_claim_about_a_knob_where_none_is_swept():
    with refused("claims.0.along = data.p_bursty", "none"):
        verdict_of(make_sweep({}), "rises", **ICL, along=BURSTY)
    assert verdict_of(make_sweep({}), "above", **ICL, threshold=0.7).verdict == "pass"


@pytest.mark.parametrize(
    "claim",
    [
        {"kind": "rises", "text": "", **ICL, "along": BURSTY},
        {"kind": "rises", "text": "t", **ICL},
        {"kind": "rises", "text": "t", **ICL, "along": BURSTY, "margin": -1},
        {"kind": "grows", "text": "t", **ICL, "along": BURSTY},
        {"kind": "above", "text": "t", **ICL, "threshold": 0.5, "along": BURSTY},
        {"kind": "above", "text": "t", **IWL | {"metric": "loss"}, "threshold": 1, "at": "peak"},
        {"kind": "transient", "text": "t", **IWL | {"metric": "loss"}},
        {"kind": "near", "text": "t", **ICL, "value": 0.5, "margin": 0.0},
        {"kind": "follows", "text": "t", **ICL, **RANK, "start": "rank"},
        {"kind": "follows", "text": "t", **ICL, **RANK, "margin": 1},
    ],
)
def test_claims_that_make_no_sense(claim: dict[str, Any]):
    with pytest.raises(ValidationError):
        TypeAdapter(Claim).validate_python(claim)


def test_every_kind_is_judged():
    kinds = {kind for kind, _, _ in JUDGED} | {"coexist"}
    assert set(CLAIMS) == kinds


def test_measures_of_networks_that_fell_silent_or_diverged_do_not_count():
    """They were 1 at the start, and are 0 / 0, or not there, at the end."""
    sweep = make_sweep({BURSTY: [0.0, 1.0]}, num_seeds=6)
    alignment = xarray.full_like(sweep.loss, 0.5)
    alignment[{"step": 0}] = 1.0
    silent, diverged = {BURSTY: 1, "seed": 0}, {BURSTY: 1, "seed": 1}
    for place in (silent, diverged):
        alignment[place | {"step": slice(1, None)}] = np.nan
    sweep["kernel_alignment"] = alignment
    sweep.loss[diverged | {"step": slice(1, None)}] = np.nan
    sweep["status"] = sweep.status.astype(object)
    sweep.status[diverged] = "diverged"
    claim = {"condition": "fewshot_holdout", "metric": "kernel_alignment", "along": BURSTY}
    verdict = verdict_of(sweep, "rises", **claim, margin=0)
    assert verdict.effect == pytest.approx(0)
    assert verdict.seeds == 4
    assert "2 runs without such a number at their end, left out" in verdict.detail
    shown = filled(sweep).kernel_alignment.isel({BURSTY: 1, "step": -1}, missing_dims="ignore")
    shown = shown.sel(condition="fewshot_holdout")
    assert np.isnan(shown.isel(seed=[0, 1])).all()
    assert float(shown.isel(seed=2)) == 0.5
