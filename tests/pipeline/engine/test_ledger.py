"""The ledger knows what is done, what is missing and what changed."""

from filterscope.pipeline.engine.keys import Fingerprint, Grid, Key, Keys, blocks
from filterscope.pipeline.engine.ledger import Ledger
from filterscope.pipeline.engine.stage import Output


def key(name="images-000000", **parameters):
    return Key("extract", ("resnet18", "layer4", name), Fingerprint(parameters, {"masks": "abc"}))


def test_a_marked_key_is_no_longer_missing(tmp_path):
    ledger, keys = Ledger(tmp_path / "ledger"), [key(batch=4), key("images-000064", batch=4)]
    assert list(ledger.missing(keys)) == keys
    ledger.mark(Output(keys[0], rows=64, rejects=2), seconds=1.5)
    assert list(ledger.missing(keys)) == keys[1:]
    (record,) = ledger.records("extract")
    assert record["key"] == "extract/resnet18/layer4/images-000000"
    assert (record["rows"], record["rejects"], record["seconds"]) == (64, 2, 1.5)
    assert not list((tmp_path / "ledger").rglob(".*"))


def test_another_parameter_is_named_with_both_values(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.mark(Output(key(batch=4, scale=1.0)), seconds=0)
    assert ledger.changed([key(batch=4, scale=1.0)]) is None
    found, record = ledger.changed([key(batch=8, scale=1.0)])
    assert found.text == "extract/resnet18/layer4/images-000000"
    assert ledger.difference(found, record) == "batch is 8 and was 4"
    assert ledger.forget([key(batch=8, scale=1.0)]) == 1
    assert ledger.changed([key(batch=8, scale=1.0)]) is None


def test_fingerprints_depend_on_values_not_on_order():
    one, same = Fingerprint({"a": 1, "b": 2}), Fingerprint({"b": 2, "a": 1})
    assert one.digest == same.digest
    assert Fingerprint({"a": 1, "b": 3}).digest != one.digest
    assert Fingerprint({"a": 1, "b": 2}, {"x": "y"}).digest != one.digest


def test_blocks_cover_everything_once():
    assert list(blocks("units", 130, 64)) == [
        ("units-000000", 0, 64),
        ("units-000064", 64, 128),
        ("units-000128", 128, 130),
    ]
    assert list(blocks("units", 0, 64)) == []


def grid(total=130, digest="x"):
    folders = (("net", "a"), ("net", "b"))
    return Grid("extract", folders, blocks("images", total, 64), Fingerprint({"batch": digest}))


def test_keys_are_made_when_they_are_asked_for_and_counted_without():
    keys = Keys([grid(), [key(batch=1)], grid(10**12)])
    assert len(keys) == 6 + 1 + 2 * 15_625_000_000
    assert [found.text for found in keys[:3]] == [
        "extract/net/a/images-000000", "extract/net/b/images-000000", "extract/net/a/images-000064"
    ]  # fmt: skip
    assert keys[6] == key(batch=1)
    assert keys[-1].text == "extract/net/b/images-999999999936"
    assert list(Keys([grid()])) == [grid()[number] for number in range(6)]


def test_what_is_missing_of_a_grid_is_counted_as_it_is_listed(tmp_path):
    ledger, keys = Ledger(tmp_path), Keys([grid(), grid(digest="y")])
    assert ledger.count_missing(keys) == 12
    ledger.mark(Output(grid()[3]), 0)
    assert ledger.count_missing(keys) == 11 == len(list(ledger.missing(keys)))
    untouched = Grid("dissect", (("net", "a"),), blocks("units", 10**15, 1), Fingerprint({}))
    assert ledger.count_missing(Keys([untouched])) == 10**15


def test_a_former_fingerprint_counts_as_done(tmp_path):
    then, now = Fingerprint({"batch": 4}, {"masks": "abc"}), Fingerprint({"batch": 4})
    ledger, place = Ledger(tmp_path), ("net", "a", "images-000000")
    ledger.mark(Output(Key("extract", place, then), rows=7), 0)
    known, unknown = Key("extract", place, now, then.digest), Key("extract", place, now)
    assert list(ledger.missing([known])) == []
    assert ledger.changed([known]) is None
    assert ledger.record(known)["rows"] == 7
    assert list(ledger.missing([unknown])) == [unknown]
    assert ledger.changed([unknown])[0] == unknown
    assert ledger.forget([known]) == 1


def test_markers_of_version_0_1_are_read(tmp_path):
    marker = Ledger(tmp_path).path(key(batch=4))
    marker.parent.mkdir(parents=True)
    marker.write_text('{"unit": "extract/resnet18/layer4/images-000000", "rows": 3, "checksums": {}}')
    (record,) = Ledger(tmp_path).all_records()
    assert record["key"] == key().text
    assert "unit" not in record
