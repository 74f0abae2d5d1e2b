"""Where runs and data sets lie: one interface to a file system and to an object store.

A place is a `pathlib.Path`, or for ``s3://BUCKET/KEY`` an `ObjectPath`, which has the methods of a path that runs and data
sets need. Everything in which the two differ is a function here, so that no caller asks which of them it holds. What is
written to a file system is put in place by a rename; an object appears whole by the one PUT that writes it.
"""

import errno
import fcntl
import hashlib
import io
import mmap
import os
import re
import shutil
import stat
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from pathlib import Path, PurePath
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeAlias, cast

from filterscope.pipeline.stores.objects import Growing, ObjectPath, StoreError
from filterscope.schemas.opening import open_regular, scan_files

#: A file or folder of this machine, or of an object store, which has those methods of a path that runs and data sets need.
if TYPE_CHECKING:
    Place: TypeAlias = Path
else:
    Place = Path | ObjectPath


def path_of(place: str | PurePath) -> Place:
    """Return a place as a path; `pathlib` makes ``s3:/b`` of ``s3://b``, which is understood too."""
    address = re.match(r"s3:/+(.*)", str(place))
    return cast("Place", ObjectPath("s3:", address[1])) if address else Path(place)


def absolute(place: str | PurePath, base: Path) -> Place:
    """Return a place as an absolute one, `~` expanded, relative ones taken from `base`; links stay as they are."""
    path = path_of(os.path.expanduser(str(place)))
    return path if isinstance(path, ObjectPath) else Path(os.path.abspath(base / path))


def is_local(place: str | PurePath) -> bool:
    """Tell whether a place is on this machine; ask only where a person is told something else about an object store."""
    return not isinstance(path_of(place), ObjectPath)


def listing(folder: Place) -> set[str]:
    """Return the names of what is in a folder; none where there is no folder."""
    try:
        if isinstance(folder, ObjectPath):
            return {path.name for path in folder.iterdir()}
        return set(os.listdir(folder))  # a ledger folder holds thousands of markers: no path is made of each
    except FileNotFoundError:
        return set()


def free_space(place: Place) -> tuple[int, Path] | None:
    """Return the free bytes where something would be written, and the folder asked; None for a store, which has no limit."""
    if isinstance(place, ObjectPath):
        return None
    folder = next(folder for folder in (place, *place.parents) if folder.exists())
    return shutil.disk_usage(folder).free, folder


def readable(place: Place) -> Path | IO[bytes]:
    """Return what readers of files take: a path of this machine as it is, an object or an image in a shard opened."""
    return place if isinstance(place, Path) else place.open("rb")


def read_regular(place: Place) -> bytes:
    """Return the bytes of a file; OSError for what is none, such as a pipe, or a link to a device, that has no end."""
    if isinstance(place, ObjectPath):
        return place.read_bytes()
    with open_regular(place) as file:
        return file.read()


def read_mapped(place: Place) -> bytes | mmap.mmap:
    """Return the bytes of a file, read-only: mapped into memory and shared by all processes; an object is read."""
    if isinstance(place, ObjectPath):
        return place.read_bytes()
    with place.open("rb") as file:
        # an empty file cannot be mapped
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if os.fstat(file.fileno()).st_size else b""


class Ranges(Protocol):
    """A file of which parts are read."""

    def read_end(self, size: int) -> bytes:
        """Return the last bytes."""

    def read_range(self, start: int, stop: int) -> bytes:
        """Return bytes [start, stop)."""

    def read_into(self, start: int, buffer: memoryview) -> int:
        """Fill a buffer with the bytes from `start` on, as far as there are any, and return their number."""


class _LocalRanges:
    """Parts of a file of this machine, by its descriptor."""

    def __init__(self, file: int) -> None:
        self._file = file

    def read_end(self, size: int) -> bytes:
        return os.pread(self._file, size, os.fstat(self._file).st_size - size)

    def read_range(self, start: int, stop: int) -> bytes:
        return os.pread(self._file, stop - start, start)

    def read_into(self, start: int, buffer: memoryview) -> int:
        return os.preadv(self._file, [buffer], start)


@contextmanager
def open_ranges(place: Place) -> Iterator[Ranges]:
    """Open a file of which parts are read; FileNotFoundError at once, or from the first part of an object."""
    if isinstance(place, ObjectPath):
        yield place
        return
    file = os.open(place, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would wait for somebody who writes
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, "is no regular file", str(place))
        yield _LocalRanges(file)
    finally:
        os.close(file)


@contextmanager
def open_writing(place: Place) -> Iterator[IO[bytes]]:
    """Open a file that is put in place when it is whole, and not at all if anything is raised; it can be read back."""
    if isinstance(place, ObjectPath):
        sink = io.BytesIO()
        yield sink
        place.write_bytes(sink.getvalue())
        return
    made = _make_folder(place.parent)
    draft = draft_of(place)
    try:
        with draft.open("w+b") as file:
            yield file
        draft.replace(place)
    finally:
        draft.unlink(missing_ok=True)  # a full disk needs the space
    written(place, *made)


#: What `durable` will hand to the disk: files that were put in place, and the folders that tell of them; None outside.
_WRITTEN: ContextVar[dict[Path, None] | None] = ContextVar("written", default=None)


def written(place: Place, *folders: Place) -> None:
    """Take note of a file that was put in place by other means than `open_writing`, and of folders made for it."""
    noted = _WRITTEN.get()
    if noted is not None and not isinstance(place, ObjectPath):
        noted.update(dict.fromkeys((place, place.parent, *folders)))


@contextmanager
def durable() -> Iterator[None]:
    """See to it that files written within, by this thread, outlive a loss of power; objects do as soon as they are put.

    They are handed to the disk at the end and together, since each would wait for the disk alone.
    """
    token = _WRITTEN.set({})
    try:
        yield
        noted = _WRITTEN.get() or {}
        for _ in _disk().map(_to_disk, noted):
            pass
    finally:
        _WRITTEN.reset(token)


@cache
def _disk() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(8, "disk")


def _make_folder(folder: Path) -> list[Path]:
    """Make a folder where there is none; return those above, which tell of what was made."""
    if folder.exists():
        return []
    made = list(takewhile(lambda above: not above.exists(), (folder, *folder.parents)))
    folder.mkdir(parents=True, exist_ok=True)
    return [above.parent for above in made]


def _to_disk(path: Path) -> None:
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:  # written, and removed since
        return
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EROFS, errno.EBADF):  # some network file systems sync no folders
            raise
    finally:
        os.close(file)


def signature(place: Place) -> list[int]:
    """Return size and modification time of a file: cheap to compare, kept beside its digest."""
    status = place.stat()
    return [status.st_size, status.st_mtime_ns]


def digest_of(file: IO[bytes]) -> str:
    """Return the SHA-256 of a whole file that is open for reading, as `open_writing` opens it."""
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def write_atomically(place: Place, data: bytes) -> None:
    """Write a file that appears whole or not at all: outside `durable`, which does more, even at a loss of power."""
    if isinstance(place, ObjectPath):
        place.write_bytes(data)
        return
    with open_writing(place) as file:
        file.write(data)
        if _WRITTEN.get() is None:
            file.flush()
            os.fsync(file.fileno())


def draft_of(path: Path) -> Path:
    """Return where this process writes a file that will be renamed to `path`."""
    return path.with_name(f".{path.name}.{os.getpid()}")


def is_draft(path: PurePath) -> bool:
    """Tell whether a file is one that `draft_of` names, or that Zarr writes before it renames it."""
    return re.fullmatch(r"\..+\.\d+|.+\.[0-9a-f]{32}\.partial", path.name, re.ASCII) is not None


def create(place: Place, data: bytes) -> bool:
    """Create a file whole if there is none; return False if there is one."""
    try:
        if isinstance(place, ObjectPath):
            place.write_bytes(data, new=True)
        else:
            _link(place, data)
    except FileExistsError:
        # where an answer was lost and the request repeated, what is there may be our own
        return isinstance(place, ObjectPath) and place.exists() and place.read_bytes() == data
    return True


def _link(path: Path, data: bytes) -> None:
    """Create a file by a link, which, unlike a rename, fails where there is one."""
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    draft.write_bytes(data)
    try:
        os.link(draft, path)
    finally:
        draft.unlink()


def lengthen(place: Place) -> int:
    """Append one byte to a file, made where there is none; return how many it had before.

    A counter whose steps stay on the disk though the process that takes one dies: on a file system any number of processes may
    count, an object has one at a time.
    """
    if isinstance(place, ObjectPath):
        before = place.stat().st_size if place.is_file() else 0
        place.write_bytes(b"." * (before + 1))
        return before
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    try:
        file = os.open(place, flags, 0o666)
    except FileNotFoundError:
        place.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(place, flags, 0o666)
    try:
        before = os.fstat(file).st_size
        os.write(file, b".")
    finally:
        os.close(file)
    return before


@dataclass(frozen=True)
class Seen:
    """What a file was at one look; another look gives an equal value only if nobody touched the file in between."""

    data: bytes
    version: str


def see(place: Place) -> Seen | None:
    """Look at a small file; None where there is none."""
    try:
        if isinstance(place, ObjectPath):
            return Seen(*place.read_tagged())
        # opening asks a file server anew, where a look at times alone may be answered from memory; links and pipes are no files
        with open(os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            return Seen(file.read(), f"{status.st_ino}-{status.st_mtime_ns}")
    except FileNotFoundError:
        return None


def renew(place: Place, data: bytes, seen: Seen) -> None:
    """Make others see another file: a new time on a file system, which takes no space; `data` in place of what was seen there.

    Raises
    ------
    FileExistsError, FileNotFoundError
        If the object or file is not the one that was seen.
    """
    if not isinstance(place, ObjectPath):
        os.utime(place)
        return
    try:
        place.write_bytes(data, instead_of=seen.version)
    except FileExistsError:
        if place.read_bytes() != data:  # the answer to our own may have been lost
            raise


def replace_seen(place: Place, data: bytes, seen: Seen) -> bool:
    """Put a file in the place of one that is still as it was seen; return False if it is not, or another is replacing it."""
    if isinstance(place, ObjectPath):
        try:
            place.write_bytes(data, instead_of=seen.version)
        except (FileExistsError, FileNotFoundError):
            return place.exists() and place.read_bytes() == data  # the answer to our own may have been lost
        return True
    with _only_one(place.with_name(f".{place.name}.claim")) as chosen:
        if not chosen or see(place) != seen:
            return False
        write_atomically(place, data)
        return True


@contextmanager
def _only_one(claim: Path) -> Iterator[bool]:
    """Tell one process at a time that it may go on; the kernel frees the claim of one that dies."""
    file = os.open(claim, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    chosen = False
    try:
        chosen = _claimed(file, claim)
        yield chosen
    finally:
        if chosen:
            claim.unlink(missing_ok=True)
        os.close(file)


def _claimed(file: int, claim: Path) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # whoever had it before may have removed the very file that was locked here
        return claim.stat().st_ino == os.fstat(file).st_ino
    except (BlockingIOError, FileNotFoundError):
        return False
    except OSError as error:
        # some network file systems lock nothing
        return error.errno in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def remove(place: Place) -> None:
    """Remove what is at a place, whatever it is; nothing where there is nothing."""
    if not isinstance(place, ObjectPath) and place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def remove_tree(folder: Place) -> None:
    """Remove all under a folder, if there is anything."""
    if isinstance(folder, ObjectPath):
        folder.remove_all()
    else:
        shutil.rmtree(folder, ignore_errors=True)


def open_appending(place: Place) -> Any:
    """Open a text file to which lines are appended; flush() of an object writes it all, every few seconds at most."""
    return Growing(place) if isinstance(place, ObjectPath) else place.open("a", encoding="utf-8")


@contextmanager
def open_native(place: Place) -> Iterator[IO[bytes]]:
    """Open a file with a descriptor, to which native libraries append; an object is put in place anew at the end."""
    if isinstance(place, ObjectPath):
        with tempfile.TemporaryDirectory() as folder:
            draft = Path(folder) / place.name
            try:
                with draft.open("ab") as file:
                    yield file
            finally:
                place.write_bytes(draft.read_bytes())
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("ab") as file:
        yield file


__all__ = [
    "ObjectPath",
    "Place",
    "Ranges",
    "Seen",
    "StoreError",
    "absolute",
    "create",
    "digest_of",
    "draft_of",
    "durable",
    "free_space",
    "is_draft",
    "is_local",
    "lengthen",
    "listing",
    "open_appending",
    "open_native",
    "open_ranges",
    "open_writing",
    "path_of",
    "read_mapped",
    "read_regular",
    "readable",
    "remove",
    "remove_tree",
    "renew",
    "replace_seen",
    "scan_files",
    "see",
    "signature",
    "write_atomically",
    "written",
]
