"""Objects of a store (``s3://BUCKET/KEY``), with the methods of a path.

An object appears whole by the one PUT that writes it. Credentials, endpoint and region come from the environment
(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_ENDPOINT_URL, AWS_REGION) or from the machine's role, and
are kept nowhere.
"""

import io
import time
from collections.abc import Iterator
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import IO, Any

from filterscope.schemas.opening import StoreError, object_store, store_of, told

#: Bytes that a reader of an object fetches ahead.
_AHEAD = 1 << 20
#: Seconds between two writings of an object that grows.
_EVERY = 5.0


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
        return store_of(self.parts[1]), "/".join(self.parts[2:])

    def absolute(self) -> "ObjectPath":
        """Return the path itself, which leads to one place from everywhere."""
        return self

    @told
    def read_bytes(self) -> bytes:
        """Return the object."""
        import obstore

        return bytes(obstore.get(*self._at).bytes())

    @told
    def read_tagged(self) -> tuple[bytes, str]:
        """Return the object and its tag, which tells it from what is put in its place."""
        import obstore

        found = obstore.get(*self._at)
        return bytes(found.bytes()), str(found.meta["e_tag"])

    def read_text(self, encoding: str = "utf-8") -> str:
        """Return the object as text."""
        return self.read_bytes().decode(encoding)

    @told
    def read_range(self, start: int, stop: int) -> bytes:
        """Return bytes [start, stop) of the object."""
        import obstore

        return bytes(obstore.get_range(*self._at, start=start, end=stop)) if stop > start else b""

    def read_into(self, start: int, buffer: memoryview) -> int:
        """Fill a buffer with the object's bytes from `start` on, as far as there are any, and return their number."""
        data = self.read_range(start, start + len(buffer))
        buffer[: len(data)] = data
        return len(data)

    @told
    def read_end(self, size: int) -> bytes:
        """Return the last bytes of the object."""
        import obstore

        return bytes(obstore.get(*self._at, options={"range": {"suffix": size}}).bytes())

    @told
    def write_bytes(self, data: bytes, *, new: bool = False, instead_of: str | None = None) -> None:
        """Put the object in place, at once.

        With `new`, FileExistsError if there is one; with `instead_of` a tag of `read_tagged`, if there is another.
        """
        import obstore

        mode: Any = {"e_tag": instead_of} if instead_of is not None else "create" if new else "overwrite"
        obstore.put(*self._at, data, mode=mode, use_multipart=False)

    def write_text(self, text: str, encoding: str = "utf-8") -> None:
        """Put the object in place, at once."""
        self.write_bytes(text.encode(encoding))

    def touch(self, *, exist_ok: bool = True) -> None:
        """Put an empty object in place."""
        self.write_bytes(b"", new=not exist_ok)

    def open(self, mode: str = "rb") -> IO[bytes]:
        """Open the object for reading."""
        if mode != "rb":
            raise ValueError(f"received mode {mode!r}; an object is written at once, by write_bytes")
        return io.BufferedReader(_Reader(self), _AHEAD)

    @told
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

    @told
    def is_dir(self) -> bool:
        """Tell whether there are objects under the path."""
        import obstore

        return any(obstore.list(*self._at, chunk_size=1))

    def exists(self) -> bool:
        """Tell whether there is an object, or objects under the path."""
        return self.is_file() or self.is_dir()

    @told
    def iterdir(self) -> Iterator["ObjectPath"]:
        """Return what is in the folder."""
        import obstore

        found = obstore.list_with_delimiter(*self._at)
        keys = [*found["common_prefixes"], *(item["path"] for item in found["objects"])]
        return iter([self / PurePosixPath(key).name for key in keys])

    def glob(self, pattern: str) -> Iterator["ObjectPath"]:
        """Return what in the folder has a name of a pattern."""
        return (path for path in self.iterdir() if fnmatchcase(path.name, pattern))

    @told
    def rglob(self, pattern: str) -> Iterator["ObjectPath"]:
        """Return the objects under the path whose name is of a pattern."""
        import obstore

        root = type(self)(*self.parts[:2])
        found = (root / item["path"] for batch in obstore.list(*self._at) for item in batch)
        return iter([path for path in found if fnmatchcase(path.name, pattern)])

    @told
    def unlink(self, *, missing_ok: bool = False) -> None:
        """Remove the object; a store does not tell whether there was one."""
        import obstore

        obstore.delete(*self._at)

    def mkdir(self, *, parents: bool = False, exist_ok: bool = False) -> None:
        """Do nothing: there are no folders."""

    def rmdir(self) -> None:
        """Do nothing: there are no folders."""

    @told
    def remove_all(self) -> None:
        """Remove all objects under the path."""
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


class Growing:
    """Text of an object that is put in place anew as it grows, since objects cannot be appended to."""

    def __init__(self, path: ObjectPath) -> None:
        self._path = path
        self._text = path.read_text() if path.is_file() else ""
        self._written = time.monotonic()

    def write(self, text: str) -> None:
        """Append text."""
        self._text += text

    def flush(self) -> None:
        """Put all that was written in place, unless it was done a moment ago."""
        if time.monotonic() - self._written > _EVERY:
            self.close()

    def close(self) -> None:
        """Put all that was written in place."""
        self._path.write_text(self._text)
        self._written = time.monotonic()


__all__ = ["Growing", "ObjectPath", "StoreError", "object_store"]
