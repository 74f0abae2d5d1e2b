"""The ledger knows what is done, what is missing and what changed."""

from filterscope.pipeline.engine.ledger import Ledger
from filterscope.pipeline.engine.stage import Fingerprint, Output, Unit, blocks


def unit(name="images-000000", **parameters):
    return Unit("extract", ("resnet18", "layer4", name), Fingerprint(parameters, {"masks": "abc"}))


def test_a_marked_unit_is_no_longer_missing(tmp_path):
    ledger, units = Ledger(tmp_path / "ledger"), [unit(batch=4), unit("images-000064", batch=4)]
    assert ledger.missing(units) == units
    ledger.mark(Output(units[0], rows=64, rejects=2), seconds=1.5)
    assert ledger.missing(units) == units[1:]
    (record,) = ledger.records("extract")
    assert record["unit"] == "extract/resnet18/layer4/images-000000"
    assert (record["rows"], record["rejects"], record["seconds"]) == (64, 2, 1.5)
    assert not list((tmp_path / "ledger").rglob(".*"))


def test_another_parameter_is_named_with_both_values(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.mark(Output(unit(batch=4, scale=1.0)), seconds=0)
    assert ledger.changed([unit(batch=4, scale=1.0)]) is None
    found, record = ledger.changed([unit(batch=8, scale=1.0)])
    assert found.key == "extract/resnet18/layer4/images-000000"
    assert ledger.difference(found, record) == "batch is 8 and was 4"
    assert ledger.forget([unit(batch=8, scale=1.0)]) == 1
    assert ledger.changed([unit(batch=8, scale=1.0)]) is None


def test_fingerprints_depend_on_values_not_on_order():
    one, same = Fingerprint({"a": 1, "b": 2}), Fingerprint({"b": 2, "a": 1})
    assert one.digest == same.digest
    assert Fingerprint({"a": 1, "b": 3}).digest != one.digest
    assert Fingerprint({"a": 1, "b": 2}, {"x": "y"}).digest != one.digest


def test_blocks_cover_everything_once():
    assert blocks("units", 130, 64) == [("units-000000", 0, 64), ("units-000064", 64, 128), ("units-000128", 128, 130)]
    assert blocks("units", 0, 64) == []
