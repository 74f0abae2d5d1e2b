"""Run the bench: all rows, or those named, as in ``python -m tests.bench tally_vs_light quantile``."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from filterscope.jobs.cost.machine import machine
from tests.bench.real import RowSkippedError
from tests.bench.row import Row

#: Measurements in the order they run: name -> module of this package that holds a function of that name.
MEASUREMENTS = {
    "tally_vs_light": "tally",
    "tally_scaling": "tally",
    "quantile": "quantile",
    "store_write": "store",
    "store_read_by_unit": "store",
    "decode": "decode",
    "start_up": "dataflow",
    "audit_over_forward": "dataflow",
    "audit_shares": "shares",
    "rss_growth": "dataflow",
    "driver_memory": "dataflow",
    "zoo_driver": "dataflow",
    "lease_overhead": "dataflow",
    "panel": "zoo",
    "tiny_zoo": "zoo",
    "null_over_before": "null",
    "location_over_extraction": "location",
    "attribution_over_forward": "attribution",
    "occlusion": "occlusion",
    "graph_vs_numpy": "graph",
    "graph_linear": "graph",
    "graph_of_vgg16": "graph",
    "patterns_vs_numpy": "patterns",
    "patterns_linear": "patterns",
    "patterns_over_extraction": "patterns",
    "blind_spots_of_100000": "blind_spots",
    "unit_costs": "unit_costs",
    "two_nodes": "nodes",
    "scaling": "nodes",
    "report_of_2048_units": "report",
}

_OUTPUT = Path("bench.json")


def main(names: list[str]) -> int:
    """Measure, print a table and write ``bench.json``; rows that were not asked for keep their last values there."""
    unknown = sorted(set(names) - set(MEASUREMENTS))
    if unknown:
        print(f"no rows named {', '.join(unknown)}; there are {', '.join(MEASUREMENTS)}", file=sys.stderr)
        return 2
    for name in names or MEASUREMENTS:
        measure: Callable[[], Iterable[Row]] = getattr(import_module(f"tests.bench.{MEASUREMENTS[name]}"), name)
        rows = []
        for row in _measured(name, measure):
            print(_line(row), flush=True)
            rows.append(row)
        _save(name, rows)
    return 0


def _measured(name: str, measure: Callable[[], Iterable[Row]]) -> Iterator[Row]:
    try:
        yield from measure()
    except RowSkippedError as why:
        print(f"{name}: skipped, {why}", flush=True)


def _line(row: Row) -> str:
    ratio = "" if row.ratio is None else f"{row.ratio:.3g}x"
    return f"{row.name:<46} {row.value:>10.4g} {row.unit:<18} {ratio:>8} {row.target:<8} {row.peer}".rstrip()


def _save(name: str, rows: list[Row]) -> None:
    saved = json.loads(_OUTPUT.read_text()) if _OUTPUT.exists() else []
    named = {row.name for row in rows}
    kept = [row for row in saved if row["name"].split(".")[0] != name and row["name"] not in named]
    stated = [{**asdict(row), "machine": machine()} for row in rows]
    _OUTPUT.write_text(json.dumps(kept + stated, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
