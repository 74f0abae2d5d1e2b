"""A head node with the dashboard and token authentication, on free ports, in processes that end with it."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from urllib.error import URLError

#: Seconds that no start takes.
LIMIT = 120


def free_ports(count: int) -> list[int]:
    """Return ports of this machine that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Head:
    """A running head node.

    Attributes
    ----------
    address : str
        Of its dashboard.
    metrics : int
        Port where Prometheus reads.
    environment : dict
        What a process needs to talk to it, its token included.
    """

    def __init__(self, folder: Path) -> None:
        token = folder / "token"
        token.write_text(secrets.token_hex(32))
        token.chmod(0o600)
        clean = {key: text for key, text in os.environ.items() if not key.startswith("RAY_")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"  # jobs start `python`
        self.environment = {**clean, "PATH": path, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
        self.environment["RAY_metrics_report_interval_ms"] = "500"  # an audit of seconds is over before the default
        gcs, dashboard, agent, client, self.metrics = free_ports(5)
        self.address = f"http://127.0.0.1:{dashboard}"
        self._log = (folder / "head.log").open("w")
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--num-cpus=4"]
        command += ["--include-dashboard=true", "--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}"]
        command += [f"--port={gcs}", f"--dashboard-agent-listen-port={agent}", f"--ray-client-server-port={client}"]
        # not where `address="auto"` of others would find it; short, since sockets lie in it
        self._temporary = tempfile.mkdtemp(prefix="ray-")
        command += [f"--temp-dir={self._temporary}"]
        command += [f"--metrics-export-port={self.metrics}", "--object-store-memory=100000000", "--disable-usage-stats"]
        self._process = subprocess.Popen(
            command,
            env=self.environment,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=folder,
        )
        self._await()

    def _await(self) -> None:
        until = time.monotonic() + LIMIT
        while True:
            assert self._process.poll() is None, Path(self._log.name).read_text()
            assert time.monotonic() < until, Path(self._log.name).read_text()
            try:
                urllib.request.urlopen(f"{self.address}/api/gcs_healthz", timeout=5)
            except URLError as error:
                if getattr(error, "code", None) in (401, 403):
                    return  # it is there and wants a token
            except OSError:
                pass
            else:
                return
            time.sleep(0.5)

    def stop(self) -> None:
        """End all its processes."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._log.close()
        shutil.rmtree(self._temporary, ignore_errors=True)
