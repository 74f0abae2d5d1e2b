"""Whatever happens to a file that stages read, the tables that follow are the same, or an error names the file."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from filterscope import schemas
from filterscope.jobs.runs.doctor import examine, repair
from filterscope.pipeline.engine.errors import InputError, RunError
from filterscope.pipeline.methods import registry, retention
from filterscope.pipeline.methods.stages import Stages
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.stores.artifacts import Table
from tests.audits import audit_here
from tests.pipeline.methods import every

#: Folders of what stages leave for others, and of tables that others read.
_LEFT = (
    "activations.zarr",
    "maxima.zarr",
    "masks",
    "null",
    "features",
    "occlusion",
    "histograms",
    "thresholds",
    "tallies",
)
_TABLES = ("thresholds", "units", "graph_nodes", "graph_candidates", "node_positions")
#: What stages read of earlier ones: the methods that were audited first, those that follow, and stages that are forgotten
#: in between.
_CHAINS: dict[str, tuple[list[str], list[str], list[str]]] = {
    "images": (
        ["dissection", "patterns"],
        ["significance", "growth", "stability", "anchorings", "pattern-positions"],
        [],
    ),
    "fields": (["receptive-field"], ["receptive-field"], ["fields"]),
    "crops": (["dissection", "graph"], ["localize"], []),
    "merged": (["dissection"], ["dissection"], ["dissect"]),
    "tallied": (["dissection"], ["dissection"], ["thresholds", "tallies", "dissect", "concepts"]),
}
Damage = Callable[[Path, Path, np.random.Generator], None]


def flip(path: Path, other: Path, rng: np.random.Generator) -> None:
    content = bytearray(path.read_bytes())
    content[rng.integers(len(content))] ^= 1 << rng.integers(8)
    path.write_bytes(content)


def cut(path: Path, other: Path, rng: np.random.Generator) -> None:
    path.write_bytes(path.read_bytes()[: rng.integers(path.stat().st_size)])


def delete(path: Path, other: Path, rng: np.random.Generator) -> None:
    path.unlink()


def swap(path: Path, other: Path, rng: np.random.Generator) -> None:
    one, two = path.read_bytes(), other.read_bytes()
    path.write_bytes(two)
    other.write_bytes(one)


DAMAGES: list[Damage] = [flip, cut, delete, swap]


class Chain:
    """A run of the methods that come first, and the tables of those that follow."""

    def __init__(self, name: str, folder: Path) -> None:
        self.folder, (first, then, forgotten) = folder, _CHAINS[name]
        self.name, self.forgotten, store = name, forgotten, {"store": "none"} if name in ("merged", "tallied") else {}
        data, methods = every.write_data(folder / "data"), sorted({*first, *then})
        self.settings = every.settings(methods, data, **({} if "graph" in methods else {"image_block": 8}), **store)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(retention, "remove_passes", lambda plan: None)
            self.before = audit_here(folder / "before", **{**self.settings, "methods": first})
        kinds = {kind.name: kind for kind in Stages(RunFolder(self.before).plan()).kinds}
        for stage in forgotten:
            shutil.rmtree(self.before / "ledger" / stage)
            for table in (artifact.name for artifact in kinds[stage].writes if isinstance(artifact, Table)):
                shutil.rmtree(self.before / "tables" / table)
        self.expected = self.tables(self.again("after"))

    def again(self, name: str) -> Path:
        """Copy the run."""
        run = Path(shutil.copytree(self.before, self.folder / name))
        return self.follow(run)

    def follow(self, run: Path) -> Path:
        """Audit by the methods that follow."""
        return audit_here(run, **self.settings)

    def tables(self, run: Path) -> dict[str, object]:
        """Return the tables of a run that nothing else is made from, without what tells when it ran."""
        names = {path.name for path in (run / "tables").iterdir()} - {"runs", *_TABLES}
        frames = {name: schemas.scan(run, name).collect() for name in sorted(names)}
        return {name: frame.sort(frame.columns[:4]) for name, frame in frames.items()}

    def files(self) -> list[Path]:
        """Return the files that stages leave for others, relative to the run."""
        left = [path for name in _LEFT for path in (self.before / name).rglob("*")]
        left += [path for name in _TABLES for path in (self.before / "tables" / name).rglob("*.parquet")]
        files = (path.relative_to(self.before) for path in left if path.is_file() and path.name != "zarr.json")
        return sorted(file for file in files if file.parts[-1] != "removed")


@pytest.fixture(
    scope="module", params=["images", *(pytest.param(name, marks=pytest.mark.slow) for name in [*_CHAINS][1:])]
)
def chain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    assert set(_CHAINS["images"][1]) <= set(registry.names())
    return Chain(request.param, tmp_path_factory.mktemp("chain"))


def _partner(before: Path, files: list[Path], file: Path, rng: np.random.Generator) -> Path | None:
    """Return another file of the same kind that holds something else."""
    kind, own = (file.parts[0], file.suffix), (before / file).read_bytes()
    same = [other for other in files if (other.parts[0], other.suffix) == kind and (before / other).read_bytes() != own]
    return same[rng.integers(len(same))] if same else None


def _equal(one: Path, other: Path) -> bool:
    return one.is_file() and one.read_bytes() == other.read_bytes()


def _tried(chain: Chain, damage: Damage, file: Path, other: Path, rng: np.random.Generator, run: Path) -> bool:
    """Damage a file and go on; return whether an error told, and fail if nothing did and the tables are others."""
    shutil.copytree(chain.before, run)
    damage(run / file, run / other, rng)
    same = all(_equal(run / name, chain.before / name) for name in (file, other))
    try:
        chain.follow(run)
    except (RunError, InputError, OSError) as error:
        assert not same
        assert any(str(run / name) in str(error) for name in (file, other)), error  # noqa: PT017
        assert "doctor" in str(error)  # noqa: PT017
        return True
    found = chain.tables(run)
    for name, frame in chain.expected.items():
        assert frame.equals(found[name]), (damage.__name__, file, name)
    return False


@pytest.mark.parametrize(
    "damage", [pytest.param(damage, marks=pytest.mark.slow) if damage in (cut, swap) else damage for damage in DAMAGES]
)
def test_a_damaged_file_changes_no_table_in_silence(chain: Chain, damage: Damage, tmp_path: Path) -> None:
    rng, files, told = np.random.default_rng(len(damage.__name__)), chain.files(), 0
    kinds: dict[tuple[str, str], list[Path]] = {}
    for file in files:
        kinds.setdefault((file.parts[1] if file.parts[0] == "tables" else file.parts[0], file.suffix), []).append(file)
    for number, same in enumerate(kinds.values()):
        file = same[rng.integers(len(same))]
        other = _partner(chain.before, files, file, rng)
        if other or damage is not swap:
            told += _tried(chain, damage, file, other or file, rng, tmp_path / str(number))
    assert told


def test_the_doctor_sees_every_damaged_file_and_repairs_it(chain: Chain, tmp_path: Path) -> None:
    run, rng = Path(shutil.copytree(chain.before, tmp_path / "run")), np.random.default_rng(0)
    assert examine(run) == []
    damaged = set()
    # what is forgotten is promised no more
    promised = [file for file in chain.files() if file.parts[0] not in chain.forgotten and file.name != "labels.npz"]
    for number, file in enumerate(promised):
        if number % 3:
            continue
        (flip, cut, delete)[number // 3 % 3](run / file, run / file, rng)
        damaged.add(run / file)
    found = examine(run)
    assert {problem.path for problem in found} == damaged
    repair(run, found)
    assert examine(run) == []
    assert chain.tables(chain.follow(run)).keys() == chain.expected.keys()


def test_runs_without_checksums_stay_readable_and_what_is_missing_is_missed(chain: Chain, tmp_path: Path) -> None:
    """As version 0.1 left them."""
    run = Path(shutil.copytree(chain.before, tmp_path / "run"))
    for marker in (run / "ledger").rglob("*.json"):
        record = json.loads(marker.read_bytes())
        marker.write_text(json.dumps({**record, "checksums": {}}))
    left = Path(shutil.copytree(run, tmp_path / "left"))
    found = chain.tables(chain.follow(run))
    assert all(frame.equals(found[name]) for name, frame in chain.expected.items())
    read = {"fields": "occlusion", "merged": "tallies", "tallied": "histograms"}.get(chain.name, "activations.zarr")
    lost = next(left / file for file in chain.files() if file.parts[0] == read)
    lost.unlink()
    with pytest.raises(RunError, match=rf"{lost}, an output of .*, is missing; `filterscope doctor {left} --repair`"):
        chain.follow(left)
