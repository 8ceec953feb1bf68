"""Sweeps on a real Ray cluster, several nodes on this machine: workers, nodes, the driver die."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from icl.records import load
from icl.records.lines import read_lines

from .conftest import Script, assert_same_array, metrics_of, steps_made, train, trained, write_grid

pytest.importorskip("ray", reason="Ray is not installed: pip install -e '.[cluster]'")
from ray.cluster_utils import Cluster

STEPS = 1500
LONG = (f"training.num_steps={STEPS}", "evaluation.every=100", "checkpoints.every=100")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, environment) -> tuple[Path, Path]:
    """A grid of long runs, and where it was trained without a cluster."""
    return trained(tmp_path_factory.mktemp("whole"), environment, *LONG)


@pytest.fixture(scope="module")
def cluster(environment) -> Iterator[Cluster]:
    """A head that computes nothing, and two nodes of one core."""
    os.environ.update(environment)  # nodes are children of this process
    quick = {"health_check_period_ms": 500, "health_check_failure_threshold": 3}
    head = {"num_cpus": 0, "_system_config": quick}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.add_node(num_cpus=1)
    cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()
    for name in environment:
        os.environ.pop(name, None)


def workers() -> list[int]:
    """Processes that train cells."""
    found = subprocess.run(["pgrep", "-f", "ray::_work"], capture_output=True, text=True)
    return [int(line) for line in found.stdout.split()]


@pytest.mark.slow
def test_a_worker_a_node_and_the_driver_die_and_nothing_is_lost(
    whole, cluster: Cluster, tmp_path: Path, environment
):
    grid, expected = whole
    out = tmp_path / "out"
    words = grid, "--ray", cluster.address, "--out", out

    first = Script(environment, *words)
    first.wait_until(lambda: steps_made(out) >= 300)
    os.kill(workers()[0], signal.SIGKILL)
    made = steps_made(out)
    first.wait_until(lambda: steps_made(out) >= made + 300)

    cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
    made = steps_made(out)
    first.wait_until(lambda: steps_made(out) >= made + 300)
    first.kill()

    cluster.add_node(num_cpus=1)
    code, _, err = Script(environment, *words).end()
    assert code == 0, err
    assert metrics_of(out) == metrics_of(expected)
    assert_same_array(load(out), load(expected))
    # What had been cut short went on from a checkpoint, and was not made from the beginning.
    events = [e for file in out.glob("cells/*/events.jsonl") for e in read_lines(file)]
    restored = [event["step"] for event in events if event["event"] == "restored"]
    assert len(restored) >= 2
    assert min(restored) >= 100


@pytest.mark.slow
def test_results_land_in_storage_that_all_nodes_share(
    small_sweep, cluster: Cluster, tmp_path: Path, environment
):
    sweep, grid = small_sweep(), tmp_path / "grid.yaml"
    address = f"file://{tmp_path}/shared"
    code, _, err = Script(environment, grid, "--ray", cluster.address, "--out", address).end()
    assert code == 0, err
    assert_same_array(load(address), train(sweep, tmp_path / "expected"))


def test_a_cluster_that_cannot_be_reached_is_refused(tmp_path: Path, environment):
    grid = write_grid(tmp_path / "grid.yaml")
    words = grid, "--ray", "127.0.0.1:1", "--out", tmp_path / "out"
    code, stdout, err = Script(environment, *words).end()
    assert (code, stdout) == (2, "")
    assert err.startswith("error: --ray = 127.0.0.1:1: no cluster to be reached")
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()
