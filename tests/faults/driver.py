"""An audit in a process of its own, whose workers install the fault that the environment names.

``python -m tests.faults.driver ZOO``; with FAULT_NODE=STAGE a second node dies as soon as a unit of that stage is done. It
starts a cluster of its own, or joins that at FAULT_CLUSTER; an audit with no actors needs neither.
"""

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tests.faults.injected import install

ENVIRONMENT = ("FAULT", "FAULT_PLACE", "FAULT_DELAY", "PYTHONPATH")


def _start() -> Any:
    """Start Ray as an audit would, but with the fault; return the cluster where there is more than one node."""
    import ray
    from ray.cluster_utils import Cluster

    os.environ["RAY_AUTH_MODE"] = "disabled"
    given = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    hook = {"worker_process_setup_hook": "tests.faults.injected.install", "env_vars": given}
    quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": "error"}
    if address := os.environ.get("FAULT_CLUSTER"):
        os.environ["RAY_ADDRESS"] = address
        ray.init(address=address, runtime_env=hook, log_to_driver=False, logging_level="error")
        return None
    if not os.environ.get("FAULT_NODE"):
        ray.init(address="local", num_cpus=4, object_store_memory=100 << 20, runtime_env=hook, **quiet)
        return None
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "object_store_memory": 100 << 20})
    os.environ["RAY_ADDRESS"] = cluster.address
    ray.init(address=cluster.address, runtime_env=hook, log_to_driver=False, logging_level="error")
    return cluster


def _kill_node(cluster: Any, node: Any, ledger: Path) -> None:
    while not any(ledger.rglob("*.json")):
        time.sleep(0.02)
    cluster.remove_node(node, allow_graceful=False)
    sys.stderr.write(f"node removed after {len(list(ledger.rglob('*.json')))} units\n")


def main() -> None:
    """Run the audit as the command line does."""
    import ray

    from jobs.cli import main as command
    from jobs.config import load_config

    if load_config(sys.argv[1]).actors == 0:
        install()
        command(["audit", sys.argv[1]])
    cluster = _start()
    if cluster is None:
        command(["audit", sys.argv[1]])
    node = cluster.add_node(num_cpus=2, object_store_memory=100 << 20)
    cluster.wait_for_nodes(timeout=60)
    ledger = load_config(sys.argv[1]).out / "ledger" / os.environ["FAULT_NODE"]
    killer = threading.Thread(target=_kill_node, args=(cluster, node, ledger), daemon=True)
    killer.start()
    try:
        command(["audit", sys.argv[1]])
    finally:
        killer.join(60)
        ray.shutdown()
        cluster.shutdown()


if __name__ == "__main__":
    main()
