"""Networks that are shown an image block together: who is with whom, what is decoded, and that nothing else changes."""

from types import SimpleNamespace

import pytest

from filterscope.pipeline.engine.keys import Fingerprint, Grid, Keys, beside, blocks
from filterscope.pipeline.engine.sharing import shared, sharing
from filterscope.pipeline.engine.stage import Stage, Work
from filterscope.pipeline.methods.dissection.tallies import _Tallies
from filterscope.pipeline.methods.extraction.panels import ROOM, panels
from filterscope.pipeline.views import decode
from tests.audits import audit_here, tables
from tests.planted import PLANTED, SIZE, write_dataset


def plan(parameters, *, blocks=64, actors=2, stored=True):
    models = [SimpleNamespace(name=f"net-{number}", parameters=count) for number, count in enumerate(parameters)]
    return SimpleNamespace(
        models=models, view_count=64 * blocks, options=SimpleNamespace(image_block=64, actors=actors, stored=stored)
    )


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ([1], [0]),
        ([1] * 9, [0] * 8 + [1]),
        ([ROOM // 8] * 5, [0, 0, 1, 1, 2]),  # half a worker's room each
        ([1, ROOM, 1, 1], [0, 1, 2, 2]),  # one is more than a worker's room
    ],
)
def test_a_panel_is_of_networks_that_fit_into_a_worker(parameters, found):
    assert list(panels(plan(parameters)).values()) == found


@pytest.mark.parametrize(("blocks", "actors", "together"), [(1, 0, 3), (7, 2, 1), (8, 2, 3), (8, 3, 1)])
def test_no_panel_leaves_workers_without_a_block(blocks, actors, together):
    assert list(panels(plan([1, 1, 1], blocks=blocks, actors=actors)).values()).count(0) == together


@pytest.mark.parametrize(("blocks", "together"), [(112, 1), (113, 3)])
def test_without_a_store_a_piece_is_a_span_of_blocks(blocks, together):
    found = panels(plan([1, 1, 1], blocks=blocks, actors=2, stored=False))
    assert list(found.values()).count(0) == together


def grid(model, layers, cuts):
    return Grid("extract", tuple((model, layer) for layer in layers), cuts, Fingerprint({}))


def test_keys_beside_each_other_go_block_by_block():
    cuts = blocks("images", 5, 2)
    one, other = grid("a", ["x", "y"], cuts), grid("b", ["z"], cuts)
    [part] = beside([Keys([one]), Keys([other])])
    expected = [key for block in range(3) for key in (*one[2 * block : 2 * block + 2], other[block])]
    assert [key.text for key in part] == [key.text for key in expected]
    assert [part[number].text for number in range(len(part))] == [key.text for key in expected]
    assert [key.text for key in part[-2:]] == [key.text for key in expected[-2:]]
    with pytest.raises(IndexError):
        part[len(part)]


def test_keys_of_other_blocks_stay_one_after_the_other():
    one, other = grid("a", ["x"], blocks("images", 5, 2)), grid("b", ["x"], blocks("images", 5, 3))
    assert beside([Keys([one]), Keys([other])]) == [one, other]


def test_what_is_missing_of_a_panel_travels_by_block_and_the_rest_alone():
    cuts = blocks("images", 4, 2)
    stages = [
        Stage("extract", Keys([grid(model, ["x"], cuts)]), lambda missing: (Work((key,), key.text) for key in missing), ())
        for model in "abc"
    ]  # fmt: skip
    joined = Stage.joined(stages, {"a": 0, "b": 0, "c": 1}.__getitem__)
    works = [(work.task, work.shares) for work in joined.group(key for key in joined.keys if key != stages[0].keys[0])]
    assert works == [
        ("extract/b/x/images-000000", "0/images-000000"),
        ("extract/a/x/images-000002", "0/images-000002"),
        ("extract/b/x/images-000002", "0/images-000002"),
        ("extract/c/x/images-000000", None),
        ("extract/c/x/images-000002", None),
    ]


def test_what_is_shared_is_made_once_and_only_among_those_that_share():
    made = []

    def make():
        made.append(1)
        return len(made)

    assert (shared("key", make), shared("key", make)) == (1, 2)
    values = {}
    with sharing(values):
        assert (shared("key", make), shared("key", make), shared("other", make)) == (3, 3, 4)
        assert shared("large", make, keep=lambda value: False) == 5
    with sharing(values):
        assert shared("key", make) == 3
        assert shared("large", make) == 6
    with sharing(None):
        assert shared("key", make) == 7


ZOO = [
    {**PLANTED, "name": "first"},
    {**PLANTED, "name": "second", "mean": [0.3] * 3},
    {**PLANTED, "name": "third", "input_size": 2 * SIZE},
]


@pytest.mark.parametrize("store", ["zarr", "none"])
def test_a_zoo_decodes_an_image_once_and_finds_what_single_audits_find(tmp_path, monkeypatch, store):
    """Two share the whole transform, the third the decoding alone."""
    write_dataset(tmp_path / "data")
    loaded, load = [], decode._load
    monkeypatch.setattr(decode, "_load", lambda path, *how: loaded.append(path.name) or load(path, *how))
    settings = {
        "data": tmp_path / "data", "layers": "1", "quantile": 0.05, "min_images": 3, "image_block": 4, "store": store
    }  # fmt: skip
    zoo = audit_here(tmp_path / "zoo", models=ZOO, **settings)
    passes = 1 if store == "zarr" else 2
    assert all(loaded.count(name) == passes for name in set(loaded)), sorted(loaded)
    for model in ZOO:
        name = model["name"]
        alone = audit_here(tmp_path / name, models=[model], **settings)
        for table, frame in tables(alone).items():
            found = tables(zoo)[table]
            assert found.filter(found["model"] == name).equals(frame), (table, name)


@pytest.mark.slow
@pytest.mark.parametrize("before", [1, 4, 5])
def test_a_zoo_interrupted_in_its_second_pass_finds_the_same(tmp_path, monkeypatch, before):
    """Stopped after one network of the first span, between two spans, and within the second."""
    write_dataset(tmp_path / "data", images=36)
    settings = {
        "data": tmp_path / "data", "layers": "1", "quantile": 0.05, "min_images": 3, "image_block": 2, "store": "none",
        "models": ZOO,
    }  # fmt: skip
    calm = audit_here(tmp_path / "calm", **settings)
    call, calls, most = _Tallies.__call__, [], [before]

    def counted(self, task):
        if len(calls) == most[0]:
            raise KeyboardInterrupt
        calls.append((task.model.name, task.start))
        return call(self, task)

    monkeypatch.setattr(_Tallies, "__call__", counted)
    with pytest.raises(KeyboardInterrupt):
        audit_here(tmp_path / "stopped", **settings)
    first = list(calls)
    monkeypatch.setattr(
        _Tallies, "__call__", lambda self, task: calls.append((task.model.name, task.start)) or call(self, task)
    )
    stopped = audit_here(tmp_path / "stopped", **settings)
    assert calls[: len(first)] == first
    assert sorted(calls) == sorted((model["name"], start) for model in ZOO for start in (0, 32))
    for table, frame in tables(calm).items():
        assert tables(stopped)[table].equals(frame), table
        assert frame.height
