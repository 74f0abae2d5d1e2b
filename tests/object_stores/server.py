"""A real S3 server on the loopback, and buckets on it."""

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import pytest

from filterscope.pipeline.stores.places import ObjectPath, path_of

#: What no file, log or message may hold.
KEY, SECRET = "AKIAFILTERSCOPETEST0", "not-to-be-found-anywhere-5d1f0a"


def request(method: str, address: str) -> None:
    urllib.request.urlopen(urllib.request.Request(address, method=method), timeout=10).close()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """Start the server, and name it and the credentials in the environment, as a user does."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
    endpoint = f"http://127.0.0.1:{port}"
    until = time.monotonic() + 60
    while True:
        try:
            request("GET", f"{endpoint}/moto-api/")
            break
        except (urllib.error.URLError, OSError):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, "the server does not answer"
            time.sleep(0.1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", endpoint)
        patch.setenv("AWS_ACCESS_KEY_ID", KEY)
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        patch.setenv("AWS_REGION", "eu-central-1")
        yield endpoint
    process.terminate()
    process.wait(30)


@pytest.fixture
def bucket(server) -> ObjectPath:
    return new_bucket(server)


def new_bucket(server: str) -> ObjectPath:
    name = f"test-{uuid.uuid4().hex[:12]}"
    request("PUT", f"{server}/{name}")
    return path_of(f"s3://{name}")


def upload(folder: Path, target: ObjectPath) -> None:
    """Copy a folder up, as `aws s3 sync` does."""
    for file in folder.rglob("*"):
        if file.is_file():
            target.joinpath(*file.relative_to(folder).parts).write_bytes(file.read_bytes())


def contents(folder: ObjectPath | Path) -> dict[str, bytes]:
    """Return everything under a folder."""
    files = (path for path in folder.rglob("*") if not isinstance(path, Path) or path.is_file())
    return {str(path): path.read_bytes() for path in files}
