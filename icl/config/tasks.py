"""Tasks over time, as settings: the answer is computed over the steps of a trial.

The decision tasks of NeuroGym and sequential digits, as in Liu et al. (2023). Each task gives its
numbers of steps, inputs and outputs before any data is read.
"""

from abc import abstractmethod
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from icl.config.base import FromList, Settings, Traced, raise_all
from icl.config.parts import OneOf

MAX_STEPS = 10_000

Coherences = Annotated[
    tuple[Annotated[float, Field(ge=0, le=100)], ...],
    FromList,
    Traced(),
    Field(
        min_length=1,
        max_length=64,
        description="contrasts of a stimulus in percent; each trial has a random one of them",
    ),
]


_MS = "ms, a multiple of dt"
Duration = Annotated[int, Field(ge=0, le=1_000_000, description=_MS)]
OwnDuration = Annotated[int, Field(ge=1, le=1_000_000, description=_MS)]  # never left out


class OverTime(Settings):
    """The properties of a task that are known before any trial is drawn.

    kind: its name. last_only: whether only the last step has a weight in the loss.
    """

    kind: str
    last_only: ClassVar[bool] = False

    @property
    @abstractmethod
    def period_steps(self) -> dict[str, int]:
        """The number of steps of each period, in order."""

    @property
    @abstractmethod
    def input_channels(self) -> dict[str, int]:
        """The number of inputs of each kind, in order."""

    @property
    @abstractmethod
    def output_channels(self) -> dict[str, int]:
        """The number of outputs of each kind, in order."""

    @property
    def num_choices(self) -> int:
        """The number of possible answers at the last step."""
        return self.num_outputs

    @property
    def knobs(self) -> dict[str, float | tuple[float, ...]]:
        """The values of `icl.types.TaskKnobs`; 0: off."""
        return {}

    @property
    def num_steps(self) -> int:
        return sum(self.period_steps.values())

    @property
    def num_inputs(self) -> int:
        return sum(self.input_channels.values())

    @property
    def num_outputs(self) -> int:
        return sum(self.output_channels.values())


class DecisionTask(OverTime):
    """The settings of all decision tasks: a ring of directions, noise, and a cue to fixate.

    period_names: the names of the periods, in order.
    """

    dt: int = Field(100, ge=1, le=10_000, description="ms of a step")
    fixation: Duration = 0
    delay: Duration = 0
    decision: OwnDuration = 100
    dim_ring: int = Field(2, ge=2, le=256, description="directions, evenly spaced on a circle")
    coherences: Coherences
    sigma: Annotated[float, Traced(off=0.0)] = Field(
        1.0, ge=0, le=1000, description="noise of stimuli while they are shown, times sqrt(ms)"
    )
    cue_sigma: Annotated[float, Traced(off=0.0)] = Field(
        0.0,
        ge=0,
        le=1000,
        description="noise of fixation and context while stimuli are shown, times sqrt(ms)",
    )
    fixation_cue: Literal["until_decision", "fixation_only"] = Field(
        "until_decision", description="until when the fixation input is 1"
    )

    period_names: ClassVar[tuple[str, ...]]

    @property
    def period_steps(self) -> dict[str, int]:
        return {name: getattr(self, name) // self.dt for name in self.period_names}

    @property
    def input_channels(self) -> dict[str, int]:
        return {"fixation": 1, "ring": self.dim_ring}

    @property
    def output_channels(self) -> dict[str, int]:
        return {"fixate": 1, "direction": self.dim_ring}

    @property
    def num_choices(self) -> int:
        """The number of outputs without the one to fixate."""
        return self.num_outputs - 1

    @property
    def knobs(self) -> dict[str, float | tuple[float, ...]]:
        """White noise of given density has a s.d. of density / sqrt(dt) in steps of dt."""
        noise, cue_noise = (sigma * self.dt**-0.5 for sigma in (self.sigma, self.cue_sigma))
        return {"noise": noise, "cue_noise": cue_noise, "coherences": self.coherences}

    @model_validator(mode="after")
    def _consistent(self) -> "DecisionTask":
        errors = [
            f"task.{name} = {getattr(self, name)}; allowed: multiples of task.dt = {self.dt}"
            for name in self.period_names
            if getattr(self, name) % self.dt
        ]
        if self.num_steps > MAX_STEPS:
            errors.append(
                f"task.dt = {self.dt}; allowed: a longer step, so that a trial has at most "
                f"{MAX_STEPS} steps, not {self.num_steps}"
            )
        raise_all(errors)
        return self


class TwoAlternativeTask(DecisionTask):
    """Two-alternative forced choice (2AF): the direction of a noisy stimulus.

    NeuroGym's PerceptualDecisionMaking-v0, after Britten et al. (1992).
    """

    kind: Literal["two_alternative"] = "two_alternative"
    stimulus: OwnDuration = 700
    coherences: Coherences = (0.0, 6.4, 12.8, 25.6, 51.2)

    period_names: ClassVar[tuple[str, ...]] = ("fixation", "stimulus", "delay", "decision")


class MatchToSampleTask(DecisionTask):
    """Delayed match to sample (DMS): was the test the sample, or its opposite?

    NeuroGym's DelayMatchSample-v0, after Miller, Erickson and Desimone (1996).
    """

    kind: Literal["match_to_sample"] = "match_to_sample"
    sample: OwnDuration = 100
    delay: Duration = 500
    test: OwnDuration = 100
    coherences: Coherences = (100.0,)

    period_names: ClassVar[tuple[str, ...]] = ("fixation", "sample", "delay", "test", "decision")

    @property
    def output_channels(self) -> dict[str, int]:
        return {"fixate": 1, "match": 1, "opposite": 1}


class ContextDependentTask(DecisionTask):
    """Context-dependent decisions (CXT): the direction in the cued one of two modalities.

    NeuroGym's ContextDecisionMaking-v0, after Mante et al. (2013).
    """

    kind: Literal["context_dependent"] = "context_dependent"
    stimulus: OwnDuration = 200
    delay: Duration = 500
    coherences: Coherences = (5.0, 15.0, 50.0)
    cue_sigma: Annotated[float, Traced(off=0.0)] = Field(
        1.0,
        ge=0,
        le=1000,
        description="noise of fixation and context while stimuli are shown, times sqrt(ms)",
    )

    period_names: ClassVar[tuple[str, ...]] = ("fixation", "stimulus", "delay", "decision")

    @property
    def input_channels(self) -> dict[str, int]:
        rings = {f"ring of modality {i}": self.dim_ring for i in range(2)}
        return {"fixation": 1, **rings, "context": 2}


class MnistImages(Settings):
    """The 70,000 handwritten digits of LeCun et al. (1998), 28 x 28; downloaded once."""

    kind: Literal["mnist"] = "mnist"

    side: ClassVar[int] = 28


class SklearnImages(Settings):
    """The 1,797 handwritten digits that scikit-learn ships, 8 x 8; no download."""

    kind: Literal["sklearn"] = "sklearn"

    side: ClassVar[int] = 8


class DigitsTask(OverTime):
    """Sequential digits: an image row by row; the answer at the last step is its digit."""

    kind: Literal["digits"] = "digits"
    source: Annotated[MnistImages | SklearnImages, Field(discriminator="kind")] = MnistImages()
    delay: int = Field(0, ge=0, le=MAX_STEPS, description="empty steps after the last row")
    sigma: Annotated[float, Traced(off=0.0)] = Field(
        0.0, ge=0, le=1000, description="noise of each pixel, where ink is 1"
    )

    last_only: ClassVar[bool] = True

    @property
    def period_steps(self) -> dict[str, int]:
        return {"rows": self.source.side, "delay": self.delay}

    @property
    def input_channels(self) -> dict[str, int]:
        return {"pixels of a row": self.source.side}

    @property
    def output_channels(self) -> dict[str, int]:
        return {"digit": 10}

    @property
    def knobs(self) -> dict[str, float | tuple[float, ...]]:
        return {"noise": self.sigma}


TaskConfig = Annotated[
    TwoAlternativeTask | MatchToSampleTask | ContextDependentTask | DigitsTask,
    OneOf("task"),
]
