"""The verb `submit`: has a cluster audit, follows the logs and returns the job's exit code."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from filterscope.jobs.cluster.submission import Submission
from filterscope.pipeline.engine.errors import InputError, RunError

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

#: Times in a row that the cluster may fail to answer about a job that is there, and the seconds between.
_TRIES = 10
_PAUSE = 1.0

#: Seconds for an answer to the first question; a host that drops packets would let a client wait for minutes.
_PATIENCE = 10.0


def client_of(address: str) -> "JobSubmissionClient":
    """Return a client of the cluster's job server that has been answered.

    Parameters
    ----------
    address : str
        ``http://HEAD:8265``, where the dashboard listens.

    Raises
    ------
    InputError
        If the address is none, nobody answers there, or a token is missing or wrong.
    """
    _refuse_address(address)
    _announce_token()
    try:
        import requests
        from ray.exceptions import AuthenticationError
        from ray.job_submission import JobSubmissionClient
    except ImportError as error:
        raise InputError(f"{error}; `pip install 'filterscope[cluster]'` brings what talks to a cluster") from error
    try:
        # Ray's client has no limit of its own
        requests.get(f"{address.rstrip('/')}/api/version", timeout=_PATIENCE)
        return JobSubmissionClient(address)
    except AuthenticationError as error:
        raise InputError(
            f"the cluster at {address} did not accept the token ({str(error).splitlines()[0]}); set "
            "RAY_AUTH_TOKEN_PATH to the file that holds the cluster's token, or RAY_AUTH_TOKEN to the token"
        ) from None
    except (RuntimeError, ValueError, LookupError) as error:
        raise InputError(f"{address} is not the dashboard of a Ray cluster: {error}") from None
    except (requests.RequestException, ConnectionError) as error:
        raise InputError(
            f"no Ray cluster answers at {address} ({type(error).__name__}); it is the address of the dashboard, "
            "http://HEAD:8265: is the head node running, its dashboard on, and the port open or forwarded?"
        ) from None


def _refuse_address(address: str) -> None:
    parts = urlsplit(address)
    try:
        complete = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        complete = False
    if not complete:
        raise InputError(f"--address {address!r}: expected the address of a dashboard, such as http://HEAD:8265")


def _announce_token() -> None:
    """Have Ray send the token that the environment names; it would end the process over a file that it cannot read."""
    path = os.environ.get("RAY_AUTH_TOKEN_PATH")
    if path and not os.environ.get("RAY_AUTH_TOKEN"):
        try:
            text = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise InputError(f"RAY_AUTH_TOKEN_PATH={path}: the token cannot be read: {error}") from None
        if not text:
            raise InputError(f"RAY_AUTH_TOKEN_PATH={path}: the file is empty; it must hold the cluster's token")
    default = Path.home() / ".ray" / "auth_token"
    if path or os.environ.get("RAY_AUTH_TOKEN") or default.is_file():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


def submit(submission: Submission, address: str, say: Callable[[str], None]) -> int:
    """Send a submission, pass the logs on to standard output until the job has ended, and return its exit code.

    Parameters
    ----------
    submission : Submission
        What to send.
    address : str
        ``http://HEAD:8265``.
    say : callable
        Is told what happens, line by line.

    Returns
    -------
    int
        That of the audit: 0 done, 1 failed with work saved, 2 bad input; 130 if the job was stopped.

    Raises
    ------
    InputError
        If the cluster does not take the job.
    RunError
        If it was lost from sight.
    """
    client = client_of(address)
    try:
        job = client.submit_job(entrypoint=submission.entrypoint, runtime_env=submission.runtime_env)
    except (RuntimeError, ValueError) as error:
        raise InputError(f"the cluster at {address} did not take the job: {error}") from error
    say(f"job {job} on {address}")
    try:
        return asyncio.run(_followed(client, job, say))
    except KeyboardInterrupt:
        say(f"the job goes on: ray job logs --follow {job} --address {address}; ray job stop {job} --address {address}")
        raise


async def _followed(client: "JobSubmissionClient", job: str, say: Callable[[str], None]) -> int:
    """Print the logs as they come; where the connection breaks, take them up where it broke."""
    printed = failures = 0
    while True:
        seen = 0
        try:
            async for text in client.tail_job_logs(job):
                sys.stdout.write(text[max(printed - seen, 0) :])
                sys.stdout.flush()
                seen += len(text)
                printed, failures = max(printed, seen), 0
            details = client.get_job_info(job)
        except Exception as error:  # whatever a connection may fail with
            failures += 1
            if failures >= _TRIES:
                raise RunError(
                    f"job {job} is out of reach ({error}); `ray job status {job}` says how it goes"
                ) from error
            await asyncio.sleep(_PAUSE)
            continue
        if details.status.is_terminal():
            return _exit_code(details, say)
        await asyncio.sleep(_PAUSE)


def _exit_code(details: Any, say: Callable[[str], None]) -> int:
    code = details.driver_exit_code
    if details.status == "SUCCEEDED":
        return 0
    if details.status == "STOPPED":
        say(f"job {details.submission_id} was stopped")
        return 130
    if code is None or code <= 0:  # it did not start, or a signal ended it
        say(f"job {details.submission_id} failed: {details.message}")
        return 1
    return int(code)
