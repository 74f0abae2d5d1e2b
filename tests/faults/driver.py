"""An audit in a process of its own, whose workers install the fault that the environment names.

``python -m tests.faults.driver ZOO``; with FAULT_NODES=1,2 it runs on a cluster of nodes with so many CPUs, of which one
dies as soon as a unit of the stage FAULT_NODE is done. With FAULT_BREATH every so many seconds one goes and another comes, and
with FAULT_LATE so many come when the first unit is done, and with FAULT_DRAIN one is told then that it will go, and goes so
many seconds later. An audit with no actors needs no cluster.
"""

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tests.faults.injected import install

ENVIRONMENT = ("FAULT", "FAULT_PLACE", "FAULT_DELAY", "PYTHONPATH")


def _start(cpus: list[int]) -> Any:
    """Start Ray as an audit would, but with the fault; return the cluster where its nodes are given."""
    import ray
    from ray.cluster_utils import Cluster

    os.environ["RAY_AUTH_MODE"] = "disabled"
    # else whatever runs beside a test starves its workers, which Ray starts at 15
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112
    # on a busy machine a node that is alive answers late; one that is gone refuses the connection at once
    os.environ["RAY_health_check_timeout_ms"] = "60000"  # noqa: SIM112
    given = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    hook = {"worker_process_setup_hook": "tests.faults.injected.install", "env_vars": given}
    quiet = {"log_to_driver": False, "logging_level": "error"}
    memory = {"object_store_memory": 100 << 20}
    if not cpus:
        ray.init(address="local", num_cpus=4, include_dashboard=False, runtime_env=hook, **memory, **quiet)
        return None
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": cpus[0], **memory})
    os.environ["RAY_ADDRESS"] = cluster.address
    ray.init(address=cluster.address, runtime_env=hook, **quiet)
    for count in cpus[1:]:
        cluster.add_node(num_cpus=count, **memory)
    cluster.wait_for_nodes(timeout=60)
    # nodes that a thread adds may set no handlers of signals, nor need any: the cluster is shut down at the end
    ray._private.utils.set_sigterm_handler = lambda handler: None
    return cluster


def _remove_node(cluster: Any, ledger: Path) -> None:
    stage = ledger / os.environ["FAULT_NODE"]
    while not any(stage.rglob("*.json")):
        time.sleep(0.02)
    cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
    sys.stderr.write(f"node removed after {len(list(stage.rglob('*.json')))} units\n")


def _breathe(cluster: Any, seconds: float, ended: threading.Event) -> None:
    replaced = 0
    while not ended.wait(seconds):
        cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
        cluster.add_node(num_cpus=1, object_store_memory=100 << 20)
        replaced += 1
    sys.stderr.write(f"nodes replaced: {replaced}\n")


def _come_late(cluster: Any, nodes: int, ledger: Path, ended: threading.Event) -> None:
    while not ended.wait(0.2):
        if list((ledger / "extract").rglob("*.json")):
            for _ in range(nodes):
                cluster.add_node(num_cpus=1, object_store_memory=100 << 20)
            # Ray's processes are killed when the thread ends that started them
            ended.wait()


def _drain(cluster: Any, seconds: float, ledger: Path, ended: threading.Event) -> None:
    from ray._raylet import GcsClient
    from ray.core.generated.autoscaler_pb2 import DrainNodeReason

    while not ended.wait(0.2):
        if list((ledger / "extract").rglob("*.json")):
            node = next(iter(cluster.worker_nodes))
            reason, until = DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION"), int(1000 * (time.time() + seconds))
            told = GcsClient(address=cluster.address).drain_node(node.node_id, reason, "called back", until)
            ended.wait(seconds)
            cluster.remove_node(node, allow_graceful=False)
            sys.stderr.write(f"node drained: {told[0]}\n")
            return


def main() -> None:
    """Run the audit as the command line does."""
    import ray

    from filterscope.jobs.cli.main import main as command
    from filterscope.jobs.config.audit import load_config

    config = load_config(sys.argv[1])
    if config.actors == 0:
        install()
        command(["audit", sys.argv[1], "--no-report"])
    cluster = _start([int(count) for count in os.environ.get("FAULT_NODES", "").split(",") if count])
    ended = threading.Event()
    killer = threading.Thread(target=_remove_node, args=(cluster, config.out / "ledger"), daemon=True)
    if "FAULT_BREATH" in os.environ:
        killer = threading.Thread(target=_breathe, args=(cluster, float(os.environ["FAULT_BREATH"]), ended))
    if "FAULT_LATE" in os.environ:
        late = int(os.environ["FAULT_LATE"])
        killer = threading.Thread(target=_come_late, args=(cluster, late, config.out / "ledger", ended))
    if "FAULT_DRAIN" in os.environ:
        seconds = float(os.environ["FAULT_DRAIN"])
        killer = threading.Thread(target=_drain, args=(cluster, seconds, config.out / "ledger", ended))
    if {"FAULT_NODE", "FAULT_BREATH", "FAULT_LATE", "FAULT_DRAIN"} & os.environ.keys():
        killer.start()
    try:
        command(["audit", sys.argv[1], "--no-report"])
    finally:
        ended.set()
        if killer.ident:
            killer.join(60)
        if cluster is not None:
            ray.shutdown()
            cluster.shutdown()


if __name__ == "__main__":
    main()
