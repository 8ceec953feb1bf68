"""A third problem is one module, one config class and one entry; all else serves it."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from pydantic import Field

import icl
from icl.config import AnyConfig, CheckpointConfig, Connectivity, TrainingConfig
from icl.config.base import Settings
from icl.config.experiment import EXPERIMENTS
from icl.config.yaml import load_config
from icl.description.any_config import describe_any
from icl.problems.base import Cost, Inputs, Program, make_inputs
from icl.records import load
from icl.runs.progress import Progress
from icl.runs.run import train
from icl.training.losses import Loss
from icl.training.optimizer import Rates
from icl.training.step import TrainState
from icl.types import Shown, ShownTrials, Variables


class Regression(Settings):
    """A linear map to be found."""

    kind: str = "linear"
    dim: int = 3


class LinearMap(Settings):
    """The network that finds it."""

    kind: str = "linear_map"


class RegressionEvaluation(Settings):
    """When and on how many fresh inputs it is evaluated."""

    every: int = 10
    num_sequences: int = 16

    conditions: ClassVar[tuple[str, ...]] = ("fresh",)


class RegressionExperiment(AnyConfig):
    """A run on a linear regression."""

    regression: Regression
    model: LinearMap = LinearMap()
    connectivity: dict[str, Connectivity] = Field({})
    training: TrainingConfig = TrainingConfig()
    evaluation: RegressionEvaluation = RegressionEvaluation()
    checkpoints: CheckpointConfig = CheckpointConfig()

    problem: ClassVar[str] = "regression"
    has_context: ClassVar[bool] = False

    @property
    def source(self) -> Any:
        return self.regression

    @property
    def source_text(self) -> str:
        return "regression"


@dataclass(frozen=True, eq=False)
class RegressionProblem:
    config: RegressionExperiment
    arrays: Any = ()
    fused: Any = None

    def inputs(self, config: RegressionExperiment) -> Inputs:
        return make_inputs(config, ())

    def draw_network(self, key: jax.Array) -> Variables:
        kernel = jax.random.normal(key, (self.config.regression.dim, 1))
        return Variables({"recurrent": {"kernel": kernel}}, {})

    def draw_batch(self, key: Any, step: Any, inputs: Inputs, arrays: Any) -> Any:
        x = jax.random.normal(key, (self.config.training.batch_size, self.config.regression.dim))
        return x, x.sum(axis=1, keepdims=True)

    def make_loss(self, rates: Rates) -> Loss:
        def loss(variables: Variables, batch: Any) -> Any:
            x, y = batch
            return optax.l2_loss(x @ variables.params["recurrent"]["kernel"], y).mean(), {}

        return loss

    def evaluate(
        self, state: TrainState, initial: Callable, inputs: Inputs, arrays: Any
    ) -> dict[str, dict[str, Any]]:
        batch = self.draw_batch(inputs.eval_key, state.step, inputs, arrays)
        loss = self.make_loss(inputs.rates)(state.variables, batch)[0]
        zero = jnp.zeros(())
        scores = {"accuracy": loss, "accuracy_stderr": zero, "accuracy_chance": zero}
        return {"fresh": scores | {"loss": loss, "loss_stderr": zero}}

    def tested_as(self, config: RegressionExperiment) -> "RegressionProblem":
        return replace(self, config=config)

    def draw_condition(self, name: str, key: Any, count: int, inputs: Inputs, step: Any) -> Any:
        return jax.random.normal(key, (count, self.config.regression.dim))

    def as_inputs(self, given: Any) -> Any:
        return jnp.asarray(given)

    def apply(self, variables: Variables, given: Any, query_only: bool = True) -> Any:
        return given @ variables.params["recurrent"]["kernel"], {"input": given}

    def shown(self, config: RegressionExperiment, inputs: Inputs) -> Shown:
        x, _ = self.draw_batch(jax.random.key(0), 0, inputs, ())
        targets = np.zeros((len(x), 1), np.int32)
        return Shown("trials", ShownTrials(np.asarray(x)[:6, None], targets[:6]))

    def cost(self, program: Program) -> Cost:
        return Cost(1.0, 1.0)


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> RegressionExperiment:
    module = ModuleType("icl.problems.regression")
    module.load = lambda config: RegressionProblem(config, (), {})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "icl.problems.regression", module)
    monkeypatch.setitem(EXPERIMENTS, "regression", RegressionExperiment)
    file = tmp_path / "regression.yaml"
    file.write_text("regression: {dim: 4}\n")
    words = ["training.num_steps=20", "training.batch_size=16", "training.learning_rate=0.1"]
    return load_config(file, [*words, "training.warmup_steps=1", "evaluation.every=5"])


def test_it_trains_is_recorded_and_described(
    config: RegressionExperiment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert type(config) is RegressionExperiment
    train(config, tmp_path / "run", Progress())
    assert "  accuracy " in capsys.readouterr().err
    loss = load(tmp_path / "run").loss.sel(condition="fresh")
    assert float(loss[-1]) < float(loss[0]) / 2
    assert (tmp_path / "run" / "sequences.png").stat().st_size > 1000
    run = icl.load(tmp_path / "run")
    inputs = run.draw("fresh", 6)
    kernel = run.variables.params["recurrent"]["kernel"]
    np.testing.assert_allclose(run.apply(inputs), inputs @ kernel, rtol=1e-5)
    assert np.array_equal(run.evaluate().loss, run.dataset.loss[:, -1])
    report = describe_any(config)
    assert report.numbers["num_parameters"]["total"] == 4
    assert report.tables
    assert set(report.pictures) == {"trials.png"}
