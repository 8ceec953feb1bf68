"""The cell types of a cortical column, their numbers and connections (Potjans and Diesmann 2014).

Cerebral Cortex 24:785, tables 4 and 5: early sensory cortex under 1 mm^2 of surface. Populations in
order: excitatory and inhibitory cells of layer 2/3, then of layers 4, 5 and 6.
"""

NUM_CELLS = (20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948)

# As in the paper, to the row's population from the column's.
_TO_FROM = (
    (0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0000, 0.0076, 0.0000),
    (0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0000, 0.0042, 0.0000),
    (0.0077, 0.0059, 0.0497, 0.1350, 0.0067, 0.0003, 0.0453, 0.0000),
    (0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0000, 0.1057, 0.0000),
    (0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0000),
    (0.0548, 0.0269, 0.0257, 0.0022, 0.0600, 0.3158, 0.0086, 0.0000),
    (0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252),
    (0.0364, 0.0010, 0.0034, 0.0005, 0.0277, 0.0080, 0.0658, 0.1443),
)

FRACTIONS = tuple(count / sum(NUM_CELLS) for count in NUM_CELLS)
# From the row's population to the column's, as weight matrices have it.
PROBABILITIES = tuple(zip(*_TO_FROM, strict=True))


def _strength(source: int, target: int) -> float:
    """The mean weight: inhibition is four times as strong, layer 4 to 2/3 twice as strong."""
    if source % 2:
        return -4.0
    return 2.0 if (source, target) == (2, 0) else 1.0


STRENGTHS = tuple(tuple(_strength(source, target) for target in range(8)) for source in range(8))
