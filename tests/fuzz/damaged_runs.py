"""A tiny run, whose files are damaged one at a time in every way that disks, editors and attackers know."""

import json
import os
import random
import shutil
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tomli_w

from filterscope.pipeline.stores.places import remove

#: Values of the wrong type or beyond reason.
ODD = (
    None, True, 7, -1, 0, 2**63, 10**30, 1e308, float("nan"), "", "x", "../../x", "\0", "\x1b[2J", "é" * 300, [], {}, [7],
    [None], {"a": 1}, [[]], "1" * 5000,
)  # fmt: skip


def flipped(data: bytes, dice: random.Random) -> bytes:
    changed = bytearray(data or b"\0")
    for _ in range(dice.choice((1, 1, 1, 8))):
        changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def cut(data: bytes, dice: random.Random) -> bytes:
    return data[: dice.randrange(len(data) or 1)]


def overwritten(data: bytes, dice: random.Random) -> bytes:
    start, patch = dice.randrange(len(data) + 1), dice.randbytes(dice.randint(1, 40))
    return data[:start] + dice.choice((patch, b"\0" * 16, b"\xff" * 16)) + data[start + len(patch) :]


def lengthened(data: bytes, dice: random.Random) -> bytes:
    return dice.choice((data + data, data + b"\0", b"\n" + data, data + dice.randbytes(20)))


def replaced(data: bytes, dice: random.Random) -> bytes:
    deep = (b"[" * 20_000, b'{"a":' * 20_000)
    return dice.choice(
        (b"", b"{}", b"[]", b"null", b"7", b'"x"', *deep, b"\xff\xfe\0", b"PAR1" * 4, b"PK\5\6" + b"\0" * 18)
    )


def retyped(data: bytes, dice: random.Random) -> bytes:
    """Change, drop or add values of JSON or TOML."""
    try:
        content: Any = json.loads(data)
    except ValueError:
        try:
            content = tomllib.loads(data.decode())
        except ValueError:
            return flipped(data, dice)
        for _ in range(dice.randint(1, 2)):
            content = _changed(content, dice, [odd for odd in ODD if odd is not None and odd != [None]])
        try:
            return tomli_w.dumps(content).encode()
        except (TypeError, AttributeError, ValueError):
            return b"format = 1\n"
    for _ in range(dice.randint(1, 2)):
        content = _changed(content, dice, list(ODD))
    return json.dumps(content).encode()


def _changed(tree: Any, dice: random.Random, leaves: list[Any]) -> Any:
    if isinstance(tree, dict) and tree and dice.random() < 0.9:
        key = dice.choice(sorted(tree))
        rest = {name: value for name, value in tree.items() if name != key}
        return rest if dice.random() < 0.15 else {**rest, key: _changed(tree[key], dice, leaves)}
    if isinstance(tree, list) and tree and dice.random() < 0.7:
        place = dice.randrange(len(tree))
        return [*tree[:place], _changed(tree[place], dice, leaves), *tree[place + 1 :]]
    return dice.choice(leaves)


CHANGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    flipped, cut, overwritten, lengthened, replaced, retyped,
)  # fmt: skip
#: What takes the place of a file.
OTHERS = ("gone", "folder", "full folder", "link to nothing", "link to itself", "link to a folder", "another file")


def files_of(run: Path) -> dict[str, list[Path]]:
    """Return the files of a run by their kind."""
    kinds: dict[str, list[Path]] = {}
    for path in sorted(path.relative_to(run) for path in run.rglob("*") if path.is_file()):
        kinds.setdefault(path.parts[0] + (path.suffix if len(path.parts) > 1 else ""), []).append(path)
    return kinds


@contextmanager
def damaged(run: Path, sound: Path, dice: random.Random) -> Iterator[str]:
    """Damage one file of a run and put it back; gives what was done, in words."""
    kinds = files_of(sound)
    file = dice.choice(kinds[dice.choice(sorted(kinds))])
    path, data = run / file, (sound / file).read_bytes()
    change = dice.choice((*CHANGES, *CHANGES, *CHANGES, *OTHERS))
    remove(path)  # an earlier damage may have left a link or a folder
    if callable(change):
        path.write_bytes(change(data, dice))
        what = change.__name__
    else:
        if change == "folder":
            path.mkdir()
        elif change == "full folder":
            (path / "x").mkdir(parents=True)
            (path / "x" / "y.json").write_text("{}")
        elif change == "another file":
            other = dice.choice([other for others in kinds.values() for other in others])
            shutil.copyfile(sound / other, path)
            change = f"another file, {other}"
        elif change.startswith("link"):
            path.symlink_to({"nothing": "gone", "itself": path.name, "a folder": "."}[change[8:]])
        what = change
    try:
        yield f"{file}: {what}"
    finally:
        restore(run, sound)


def restore(run: Path, sound: Path) -> None:
    """Make a run equal to the sound one again, touching what differs."""
    wanted = {path.relative_to(sound) for path in sound.rglob("*") if path.is_file()}
    for path in sorted(run.rglob("*"), reverse=True):
        inside = path.relative_to(run)
        if path.is_symlink() or (path.is_file() and inside not in wanted):
            path.unlink()
        elif path.is_dir() and not (sound / inside).is_dir():
            shutil.rmtree(path)
    for inside in wanted:
        path, first = run / inside, sound / inside
        if path.exists() and path.stat().st_size == first.stat().st_size and path.read_bytes() == first.read_bytes():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(first, path)
        os.utime(path, ns=(first.stat().st_atime_ns, first.stat().st_mtime_ns))
