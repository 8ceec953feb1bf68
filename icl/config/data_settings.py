"""The distribution of training sequences as settings, without the checks between them.

docs/distribution.md defines it exactly. `icl.config.data` adds the checks.
"""

import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from icl.config.base import MAX_COUNT, Probability, Settings, Traced
from icl.config.class_probabilities import ClassProbabilities
from icl.config.evaluation import EvaluationConfig
from icl.config.families import (
    MAX_CONTEXT_LEN,
    NAMED,
    AnyFamily,
    BurstyFamily,
    Family,
    FewShotFamily,
    MarkovFamily,
)
from icl.config.sources import GlyphsSource, MarkovSource, Source

NUM_TRANSFORMS = 8  # two flips times four rotations
MAX_CLASSES = MAX_LABELS = MAX_EXEMPLARS = 10_000_000
MAX_PAIR_LABELS = 1024  # labels that are permuted, where pairs of them are held out
MAX_BLOCKS = 2**15
Weight = Annotated[float, Field(ge=0, le=1e6)]
if TYPE_CHECKING:
    NumClasses = int  # `DataConfig` puts the number in place of null
else:
    NumClasses = int | None


class DataSettings(Settings):
    """The training data: classes, their labels and exemplars, and sequences of them."""

    source: Source = GlyphsSource()

    # Sequences.
    context_len: int = Field(8, ge=1, le=MAX_CONTEXT_LEN, description="pairs before the query")
    shots: int = Field(
        3, ge=1, le=MAX_CONTEXT_LEN, description="repeats of each way in a bursty context"
    )
    ways: int = Field(
        2, ge=1, le=MAX_CONTEXT_LEN, description="repeated classes in a bursty context"
    )
    p_bursty: Annotated[Probability, Traced()] = 0.9
    non_bursty: str = Field("independent", description="the family of the other sequences")
    mixture: dict[str, Annotated[Weight, Traced()]] = Field(
        {}, description="families with their weights; empty: p_bursty and non_bursty"
    )
    families: dict[str, Family] = Field({}, description="your own families, by name")
    distinct_classes: bool = Field(
        True, description="classes of a bursty sequence all differ; false: drawn independently"
    )
    p_relevant: Annotated[Probability, Traced(off=1.0)] = Field(
        1.0, description="probability that a bursty context holds the query's class"
    )
    num_sequences: Annotated[int | None, Traced(off=None)] = Field(
        None, ge=1, lt=2**31, description="size of a finite data set; null: infinite"
    )

    # Classes.
    num_classes: NumClasses = Field(
        1600,
        ge=2,
        le=MAX_CLASSES,
        description="classes trained on; null, and the default for a file of your own: all but "
        "those held out",
    )
    num_common_classes: Annotated[int, Traced()] = Field(
        10, ge=0, le=MAX_CLASSES, description="the most frequent of them; the others are rare"
    )
    num_holdout_classes: int = Field(
        23, ge=0, le=MAX_CLASSES, description="classes never trained on"
    )
    zipf_exponent: Annotated[float, Traced()] = Field(0.0, ge=0, le=5)
    class_probabilities: Annotated[ClassProbabilities, Traced(is_sized=False)] = None
    split_seed: int = Field(1337, ge=0, lt=2**32, description="which classes are held out")
    flips_and_rotations: bool = Field(False, description="make eight classes of each; images only")
    num_blocks: Annotated[int, Traced(off=1)] = Field(
        1, ge=1, le=MAX_BLOCKS, description="training classes are used block by block"
    )
    block_steps: Annotated[int, Traced()] = Field(
        1000, ge=1, le=MAX_COUNT, description="training steps of a block"
    )

    # Labels.
    label_multiplicity: int = Field(1, ge=1, le=1024, description="labels of each class")
    num_meanings: int | None = Field(
        None,
        ge=2,
        le=MAX_LABELS,
        description="meanings that classes share; null: each class has its own",
    )
    drift_rate: Annotated[Probability, Traced(off=0.0)] = Field(
        0.0, description="probability of a new meaning of a class, for each step"
    )
    label_noise: Annotated[Probability, Traced(off=0.0)] = Field(
        0.0, description="probability that a label, also the query's, is drawn uniformly"
    )
    cue_reliability: Annotated[Probability, Traced(off=1.0)] = Field(
        1.0, description="probability that a context's label is not drawn uniformly"
    )
    num_permuted_labels: int | None = Field(
        None,
        ge=2,
        le=MAX_LABELS,
        description="labels of permuted sequences; null: all trained labels",
    )
    num_holdout_pairs: int = Field(
        0,
        ge=0,
        le=math.comb(MAX_PAIR_LABELS, 2),
        description="pairs of labels that are never permuted together",
    )

    # Exemplars.
    exemplars: Literal["all", "single", "separated"] = Field(
        "all", description="exemplars of a class: all, its first, or each as a class of its own"
    )
    num_exemplars: int | None = Field(
        None, ge=1, le=MAX_EXEMPLARS, description="exemplars of each class that are used; null: all"
    )
    num_holdout_exemplars: int = Field(
        0,
        ge=0,
        le=MAX_EXEMPLARS,
        description="exemplars of each class that are never trained on; after those that are used",
    )
    noise_scale: Annotated[float, Traced(off=0.0)] = Field(
        0.0, ge=0, le=10, description="s.d. of pixel noise; ink is 1"
    )
    p_matched_exemplar: Annotated[Probability, Traced(off=0.0)] = Field(
        0.0,
        description="probability that the query is a copy of a context item of its class; "
        "never in independent sequences",
    )
    p_copied_exemplar: Annotated[Probability, Traced(off=0.0)] = Field(
        0.0,
        description="probability that a repeated item is a copy of the first of its class; "
        "never in independent sequences",
    )
    random_rare_exemplars: bool = Field(
        False, description="rare classes get a new random image for each sequence"
    )

    @property
    def num_labels(self) -> int:
        """The number of labels of all classes, including held-out ones, as in Chan et al. 2022."""
        if isinstance(self.source, MarkovSource):
            return self.source.num_symbols
        meanings = self.num_meanings or self.num_classes + self.num_holdout_classes
        return meanings * self.label_multiplicity

    @property
    def num_trained_labels(self) -> int:
        """The number of labels of training classes, which come first."""
        if isinstance(self.source, MarkovSource):
            return self.source.num_symbols
        return (self.num_meanings or self.num_classes) * self.label_multiplicity

    @property
    def classes_per_source_class(self) -> int:
        """The number of classes made from one of the source; the split keeps them together."""
        count = NUM_TRANSFORMS if self.flips_and_rotations else 1
        if self.exemplars == "separated":
            count *= self.source.num_exemplars or 1
        return count

    @property
    def weights(self) -> dict[str, float]:
        """The training mixture: weights of families, which sum to 1.

        A family of weight 0 is among them, so that programs do not depend on weights, unless no
        program can hold it.
        """
        weights = self.given_weights
        total = math.fsum(weights.values())
        return {
            name: weight / total
            for name, weight in weights.items()
            if weight > 0 or self._has_place(self.family(name))
        }

    @property
    def given_weights(self) -> dict[str, float]:
        """The training mixture as it is set, with all families of weight 0."""
        if isinstance(self.source, MarkovSource) and not self.mixture:
            return {"markov": 1.0}
        return self.mixture or {"bursty": self.p_bursty, self.non_bursty: 1 - self.p_bursty}

    def _has_place(self, family: AnyFamily) -> bool:
        """Whether a program can hold a family beside others, if none of its sequences is used."""
        if isinstance(family, MarkovFamily) != isinstance(self.source, MarkovSource):
            return False
        if not isinstance(family, BurstyFamily | FewShotFamily):
            return (family.context_len or self.context_len) == self.context_len
        must_differ = family.labels == "flipped" or getattr(family, "distinct_labels", False)
        apart = getattr(family, "others", None) is not None and self.num_meanings is not None
        is_as_long = sum(self.pattern_of(family, None)) == self.context_len
        return is_as_long and family.labels != "holdout_pairs" and not (must_differ and apart)

    def family(self, name: str) -> AnyFamily:
        """The family of a name: one of the user's own, or one built in."""
        return self.families.get(name) or NAMED[name]

    @property
    def num_permuted(self) -> int:
        """The number of labels that permuted sequences draw from, which come first."""
        return self.num_permuted_labels or self.num_trained_labels

    @property
    def known_exemplars(self) -> int | None:
        """The number of training exemplars of each class; None: only a file knows."""
        if self.exemplars != "all":
            return 1
        if self.num_exemplars or self.source.num_exemplars is None:
            return self.num_exemplars
        return self.source.num_exemplars - self.num_holdout_exemplars

    def pattern_of(
        self, family: BurstyFamily | FewShotFamily, evaluation: EvaluationConfig | None
    ) -> tuple[int, ...]:
        """The number of context items of each class.

        evaluation: if given, the family is a condition; None: it is trained on.
        """
        if isinstance(family, FewShotFamily):
            default = evaluation or self
            return (family.shots or default.shots,) * (family.ways or default.ways)
        ones = self.context_len - self.shots * self.ways
        return family.pattern or (self.shots,) * self.ways + (1,) * ones
