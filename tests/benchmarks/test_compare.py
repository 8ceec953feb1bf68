"""Records of benchmarks side by side."""

import json

import pytest

from benchmarks.compare import PEAK, compare, read

from ..messages import refused


def test_speeds_are_taken_over_the_peak_and_shares_as_they_are():
    old = {PEAK: 100.0, "a/sequences/s": 10.0, "a/seconds, b": 4.0, "a/over the peak's": 0.2}
    new = {PEAK: 200.0, "a/sequences/s": 20.0, "a/seconds, b": 2.0, "a/over the peak's": 0.1}
    assert compare(old, new) == {
        "a/over the peak's": pytest.approx(0.5),
        "a/sequences/s": pytest.approx(1),
        "a/seconds, b": pytest.approx(1),
    }


def test_a_slower_release_is_not_a_slower_machine():
    old = {PEAK: 100.0, "a/sequences/s": 10.0, "a/seconds": 1.0}
    assert compare(old, {PEAK: 50.0, "a/sequences/s": 5.0, "a/seconds": 2.0}) == {
        "a/sequences/s": pytest.approx(1),
        "a/seconds": pytest.approx(1),
    }
    assert compare(old, {PEAK: 100.0, "a/sequences/s": 5.0, "a/seconds": 2.0}) == {
        "a/sequences/s": pytest.approx(0.5),
        "a/seconds": pytest.approx(0.5),
    }


def test_a_file_is_read_by_path_without_the_machine_and_others_are_refused(tmp_path):
    file = tmp_path / "record.json"
    tree = {
        "environment": {"cores": 2},
        "machine": {"matrix products, GFLOP/s": 190.0},
        "a": {"b": {"seconds": 2}},
        "quartiles": {"machine": {"matrix products, GFLOP/s": [180.0, 195.0]}},
    }
    file.write_text(json.dumps(tree))
    assert read(str(file)) == {PEAK: 190.0, "a/b/seconds": 2.0}
    file.write_text("[]")
    with refused(str(file), PEAK, "machine"):
        read(str(file))
    with refused(str(tmp_path / "none"), "No such file"):
        read(str(tmp_path / "none"))
