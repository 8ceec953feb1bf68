"""Records of benchmarks are added to on their own machine only."""

import json
from pathlib import Path

from benchmarks.reporting import Median, median, sections_in, write

from ..messages import refused


def test_a_record_keeps_its_sections(tmp_path: Path):
    file = str(tmp_path / "record.json")
    assert sections_in(None) == sections_in(file) == {}
    write({"machine": {"peak": 1.0}}, file)
    write(sections_in(file) | {"start": {"seconds": 2.0}}, file)
    assert sections_in(file) == {"machine": {"peak": 1.0}, "start": {"seconds": 2.0}}


def test_a_record_keeps_the_spread_of_what_was_measured(tmp_path: Path):
    file = str(tmp_path / "record.json")
    write({"a": {"b": median([1.0, 2.0, 3.0, 4.0, 9.0]), "counted": 5}}, file)
    write(sections_in(file) | {"c": median([2.0])}, file)  # read and written once more
    assert json.loads(Path(file).read_text())["quartiles"] == {"a": {"b": [2.0, 4.0]}, "c": [2, 2]}
    kept = sections_in(file)["a"]["b"]
    assert isinstance(kept, Median)
    assert (kept, kept.quartiles) == (3.0, (2.0, 4.0))


def test_a_record_of_another_machine_is_left_alone(tmp_path: Path):
    file = tmp_path / "record.json"
    write({"machine": {"peak": 1.0}}, str(file))
    record = json.loads(file.read_text())
    file.write_text(json.dumps(record | {"environment": record["environment"] | {"cores": 999}}))
    with refused("record.json", "machine"):
        sections_in(str(file))
