"""How many inputs are generated, and how files are damaged."""

import os
from collections import Counter
from collections.abc import Callable
from functools import wraps

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

SLOW = bool(os.environ.get("FILTERSCOPE_SLOW"))

#: Inputs generated so far, by test.
COUNTS: Counter[str] = Counter()

#: Cells, names and paths that people and attackers write.
NASTY = (
    "", " ", ".", "..", "../x", "../../etc/passwd", "/etc/passwd", "C:\\x", "a\\..\\b",
    "a\0b", "\ufeff", "\u202e", "é", "e\u0301",
    "0", "-1", "1", "2", "255", "65536", "1e400", "nan", "inf", "-0", "0x10", "٣", "99999999999999999999", "1;2",
    ";", "a.png", "./a.png",
    "a.png/", "images/a.png", "'; drop table units; --", "<script>alert(1)</script>", '"', '""', '"\r\n', ",",
    "\t", "x" * 10_000, "%s{0}$(id)`id`",
)  # fmt: skip

texts = st.sampled_from(NASTY) | st.text(max_size=12)


def fuzzed(slow: int, quick: int = 25) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run a test on `slow` generated inputs where FILTERSCOPE_SLOW is set, on `quick` elsewhere, and on no fewer.

    hypothesis ends early, without a word, where it believes that it has seen every input.
    """
    wanted = slow if SLOW else quick

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        search = settings(max_examples=wanted, suppress_health_check=list(HealthCheck), database=None)(test)

        @wraps(search)
        def counted(*args: object, **kwargs: object) -> None:
            before = COUNTS.total()
            search(*args, **kwargs)
            assert COUNTS.total() - before >= wanted

        return counted

    return decorate


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Cut, overwrite, lengthen or empty a file."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(("cut", "overwrite", "drop", "repeat", "insert", "empty"))):
            case "cut":
                data = data[:start]
            case "overwrite":
                patch = draw(
                    st.binary(min_size=1, max_size=8) | st.sampled_from((b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff"))
                )
                data = data[:start] + patch + data[start + len(patch) :]
            case "drop":
                data = data[:start] + data[start + draw(st.integers(1, 16)) :]
            case "repeat":
                data = data[:start] + data[start : start + 16] * draw(st.integers(2, 20)) + data[start:]
            case "insert":
                data = data[:start] + draw(st.binary(max_size=16)) + data[start:]
            case "empty":
                data = b""
    return data


@st.composite
def changed(draw: st.DrawFn, tree: object, leaves: st.SearchStrategy[object]) -> object:
    """Replace, drop or repeat parts of a value made of dicts and lists."""
    if draw(st.integers(0, 7)) == 0:
        return draw(leaves)
    if isinstance(tree, dict) and tree:
        key = draw(st.sampled_from(sorted(tree)))
        rest = {name: value for name, value in tree.items() if name != key}
        return rest if draw(st.integers(0, 9)) == 0 else {**rest, key: draw(changed(tree[key], leaves))}
    if isinstance(tree, list) and tree:
        place = draw(st.integers(0, len(tree) - 1))
        twice = [tree[place]] if draw(st.integers(0, 4)) == 0 else []
        return [*tree[:place], draw(changed(tree[place], leaves)), *twice, *tree[place + 1 :]]
    return draw(leaves)
