"""Checks that classes have enough exemplars for all sequences: a line for each mistake."""

from icl.config.data_settings import DataSettings
from icl.config.evaluation import EvaluationConfig
from icl.config.families import BurstyFamily, FewShotFamily


def too_few_exemplars(
    data: DataSettings,
    evaluation: EvaluationConfig | None,
    in_use: int,
    whose: str = "each class",
) -> list[str]:
    """Mistakes of families whose sequences would repeat exemplars.

    One exemplar for each class is allowed: all items of a class are then copies of it.

    evaluation: if given, families are conditions. in_use: training exemplars of each class.
    whose: which classes have so many.
    """
    drawn = [name for name, weight in data.given_weights.items() if weight > 0]
    names = drawn if evaluation is None else list(evaluation.conditions)
    errors = []
    for name in names:
        family = None if name == "train" else data.family(name)
        if not isinstance(family, BurstyFamily | FewShotFamily):
            continue
        held_out = family.exemplars == "holdout"
        there = data.num_holdout_exemplars if held_out else in_use
        first, *others = data.pattern_of(family, evaluation)
        need = max(first + 1, *others, 0)
        if 1 < there < need:
            field = "data.num_holdout_exemplars" if held_out else "data.num_exemplars"
            null = "null: " if not held_out and not data.num_exemplars else ""
            errors.append(
                f"{field} = {null}{there} of {whose}; allowed: 1, or at least {need} for {name} "
                f"({first} of a class, and the query)"
            )
    return errors
