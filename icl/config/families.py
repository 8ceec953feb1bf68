"""Families of sequences as settings, and the built-in families by name.

Training (`data.mixture`) and evaluation (`evaluation.conditions`) draw from the same families.
docs/distribution.md defines them exactly; `icl.config.conditions` says what each shows as a
condition.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from icl.config.base import FromList, Settings
from icl.config.parts import OneOf

MAX_CONTEXT_LEN = 512  # pairs

# Sets of classes, each with a distribution; `train` follows Zipf's law.
Pool = Literal[
    "train", "uniform", "common", "rare", "common_zipfian", "rare_zipfian", "holdout", "novel"
]

# How the classes of a sequence get their labels.
Labels = Literal[
    "own",  # the label of each class
    "flipped",  # own labels, exchanged among the ways
    "assigned",  # 0 .. ways - 1 at random
    "permuted",  # different labels of the first num_permuted_labels, at random
    "holdout_pairs",  # two that never occurred together in `permuted` training sequences
    "uniform",  # labels of other classes, drawn at random from the pool of that name
    "train",
    "common",
    "rare",
    "holdout",
]


class BurstyFamily(Settings):
    """Classes that are repeated by a pattern; the query is of the first.

    classes: pool of the first classes, up to the last that occurs more than once.
    others: pool of the classes after these, which occur once; null: the same pool.
    """

    kind: Literal["bursty"] = "bursty"
    pattern: (
        Annotated[tuple[Annotated[int, Field(ge=1, le=MAX_CONTEXT_LEN)], ...], FromList] | None
    ) = Field(
        None,
        min_length=1,
        max_length=MAX_CONTEXT_LEN,
        description="items of each class, as 3,3,1,1; null: data.shots x data.ways, then ones",
    )
    classes: Pool = "train"
    others: Pool | None = None
    labels: Labels = "own"
    order: Literal["shuffled", "grouped", "blocked"] = "shuffled"
    distinct: bool | None = Field(None, description="classes differ; null: data.distinct_classes")
    distinct_labels: bool = Field(False, description="own labels of the classes differ too")
    exemplars: Literal["train", "holdout"] = "train"


class FewShotFamily(Settings):
    """`ways` different classes, each `shots` times, and no others."""

    kind: Literal["few_shot"] = "few_shot"
    shots: int | None = Field(None, ge=1, le=MAX_CONTEXT_LEN, description="null: evaluation.shots")
    ways: int | None = Field(None, ge=1, le=MAX_CONTEXT_LEN, description="null: evaluation.ways")
    classes: Pool = "train"
    labels: Labels = "assigned"
    order: Literal["shuffled", "grouped", "blocked"] = "shuffled"
    exemplars: Literal["train", "holdout"] = "train"


class IndependentFamily(Settings):
    """Independently drawn items.

    support: whether the context holds the query's class. `any`: by chance; `always`: the query has
        the class of a context item; `never`: the context is drawn from all other classes.
    """

    kind: Literal["independent"] = "independent"
    context_len: int | None = Field(None, ge=1, le=MAX_CONTEXT_LEN, description="null: data's")
    classes: Pool = "train"
    support: Literal["any", "always", "never"] = "any"
    distinct: bool = Field(False, description="all classes differ; only where support is never")
    copy_label: bool = Field(
        False, description="a context item has the query's label; only where support is never"
    )
    exemplars: Literal["train", "holdout"] = "train"


class MarkovFamily(Settings):
    """Paths of Markov chains; only with data.source.kind = markov.

    chains: `train`: those of data.source; `novel`: a new one for each sequence.
    """

    kind: Literal["markov"] = "markov"
    context_len: int | None = Field(None, ge=1, le=MAX_CONTEXT_LEN, description="null: data's")
    chains: Literal["train", "novel"] = "train"


class OwnFamily(Settings):
    """What the settings of a registered family derive from: see `icl.register.family`.

    strategy: the only one that can solve its sequences; empty: either can, or none.
    """

    kind: str
    context_len: int | None = Field(None, ge=1, le=MAX_CONTEXT_LEN, description="null: data's")

    strategy: ClassVar[Literal["ICL", "IWL", ""]] = ""


Family = Annotated[BurstyFamily | FewShotFamily | IndependentFamily | MarkovFamily, OneOf("family")]
AnyFamily = Family | OwnFamily


def num_ways(pattern: tuple[int, ...]) -> int:
    """The number of classes up to the last that occurs more than once; at least one."""
    return max((i + 1 for i, count in enumerate(pattern) if count > 1), default=1)


NAMED: dict[str, Family] = {
    # Trained on.
    "bursty": BurstyFamily(),
    "bursty_rare": BurstyFamily(classes="rare", others="common"),
    "bursty_common": BurstyFamily(classes="common", others="rare"),
    "bursty_permuted": BurstyFamily(labels="permuted"),
    "bursty_novel": BurstyFamily(classes="novel"),
    "independent": IndependentFamily(),
    "common_uniform": IndependentFamily(classes="common"),
    "common_no_support": IndependentFamily(classes="common", support="never"),
    "supported": IndependentFamily(support="always"),
    "markov": MarkovFamily(),
    # Tests of in-context learning.
    "fewshot_holdout": FewShotFamily(classes="holdout"),
    "fewshot_train": FewShotFamily(),
    "fewshot_common": FewShotFamily(classes="common"),
    "fewshot_rare": FewShotFamily(classes="rare"),
    "fewshot_novel": FewShotFamily(classes="novel"),
    "fewshot_holdout_exemplars": FewShotFamily(exemplars="holdout"),
    "fewshot_uniform_labels": FewShotFamily(classes="holdout", labels="uniform"),
    "fewshot_frequent_labels": FewShotFamily(classes="holdout", labels="train"),
    "fewshot_common_labels": FewShotFamily(classes="holdout", labels="common"),
    "fewshot_rare_labels": FewShotFamily(classes="holdout", labels="rare"),
    "fewshot_unused_labels": FewShotFamily(classes="holdout", labels="holdout"),
    "fewshot_permuted": FewShotFamily(labels="permuted"),
    "fewshot_holdout_pairs": FewShotFamily(labels="holdout_pairs"),
    "markov_novel": MarkovFamily(chains="novel"),
    # Tests of in-weights learning.
    "no_support": IndependentFamily(support="never"),
    "no_support_uniform": IndependentFamily(classes="uniform", support="never"),
    "no_support_common": IndependentFamily(classes="common", support="never"),
    "no_support_rare": IndependentFamily(classes="rare", support="never"),
    "no_support_distinct": IndependentFamily(support="never", distinct=True),
    "no_support_holdout_exemplars": IndependentFamily(support="never", exemplars="holdout"),
    # Tests that set the two against each other.
    "flip": FewShotFamily(labels="flipped"),
    "copy_available": IndependentFamily(support="never", copy_label=True),
}
