"""Where filters fire on held-out views is told as the method `location` tells it of an audit."""

import numpy as np
import polars as pl
import pytest

from filterscope import schemas
from filterscope.jobs.config.train import asked_of
from filterscope.jobs.runs.train import train
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.models.geometry import receptive_fields
from filterscope.pipeline.models.model import open_model
from filterscope.pipeline.models.network import Identity, Network
from filterscope.pipeline.models.spec import ModelSpec
from filterscope.pipeline.training.located import located
from filterscope.pipeline.training.twins import compare_twins
from filterscope.pipeline.views.decode import decode_views
from filterscope.pipeline.views.geometry import Geometry
from filterscope.pipeline.views.landmarks import landmarks_in_views
from filterscope.pipeline.views.views import Views, ViewSettings
from tests.audits import audit_here
from tests.planted.animals import write_animals

pytestmark = pytest.mark.slow
NAMES = ["blue fish", "red bird"]
NUMBERS = ["instability", "fixed", "tracking"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("located")
    options = {"epochs": 2, "filters": 8, "pca": 16, "batch": 8, "negatives": True}
    models = ["torchvision:squeezenet1_1@random:0"]
    asked = asked_of(
        "interpretable-cnn", write_animals(folder / "few"), options, seeds=1, models=models, layers="features.5"
    )
    train(asked, folder / "run", actors=0)
    return folder / "run"


@pytest.fixture(scope="module")
def audit(run, tmp_path_factory):
    data = write_animals(tmp_path_factory.mktemp("more") / "many", images=40, negatives=0, seed=1)
    sources = [f"trained:{run}/{path.stem}" for path in sorted((run / "networks").iterdir())]
    settings = {"data": data, "models": sources, "layers": "filters", "views": "objects"}
    return audit_here(run.parent / "audit", methods="location", **settings), data, sources


def test_rows_are_those_of_the_method_on_the_same_views(audit):
    out, data, sources = audit
    dataset, model = Dataset(data), open_model(ModelSpec(sources[0]))
    views = Views.of(dataset, ViewSettings("objects"))
    geometry = Geometry.of(model.transform, "squash")
    network = Network.open(
        ModelSpec(sources[0]), layers=["filters"], batch_size=32,
        expected=Identity(model.weights_sha256, model.transform, model.name),
    )  # fmt: skip
    maps = network.maps(decode_views(dataset, views, range(len(views)), geometry).pixels)["filters"].astype(np.float32)
    category = np.array([NAMES.index(name) for name in views.category])
    field = receptive_fields(model.module, model.transform.input_size)["filters"]
    rows = located(
        maps, np.arange(len(views)), views.group, category, NAMES, landmarks_in_views(dataset, views, geometry), field,
        geometry.size, model.name, "filters",
    )  # fmt: skip
    keys = ["category", "landmark", "unit"]
    mine = pl.concat(pl.DataFrame(table) for table in rows).sort(keys)
    theirs = schemas.scan(out, "location_instability").filter(model=model.name).sort(keys).collect()
    assert mine.select(*keys, "images", "no_maximum", "repeated").equals(
        theirs.select(*keys, "images", "no_maximum", "repeated")
    )
    assert mine["instability"].drop_nulls().len() > 0
    for name in NUMBERS:
        np.testing.assert_allclose(mine[name].to_numpy(), theirs[name].to_numpy(), rtol=1e-6)


def test_an_audit_of_twins_is_compared_by_its_own_rows_and_the_accuracy_of_their_training(audit, run):
    out, _, _ = audit
    found = compare_twins(out).filter(seed=0)
    trained = compare_twins(run).filter(seed=0)
    assert found.filter(measure="accuracy").equals(trained.filter(measure="accuracy"))
    own = schemas.scan(run, "filter_categories").collect()
    rows = schemas.scan(out, "location_instability").collect().with_columns(twin=pl.col("model").str.split("-").list[0])
    own = own.with_columns(twin=pl.col("model").str.split("-").list[0])
    for twin in ("plain", "interpretable"):
        mine = rows.filter(twin=twin, landmark="head").join(own.filter(twin=twin), on=["unit", "category"])
        expected = mine["instability"].drop_nulls().mean()
        assert found.filter(measure="location instability, head")[twin].to_list() == [pytest.approx(expected)]
