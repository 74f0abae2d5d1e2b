"""Parquet files opened where they lie: on this machine, or in an object store (``s3://BUCKET/KEY``).

What a user names is taken literally: no character of a path is a wildcard. Credentials, endpoint and region come from the
environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_ENDPOINT_URL, AWS_REGION) or from the
machine's role, and are kept nowhere.
"""

import errno
import os
import re
import stat
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, wraps
from io import BufferedReader
from pathlib import Path, PurePath
from typing import Any, TypeVar

import polars as pl

from filterscope.schemas.retries import retried

Value = TypeVar("Value")
AnyPlace = TypeVar("AnyPlace", bound=PurePath)

#: Bucket and key of what lies in an object store.
_ADDRESS = re.compile(r"s3:/+([^/]+)/*(.*)")

#: Names the seconds after which an answer that is not there is waited for no longer, and those where it is not set.
PATIENCE, _PATIENCE = "FILTERSCOPE_STORE_SECONDS", 300.0


class StoreError(OSError):
    """An object store refused something or did not answer."""


class IrregularError(OSError):
    """What should be a file is a folder, a pipe or a device."""


class DamagedError(OSError):
    """A file that a run wrote is missing, or is not the one that was written."""


def told(call: Callable[..., Value]) -> Callable[..., Value]:
    """Send a request again while what it fails of passes; raise what the store says then as an OSError.

    Its answer is left out, since it quotes access keys and signatures.
    """

    @wraps(call)
    def telling(place: Any, *args: Any, **options: Any) -> Value:
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        try:
            return retried(lambda: call(place, *args, **options), _passes)
        except FileNotFoundError:
            raise FileNotFoundError(f"no object {place}") from None
        except (AlreadyExistsError, PreconditionError):
            raise FileExistsError(f"{place} exists, or was changed by another") from None
        except BaseError as error:
            text = str(error)
            code = re.search(r"<Code>(\w+)</Code>", text)
            reason = code[1] if code else text.partition(": <")[0].splitlines()[0]
            raise StoreError(f"the object store refused {call.__name__} of {place}: {reason}") from None

    return telling


#: 429 and 5xx of the store, and connections that break, stall or are not made.
_PASSING = re.compile(r"status code: (?:429|5\d\d)\b|HTTP error:")


def _passes(error: Exception) -> bool:
    """Tell whether a request that failed may succeed when it is sent again."""
    from obstore.exceptions import GenericError

    return isinstance(error, GenericError) and _PASSING.search(str(error)) is not None


def object_store(bucket: str, prefix: str | None = None, **more: Any) -> Any:
    """Return the store of a bucket, or of a prefix in it; obstore takes all it needs from the environment."""
    from obstore.store import S3Store

    plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
    return S3Store(bucket, prefix=prefix, client_options={"allow_http": plain, "timeout": f"{_patience()}s"}, **more)


def _patience() -> float:
    stated = os.environ.get(PATIENCE, "")
    try:
        seconds = float(stated or _PATIENCE)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise StoreError(f"{PATIENCE} is {stated!r}; expected seconds, such as 300")
    return seconds


@lru_cache(maxsize=16)
def store_of(bucket: str) -> Any:
    """Return the store of a bucket, the same one each time: it keeps its connections; what fails is for `told` to repeat."""
    return object_store(bucket, retry_config={"max_retries": 0})


def open_regular(path: str | PurePath) -> BufferedReader:
    """Open a file of this machine; IrregularError for what is none, such as a pipe, or a link to a device, that has no end."""
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise IrregularError(errno.EINVAL, "not a regular file", str(path))
    return os.fdopen(number, "rb")


def is_store(place: str | PurePath) -> bool:
    """Tell whether a place is in an object store."""
    return _ADDRESS.match(str(place)) is not None


def table_path(run: AnyPlace, table: str, place: Iterable[str]) -> AnyPlace:
    """Return where a key's part of a table lies; (model, layer, block) become Hive folders."""
    *folders, block = place
    hive = [f"{key}={value}" for key, value in zip(("model", "layer"), folders, strict=False)]
    return run.joinpath("tables", table, *hive, f"{block}.parquet")


def files_under(place: str | PurePath, *folders: str) -> list[str]:
    """Return the Parquet files anywhere under a folder.

    Parameters
    ----------
    place : path
        A folder of this machine, or ``s3://BUCKET/KEY``; `pathlib` makes ``s3:/b`` of ``s3://b``, which is understood too.
    *folders : str
        Names of the folders that lead on from there.

    Returns
    -------
    list of str
        The files, in the order of their folders and names; empty if there is no such folder.

    Raises
    ------
    StoreError
        If the object store refuses or does not answer.
    """
    address = _ADDRESS.match(str(place))
    if not address:
        return [str(path) for path in sorted(Path(place).joinpath(*folders).rglob("*.parquet"))]
    found = listing(f"s3://{address[1]}", "/".join([*filter(None, address[2].split("/")), *folders]))
    return sorted((path for path in found if path.endswith(".parquet")), key=lambda path: path.split("/"))


@told
def listing(bucket: str, prefix: str) -> list[str]:
    """Return the addresses of all objects under a prefix of ``s3://BUCKET``."""
    import obstore

    store = store_of(bucket.removeprefix("s3://"))
    return [f"{bucket}/{item['path']}" for batch in obstore.list(store, prefix) for item in batch]


def scan_files(paths: Sequence[str | PurePath], **options: Any) -> pl.LazyFrame:
    """Open Parquet files lazily, in the given order."""
    names = [str(path) for path in paths]
    if any(name.startswith("s3:") for name in names):
        # without a provider of its own, Polars takes credentials from the environment, as the store does
        options["credential_provider"] = None
    return pl.scan_parquet(names, glob=False, **options)


__all__ = [
    "DamagedError", "IrregularError", "StoreError", "files_under", "is_store", "listing", "object_store", "open_regular",
    "scan_files", "store_of", "table_path", "told",
]  # fmt: skip
