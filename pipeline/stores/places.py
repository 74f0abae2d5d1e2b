"""Where runs and data sets lie, and all in which an object store differs from a file system.

A place is a `pathlib.Path`, or for ``s3://BUCKET/KEY`` an `ObjectPath`, which has the methods of a path that runs and data
sets need. What is written to a file system is put in place by a rename; an object appears whole by the one PUT that writes
it. Credentials, endpoint and region come from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN,
AWS_ENDPOINT_URL, AWS_REGION) or from the machine's role, and are kept nowhere.
"""

import io
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from functools import lru_cache, wraps
from pathlib import Path, PurePath, PurePosixPath
from types import SimpleNamespace
from typing import IO, Any, TypeVar

import polars as pl

#: Bytes that a reader of an object fetches ahead.
_AHEAD = 1 << 20
#: Seconds between two writings of an object that grows.
_EVERY = 5.0

Value = TypeVar("Value")


class StoreError(OSError):
    """An object store refused something or did not answer."""


def path_of(place: str | PurePath) -> "Path | ObjectPath":
    """Return a place as a path; `pathlib` makes ``s3:/b`` of ``s3://b``, which is understood too."""
    address = re.match(r"s3:/+(.*)", str(place))
    return ObjectPath("s3:", address[1]) if address else Path(place)


def is_object(path: PurePath) -> bool:
    """Tell whether a path leads to an object store."""
    return isinstance(path, ObjectPath)


def _told(method: Callable[..., Value]) -> Callable[..., Value]:
    """Raise what the store says as an OSError, without its answer, which quotes access keys and signatures."""

    @wraps(method)
    def telling(self: "ObjectPath", *args: Any, **options: Any) -> Value:
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        try:
            return method(self, *args, **options)
        except FileNotFoundError:
            raise FileNotFoundError(f"no object {self}") from None
        except (AlreadyExistsError, PreconditionError):
            raise FileExistsError(f"{self} exists, or was changed by another") from None
        except BaseError as error:
            text = str(error)
            code = re.search(r"<Code>(\w+)</Code>", text)
            reason = code[1] if code else text.partition(": <")[0].splitlines()[0]
            raise StoreError(f"the object store refused {method.__name__} of {self}: {reason}") from None

    return telling


def object_store(bucket: str, prefix: str | None = None) -> Any:
    """Return the store of a bucket, or of a prefix in it; obstore takes all it needs from the environment."""
    from obstore.store import S3Store

    plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
    return S3Store(bucket, prefix=prefix, client_options={"allow_http": plain, "timeout": "5m"})


class ObjectPath(PurePosixPath):
    """An object, or all objects under a prefix, with those methods of `pathlib.Path` that runs and data sets need.

    Folders do not exist: they are made by what is in them. It is no `os.PathLike` of this machine: what opens files takes
    `readable` of it.
    """

    __slots__ = ()

    def __str__(self) -> str:
        text = super().__str__()
        return f"s3://{text[4:]}" if text.startswith("s3:/") else text

    def __fspath__(self) -> str:
        raise TypeError(f"{self} is no file of this machine; open `readable` of it")

    @property
    def _at(self) -> tuple[Any, str]:
        """The store of the bucket, and the key."""
        if self.parts[:1] != ("s3:",) or len(self.parts) < 2:
            raise ValueError(f"received {str(self)!r}; expected s3://BUCKET/KEY")
        return _store(self.parts[1]), "/".join(self.parts[2:])

    def absolute(self) -> "ObjectPath":
        """Return the path itself, which leads to one place from everywhere."""
        return self

    @_told
    def read_bytes(self) -> bytes:
        """Return the object."""
        import obstore

        return bytes(obstore.get(*self._at).bytes())

    def read_text(self, encoding: str = "utf-8") -> str:
        """Return the object as text."""
        return self.read_bytes().decode(encoding)

    @_told
    def read_range(self, start: int, stop: int) -> bytes:
        """Return bytes [start, stop) of the object."""
        import obstore

        return bytes(obstore.get_range(*self._at, start=start, end=stop)) if stop > start else b""

    @_told
    def read_end(self, size: int) -> bytes:
        """Return the last bytes of the object."""
        import obstore

        return bytes(obstore.get(*self._at, options={"range": {"suffix": size}}).bytes())

    @_told
    def write_bytes(self, data: bytes, *, new: bool = False) -> None:
        """Put the object in place, at once; with `new`, raise FileExistsError if there is one."""
        import obstore

        obstore.put(*self._at, data, mode="create" if new else "overwrite", use_multipart=False)

    def write_text(self, text: str, encoding: str = "utf-8") -> None:
        """Put the object in place, at once."""
        self.write_bytes(text.encode(encoding))

    def touch(self, *, exist_ok: bool = True) -> None:
        """Put an empty object in place."""
        self.write_bytes(b"", new=not exist_ok)

    @_told
    def put_again(self) -> None:
        """Put what is there in place again, with a new time; FileExistsError if another changed it meanwhile."""
        import obstore

        found = obstore.get(*self._at)
        obstore.put(*self._at, bytes(found.bytes()), mode={"e_tag": found.meta["e_tag"]}, use_multipart=False)

    def open(self, mode: str = "rb") -> IO[bytes]:
        """Open the object for reading."""
        if mode != "rb":
            raise ValueError(f"received mode {mode!r}; an object is written at once, by write_bytes")
        return io.BufferedReader(_Reader(self), _AHEAD)

    @_told
    def stat(self) -> SimpleNamespace:
        """Return size and modification time."""
        import obstore

        found = obstore.head(*self._at)
        modified: datetime = found["last_modified"]
        return SimpleNamespace(
            st_size=found["size"], st_mtime=modified.timestamp(), st_mtime_ns=round(modified.timestamp() * 1e9)
        )

    def is_file(self) -> bool:
        """Tell whether there is an object."""
        try:
            return bool(self._at[1]) and self.stat() is not None
        except FileNotFoundError:
            return False

    @_told
    def is_dir(self) -> bool:
        """Tell whether there are objects under the path."""
        import obstore

        return any(obstore.list(*self._at, chunk_size=1))

    def exists(self) -> bool:
        """Tell whether there is an object, or objects under the path."""
        return self.is_file() or self.is_dir()

    @_told
    def iterdir(self) -> Iterator["ObjectPath"]:
        """Return what is in the folder."""
        import obstore

        found = obstore.list_with_delimiter(*self._at)
        keys = [*found["common_prefixes"], *(item["path"] for item in found["objects"])]
        return iter([self / PurePosixPath(key).name for key in keys])

    def glob(self, pattern: str) -> Iterator["ObjectPath"]:
        """Return what in the folder has a name of a pattern."""
        return (path for path in self.iterdir() if fnmatchcase(path.name, pattern))

    @_told
    def rglob(self, pattern: str) -> Iterator["ObjectPath"]:
        """Return the objects under the path whose name is of a pattern."""
        import obstore

        root = type(self)(*self.parts[:2])
        found = (root / item["path"] for batch in obstore.list(*self._at) for item in batch)
        return iter([path for path in found if fnmatchcase(path.name, pattern)])

    @_told
    def unlink(self, *, missing_ok: bool = False) -> None:
        """Remove the object; a store does not tell whether there was one."""
        import obstore

        obstore.delete(*self._at)

    def mkdir(self, *, parents: bool = False, exist_ok: bool = False) -> None:
        """Do nothing: there are no folders."""

    def rmdir(self) -> None:
        """Do nothing: there are no folders."""

    @_told
    def _remove_all(self) -> None:
        import obstore

        store, _ = self._at
        keys = ["/".join(path.parts[2:]) for path in self.rglob("*")]
        if keys:
            obstore.delete(store, keys)


class _Reader(io.RawIOBase):
    """Reads an object in ranges."""

    def __init__(self, path: ObjectPath) -> None:
        self._path, self._position, self._size = path, 0, path.stat().st_size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = offset + (0, self._position, self._size)[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        data = self._path.read_range(self._position, min(self._position + len(buffer), self._size))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


_store = lru_cache(maxsize=16)(object_store)


def readable(path: Path | ObjectPath) -> Path | IO[bytes]:
    """Return what readers of files take: a path of this machine as it is, an object opened."""
    return path.open("rb") if isinstance(path, ObjectPath) else path


def scan_files(paths: Sequence[PurePath], **options: Any) -> pl.LazyFrame:
    """Open Parquet files lazily, in the given order."""
    if not any(isinstance(path, ObjectPath) for path in paths):
        return pl.scan_parquet(paths, **options)  # type: ignore[arg-type]
    # without a provider of its own, Polars takes credentials from the environment, as the store does
    return pl.scan_parquet([str(path) for path in paths], credential_provider=None, **options)


def write_atomically(path: Path | ObjectPath, data: bytes) -> None:
    """Write a file that appears whole or not at all."""
    if isinstance(path, ObjectPath):
        path.write_bytes(data)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = draft_of(path)
    try:
        partial.write_bytes(data)
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)  # a full disk needs the space
        raise


def draft_of(path: Path) -> Path:
    """Return where this process writes a file that will be renamed to `path`."""
    return path.with_name(f".{path.name}.{os.getpid()}")


def create(path: Path | ObjectPath, data: bytes) -> bool:
    """Create a file whole if there is none; return False if there is one."""
    try:
        if isinstance(path, ObjectPath):
            path.write_bytes(data, new=True)
        else:
            _link(path, data)
    except FileExistsError:
        # where an answer was lost and the request repeated, what is there may be our own
        return isinstance(path, ObjectPath) and path.exists() and path.read_bytes() == data
    return True


def _link(path: Path, data: bytes) -> None:
    """Create a file by a link, which, unlike a rename, fails where there is one."""
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    draft.write_bytes(data)
    try:
        os.link(draft, path)
    finally:
        draft.unlink()


def renew(path: Path | ObjectPath) -> None:
    """Give a file the present time."""
    if isinstance(path, ObjectPath):
        path.put_again()
    else:
        os.utime(path)


def remove_tree(folder: Path | ObjectPath) -> None:
    """Remove all under a folder, if there is anything."""
    if isinstance(folder, ObjectPath):
        folder._remove_all()
    else:
        shutil.rmtree(folder, ignore_errors=True)


def open_appending(path: Path | ObjectPath) -> Any:
    """Open a text file to which lines are appended; flush() of an object writes it all, every few seconds at most."""
    return _Growing(path) if isinstance(path, ObjectPath) else path.open("a", encoding="utf-8")


class _Growing:
    """Text of an object that is put in place anew as it grows, since objects cannot be appended to."""

    def __init__(self, path: ObjectPath) -> None:
        self._path = path
        self._text = path.read_text() if path.is_file() else ""
        self._written = time.monotonic()

    def write(self, text: str) -> None:
        self._text += text

    def flush(self) -> None:
        if time.monotonic() - self._written > _EVERY:
            self.close()

    def close(self) -> None:
        self._path.write_text(self._text)
        self._written = time.monotonic()


__all__ = [
    "ObjectPath",
    "StoreError",
    "create",
    "draft_of",
    "is_object",
    "object_store",
    "open_appending",
    "path_of",
    "readable",
    "remove_tree",
    "renew",
    "scan_files",
    "write_atomically",
]
