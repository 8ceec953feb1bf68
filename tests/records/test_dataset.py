"""What the array of a run or of a sweep says about its conditions."""

from pathlib import Path

import yaml

from icl.config import ExperimentConfig
from icl.config.yaml import dump_config
from icl.records import load

FAMILIES = {
    "mine": {"kind": "independent", "support": "never"},
    "no_support_mine": {"kind": "independent"},
}
CONDITIONS = ["fewshot_holdout", "mine", "no_support_mine"]
BASE = {"data": {"families": FAMILIES}, "evaluation": {"conditions": CONDITIONS}}


def test_a_run_has_the_strategy_of_each_condition(tmp_path: Path):
    config = ExperimentConfig.model_validate(BASE)
    (tmp_path / "config.yaml").write_text(dump_config(config))
    dataset = load(tmp_path)
    assert dataset.strategy.dims == ("condition",)
    assert dataset.strategy.values.tolist() == ["ICL", "IWL", ""]


def test_a_sweep_has_the_strategies_that_all_its_runs_agree_on(tmp_path: Path):
    (tmp_path / "grids").mkdir()
    grid = {"base": BASE, "grid": {"data.families.mine.support": ["never", "any"]}}
    (tmp_path / "grids" / "families.yaml").write_text(yaml.safe_dump(grid))
    assert load(tmp_path).strategy.values.tolist() == ["ICL", "", ""]
