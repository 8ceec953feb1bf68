"""Statistics of initial weights are read from all runs that recorded them."""

import json
from pathlib import Path

import numpy as np

from icl.config.claims import WEIGHT_STATISTICS
from icl.probes.weight_statistics import measure_matrix
from icl.records.initial_weights import load_initial_weights


def test_matrices_of_all_runs_and_none_of_those_that_tell_nothing(tmp_path: Path):
    matrix = np.random.default_rng(0).standard_normal((4, 4))
    measured = measure_matrix(matrix)
    assert set(measured) == set(WEIGHT_STATISTICS)
    contents = {
        "square": json.dumps({"recurrent": measured}),
        "both": json.dumps({"recurrent": measured, "input": measure_matrix(matrix[:3])}),
        "broken": "{",
        "not a table": "[]",
        "missing": None,
    }
    for name, content in contents.items():
        (tmp_path / name).mkdir()
        if content is not None:
            (tmp_path / name / "connectivity.json").write_text(content)
    names, arrays = load_initial_weights([tmp_path / name for name in contents])
    assert names == ["input", "recurrent"]
    assert set(arrays) == {f"start_{number}" for number in WEIGHT_STATISTICS}
    norms = arrays["start_norm"]
    assert norms.shape == (5, 2)
    np.testing.assert_allclose(norms[:2, 1], np.linalg.norm(matrix))
    np.testing.assert_allclose(norms[1, 0], np.linalg.norm(matrix[:3]))
    assert np.isnan(norms[2:]).all()
    assert np.isnan(arrays["start_spectral_radius"][1, 0])  # not square
    assert load_initial_weights([tmp_path / "missing"]) == ([], {})
