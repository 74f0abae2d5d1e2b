"""Patterns are fitted once for each network of a run, where a method needs them, and are those of the network."""

import numpy as np
import pytest

from filterscope import schemas
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.attribution.drawn import learned_from
from filterscope.pipeline.methods.attribution.signal import read_patterns
from filterscope.pipeline.methods.extraction.networks import open_network
from filterscope.pipeline.models.patterns import fit_patterns
from filterscope.pipeline.run.folder import RunFolder
from tests import planted
from tests.audits import audit_here
from tests.planted.hostile import write_hostile


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    data = tmp_path_factory.mktemp("signal") / "images"
    write_hostile(data)
    model = planted.entry("classifier")
    return {"data": data, "models": [model], "layers": "0,1", "image_block": 8, "methods": "attribution"}


@pytest.fixture(scope="module")
def run(settings, tmp_path_factory):
    out = tmp_path_factory.mktemp("own") / "run"
    audit_here(out, **settings, **{"attribution.methods": "guided", "attribution.control_views": 2})
    assert not (out / "signal").exists()
    before = markers(out)
    methods = {"attribution.methods": "guided,pattern_net,pattern_attribution"}
    audit_here(out, **settings, **methods, **{"attribution.control_views": 2})
    assert before.items() <= markers(out).items()
    return out


def markers(run):
    """Return when the rows of each piece of work that was done were marked as written."""
    return {path: path.stat().st_mtime_ns for path in (run / "ledger" / "attribution").rglob("*.json")}


def test_methods_that_are_added_leave_the_others_as_they_are_and_fit_each_network_once(run):
    fitted = sorted(path.relative_to(run / "signal").parts[:2] for path in (run / "signal").rglob("*.npz"))
    assert fitted == [("planted", "all"), ("planted", "top"), ("planted", "trained")]
    found = schemas.scan_attribution_scores(run).collect()
    assert {"guided", "pattern_net", "pattern_attribution"} <= set(found["method"])
    assert set(found.filter(found["method"] == "pattern_net")["network"]) == {"trained", "random"}


def test_what_is_read_is_what_is_fitted_on_the_network(run):
    plan = RunFolder.existing(run).plan()
    (model,) = plan.models
    expected = fit_patterns(open_network(plan, model, ()), learned_from(plan, model)).arrays()
    found = read_patterns(run, "planted").arrays()
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[key], expected[key]) for key in expected)
    twin = read_patterns(run, "planted", "all").arrays()
    assert not all(np.array_equal(found[key], twin[key]) for key in expected)


def test_a_network_without_rectifiers_or_patterns_is_refused_before_anything_runs(settings, tmp_path):
    smooth = {**settings, "models": [planted.entry("smooth")]}
    for method in ("guided", "guided_grad_cam", "pattern_net", "pattern_attribution"):
        words = f"the way back meets 1 SiLU.*Drop {method} from --attribution.methods, or the model"
        with pytest.raises(InputError, match=words):
            audit_here(tmp_path / method, **smooth, **{"attribution.methods": method})
        assert not (tmp_path / method / "ledger").exists()
