"""Settings that are gone: configs that name them are read as long as nothing else is meant."""

from pathlib import Path

import pytest

from icl.config.retired import RETIRED
from icl.config.traced import digest_of
from icl.config.yaml import dump_config, load_config
from icl.errors import UserError

from ..conftest import QUICKSTART
from ..messages import check_line, fields_of, refused


def test_a_recorded_config_that_names_a_retired_setting_is_the_same_config(tmp_path: Path):
    config = load_config(QUICKSTART)
    old = dump_config(config).replace("data:\n", "data:\n  random_bits: threefry\n", 1)
    (tmp_path / "config.yaml").write_text(old)
    assert load_config(tmp_path / "config.yaml") == config
    assert "random_bits" not in dump_config(config)


@pytest.mark.parametrize("name", RETIRED)
def test_the_value_that_is_left_may_be_given(name: str):
    config = load_config(QUICKSTART, [f"{name}={RETIRED[name].value}"])
    assert digest_of(config) == digest_of(load_config(QUICKSTART))


def test_another_value_is_refused_beside_other_mistakes():
    with pytest.raises(UserError) as caught:
        load_config(QUICKSTART, ["data.random_bits=rbg", "data.p_bursty=2"])
    assert fields_of(caught.value.args) == ["data.random_bits", "data.p_bursty"]
    check_line(caught.value.args[0], "data.random_bits = rbg", "threefry")


def test_a_branch_that_is_none_is_named():
    with refused("data = 3", "source"):
        load_config(QUICKSTART, ["data=3"])
