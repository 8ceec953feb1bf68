"""The number of training classes where the config leaves it to the source."""

from icl.config.base import raise_all
from icl.config.checks.data import MAX_CLASSES
from icl.config.data_settings import DataSettings
from icl.config.features_file import count_classes
from icl.config.sources import FeaturesSource, MarkovSource
from icl.errors import UserError


def all_classes(data: DataSettings) -> int:
    """The number of all classes of the source but those held out.

    Raises ValueError where they are too many or too few, or where the source's file cannot be read.
    """
    source, held_out = data.source, data.num_holdout_classes
    if isinstance(source, MarkovSource):
        return source.num_symbols  # which are no classes
    whose = f"classes of data.source ({source.kind})"
    there = source.num_classes
    if isinstance(source, FeaturesSource):
        try:
            there = count_classes(source.path, source.key)
        except UserError as error:
            raise ValueError(str(error)) from None
    if there is None or there > MAX_CLASSES:
        raise_all([f"data.num_classes = null; allowed: a number, of the {there} {whose}"])
    assert there is not None
    together = data.classes_per_source_class
    there *= together
    # Classes made from one class of the source are all on one side of the split.
    left = (there - held_out) // together * together
    if left < 2:
        raise_all(
            [
                f"data.num_holdout_classes = {held_out}; allowed: at most {there - 2} where "
                f"data.num_classes = null, all others of the {there} {whose}"
            ]
        )
    return left
