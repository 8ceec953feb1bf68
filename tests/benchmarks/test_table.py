"""Records of benchmarks as tables."""

from benchmarks.reporting import median
from benchmarks.table import to_table


def test_figures_are_rows_and_several_of_each_are_columns():
    assert to_table("a", {"x": 0.123, "y": 1234.5}) == (
        "| `a` |  |\n| --- | --- |\n| x | 0.123 |\n| y | 1,234 |"
    )
    nested = {"one": {"x": 2.345}, "other": {"x": 1e-4, "y": 3.0}}
    assert to_table("b", nested) == (
        "| `b` | x | y |\n| --- | --- | --- |\n| one | 2.3 |  |\n| other | 0.0001 | 3 |"
    )


def test_quartiles_stand_beside_the_median():
    assert to_table("a", {"x": median([1.0, 2.0, 3.0, 4.0, 9.0])}).endswith("| x | 3 (2 to 4) |")
