"""The connection to a cluster ends where it began. No Ray: a module with its functions."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from icl.records.storage import Store
from icl.sweeps.cluster import Cluster


def test_a_connection_ends_with_its_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    calls: list[str] = []
    ray = ModuleType("ray")
    ray.init = lambda **_: calls.append("init")  # type: ignore[attr-defined]
    ray.shutdown = lambda: calls.append("shutdown")  # type: ignore[attr-defined]
    ray.cluster_resources = lambda: {"CPU": 2.0}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ray", ray)
    with Cluster("auto", Store(str(tmp_path))) as cluster:
        assert (cluster.num_workers, calls) == (2, ["init"])
    assert calls == ["init", "shutdown"]
