"""What reading a checkpoint would cost, found before it is read, so that a small file cannot ask for much memory or time.

A pickle is a program. It is gone through with sizes in place of values, in the few operations that `torch.load` knows with
``weights_only``: tuples that hold one another twice, forty deep, are 2^40 long to whoever hashes them, and a call such as
``bytearray(10**11)`` takes that many bytes.
"""

import pickletools
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

#: Bytes of the program, which names the tensors; that of a network of a thousand layers has 0.2 MB.
LARGEST_PROGRAM = 1 << 25
#: Operations of it.
_LONGEST = 2_000_000
#: Values that all operations may go through or make together.
_BUDGET = 1 << 28
#: Values in a tuple, with those of the tuples in it, and how deep these are.
_LARGEST_TUPLE, _DEEPEST = 1 << 16, 256
#: Bytes that the compressed members of a file may unpack to.
LARGEST_UNPACKED = 1 << 31
#: Pickles at the start of a file that is no archive: magic number, version, system, content, names of the numbers that follow.
_STREAMS = 5
#: Bytes that `_codecs.encode` makes of one, at most, as with unicode_escape.
_ENCODED = 10


class CostError(ValueError):
    """Reading would take more than a network can need; the message says more of what than is allowed."""


def is_archive(path: Path) -> bool:
    """Tell whether `torch.load` takes a file for a ZIP archive."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def refuse_costly(path: Path) -> bool:
    """Raise CostError if reading a file of `torch.save` would cost too much; return whether its numbers can be mapped.

    What is no such file is left for `torch.load` to refuse.
    """
    if not is_archive(path):
        with path.open("rb") as file:
            _refuse_streams(file)
        return False
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        packed = [member for member in members if member.compress_type != zipfile.ZIP_STORED]
        if any(member.compress_type != zipfile.ZIP_DEFLATED for member in packed):
            raise CostError("it is packed by a method that torch does not know; unzip it and zip it again")
        unpacked = sum(member.file_size for member in members)
        if packed and unpacked > LARGEST_UNPACKED + path.stat().st_size:
            raise CostError(
                f"it unpacks to {unpacked} bytes, more than {LARGEST_UNPACKED}; if that is right, unzip it and zip it again "
                "without compression (zip -0 -r)"
            )
        for member in members:
            if member.filename.lower().endswith("data.pkl"):
                if member.file_size > LARGEST_PROGRAM:
                    raise CostError(f"its {member.filename} has {member.file_size} bytes, more than {LARGEST_PROGRAM}")
                with archive.open(member) as program:
                    _weigh(program)
    return not packed


def _refuse_streams(file: IO[bytes]) -> None:
    for _ in range(_STREAMS):
        _weigh(file)
        if file.tell() > LARGEST_PROGRAM:
            raise CostError(f"its pickles have more than {LARGEST_PROGRAM} bytes")


@dataclass(eq=False, slots=True)
class _Value:
    """A value of the program: how many values it is made of, how deep its tuples are, and the number or name that it is."""

    size: int = 1
    depth: int = 0
    number: int = 1
    name: str = ""
    parts: Sequence["_Value"] = ()


@dataclass(slots=True)
class _Machine:
    """State of a program."""

    stack: list[_Value] = field(default_factory=list)
    marks: list[list[_Value]] = field(default_factory=list)
    memo: dict[int, _Value] = field(default_factory=dict)
    spent: int = 0

    def spend(self, amount: int) -> None:
        self.spent += amount
        if self.spent > _BUDGET:
            raise CostError(f"its pickle goes through more than {_BUDGET} values")

    def since_mark(self) -> list[_Value]:
        items, self.stack = self.stack, self.marks.pop()
        return items

    def tuple(self, parts: list[_Value]) -> None:
        inner = [part for part in parts if part.depth]
        size, depth = len(parts) + 1 + sum(part.size for part in inner), 1 + max((p.depth for p in inner), default=0)
        if inner and size > _LARGEST_TUPLE:
            raise CostError(f"its pickle has tuples in tuples of more than {_LARGEST_TUPLE} values together")
        if depth > _DEEPEST:
            raise CostError(f"its pickle has tuples in tuples, more than {_DEEPEST} deep")
        number = 1
        for part in parts:
            number = min(number * max(part.number, 1), _BUDGET + 1)
        self.stack.append(_Value(size, depth, number, parts=parts))

    def put_into(self, items: Sequence[_Value]) -> None:
        # a tuple is hashed with all in it where it is a key; other values are only referred to
        total = sum(item.size if item.depth else 1 for item in items)
        self.spend(total)
        self.stack[-1].size += total

    def call(self) -> None:
        """Call what lies under its arguments; what it makes is as large as they are now, or as a number among them says."""
        arguments = self.stack.pop()
        name = self.stack.pop().name
        size = 1 + sum(part.size for part in arguments.parts)
        if name == "_codecs encode":
            size *= _ENCODED
        if name.endswith(("bytearray", "Tensor")):
            size = max(size, arguments.number)
        self.spend(size)
        self.stack.append(_Value(size, number=arguments.number))


def _weigh(file: IO[bytes]) -> None:
    """Go through one pickle, up to its end or to what `torch.load` refuses."""
    machine = _Machine()
    try:
        for number, (operation, argument) in enumerate(_operations(file)):
            if number > _LONGEST:
                raise CostError(f"its pickle has more than {_LONGEST} operations")
            if not _step(machine, operation, argument):
                return
    except CostError:
        raise
    except Exception:  # a damaged program; torch.load says so
        return


def _operations(file: IO[bytes]) -> Iterator[tuple[str, Any]]:
    return ((operation.name, argument) for operation, argument, _ in pickletools.genops(file))


def _step(machine: _Machine, operation: str, argument: Any) -> bool:
    """Carry out one operation; return False for one that `torch.load` does not know."""
    stack = machine.stack
    match operation:
        case "MARK":
            machine.marks.append(stack)
            machine.stack = []
        case "GLOBAL":
            stack.append(_Value(name=argument))
        case "TUPLE":
            machine.tuple(machine.since_mark())
        case "EMPTY_TUPLE" | "TUPLE1" | "TUPLE2" | "TUPLE3":
            count = 0 if operation == "EMPTY_TUPLE" else int(operation[-1])
            machine.tuple([stack.pop() for _ in range(count)])
        case "APPENDS" | "SETITEMS":
            machine.put_into(machine.since_mark())
        case "APPEND":
            machine.put_into([stack.pop()])
        case "SETITEM":
            machine.put_into([stack.pop(), stack.pop()])
        case "REDUCE" | "NEWOBJ":
            machine.call()
        case "BUILD":
            machine.spend(stack.pop().size)
        case "BINPERSID":
            stack[-1] = _Value()
        case "BINPUT" | "LONG_BINPUT":
            machine.memo[argument] = stack[-1]
        case "BINGET" | "LONG_BINGET":
            stack.append(machine.memo[argument])
        case "BINUNICODE" | "SHORT_BINSTRING":
            stack.append(_Value(1 + len(argument)))
        case "BININT" | "BININT1" | "BININT2" | "LONG1":
            stack.append(_Value(number=min(argument, _BUDGET + 1)))
        case "NONE" | "NEWTRUE" | "NEWFALSE" | "BINFLOAT" | "EMPTY_LIST" | "EMPTY_DICT" | "EMPTY_SET":
            stack.append(_Value())
        case "PROTO" | "STOP":
            pass
        case _:
            return False
    return True


__all__ = ["LARGEST_PROGRAM", "LARGEST_UNPACKED", "CostError", "refuse_costly"]
