"""`icl.describe`: the numbers as attributes, the files of the command."""

import json
from pathlib import Path

import pytest

import icl
from icl.description.any_config import Report

REPORT = Report({"ceilings": {"flip": 0.5}, "chance": {}}, {"examples.png": b"png"}, ["a table"])


@pytest.fixture
def description(monkeypatch: pytest.MonkeyPatch) -> icl.Description:
    """A description whose numbers are known; the config that it is of is checked."""

    def describe(config) -> Report:
        assert (config.data.zipf_exponent, config.seed) == (1, 7)
        return REPORT

    monkeypatch.setattr("icl.description.any_config.describe_any", describe)
    return icl.describe("quickstart", {"data.zipf_exponent": 1}, seed=7)


def test_numbers_are_attributes(description: icl.Description):
    assert description.ceilings == {"flip": 0.5}
    assert description.numbers is REPORT.numbers
    assert {"ceilings", "chance", "pictures", "save"} <= {*dir(description)}
    with pytest.raises(AttributeError, match="no 'ceiling'; there are: ceilings, chance"):
        description.ceiling  # noqa: B018


def test_files_and_tables(description: icl.Description, tmp_path: Path, capsys):
    files = description.save(tmp_path / "new" / "folder")
    assert [file.name for file in files] == ["examples.png", "description.json"]
    assert files[0].read_bytes() == b"png"
    assert json.loads(files[1].read_text()) == REPORT.numbers
    description.print()
    assert capsys.readouterr().out == "a table\n"


def test_a_mistake_is_found_before_anything_is_drawn():
    with pytest.raises(icl.UserError, match=r"data\.zipf_exponent = 9"):
        icl.describe("quickstart", {"data.zipf_exponent": 9})
