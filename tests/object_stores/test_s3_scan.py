"""Tables are scanned on an object store by its address alone, and under their own names."""

import io
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from filterscope import schemas
from filterscope.pipeline.stores.places import StoreError, path_of
from filterscope.schemas.results import TABLES
from tests.object_stores.server import KEY, SECRET


def write(folder, threshold: float) -> None:
    row = {"model": "m", "layer": "1", "unit": 0, "threshold": threshold, "quantile": 0.5, "count": 1}
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([row], schema=TABLES["thresholds"]), sink)
    place = folder / "tables" / "thresholds" / "model=m" / "layer=1"
    (place / "units-0000.parquet").write_bytes(sink.getvalue())
    (place / "units-0000.parquet.part").write_bytes(b"no table")


@pytest.mark.parametrize("name", ["run[1]", "run*", "r?n", "a run", "run%201", "{run}"])
def test_a_run_is_opened_under_its_own_name(bucket, name):
    for other in ("run1", "run", "rxn", "run 1", f"{name}-2"):
        write(bucket / other, 1.0)
    assert schemas.scan_thresholds(bucket / name).collect().is_empty()
    write(bucket / name, 100.0)
    for run in (bucket / name, str(bucket / name), PurePosixPath(str(bucket / name))):
        assert schemas.scan_thresholds(run).collect()["threshold"].to_list() == [100.0]
        assert schemas.scan_layer(run, "thresholds", "m", "1").collect()["threshold"].to_list() == [100.0]
        assert schemas.scan_layer(run, "thresholds", "m", "2").collect().is_empty()


def test_a_run_may_be_a_whole_bucket(bucket):
    write(bucket, 3.0)
    for run in (str(bucket), f"{bucket}/"):
        assert schemas.scan_thresholds(run).collect()["threshold"].to_list() == [3.0]


def test_a_store_that_refuses_is_told_without_credentials(server):
    missing = path_of("s3://no-such-bucket/run")
    with pytest.raises(
        StoreError, match="the object store refused listing of s3://no-such-bucket: NoSuchBucket"
    ) as caught:
        schemas.scan_units(str(missing))
    assert KEY not in str(caught.value)
    assert SECRET not in str(caught.value)
