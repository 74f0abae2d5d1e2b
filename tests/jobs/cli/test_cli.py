"""The command line as a user meets it: help at once, exit codes, and messages that say what to do."""

import json
import re
import shutil
import subprocess
import sys

import pytest
import torch
from PIL import Image

from filterscope.jobs.cli import main as cli
from filterscope.pipeline.datasets.layout import Dataset, DatasetWriter
from filterscope.pipeline.engine import lock
from filterscope.pipeline.engine.lock import RunLock
from filterscope.pipeline.methods.stages import all_kinds
from filterscope.pipeline.models.vision import torchvision
from filterscope.pipeline.run.options import RunOptions
from tests import planted


def run(capsys, *arguments):
    """Run the command line in this process; return exit code, standard output and standard error."""
    with pytest.raises(SystemExit) as stop:
        cli.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return stop.value.code, out, err


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom filterscope.jobs.cli import main as cli\n"
        "try: cli.main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'ray', 'zarr', 'numba', 'polars', 'pyarrow', 'numpy', 'pydantic'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "audit" in done.stdout


@pytest.mark.parametrize("verb", ["sample", "import", "layers", "audit", "estimate", "status", "query", "explain"])
def test_every_verb_has_an_example(capsys, verb):
    arguments = [verb, "coco", "--help"] if verb == "import" else [verb, "--help"]
    code, out, _ = run(capsys, *arguments)
    assert code == 0
    assert f"Example: filterscope {verb}" in re.sub(r"\s+", " ", out)


@pytest.fixture
def data(tmp_path):
    planted.write_dataset(tmp_path / "data")
    return tmp_path / "data"


def audit_error(capsys, tmp_path, data, *arguments):
    code, _, err = run(capsys, "audit", "--data", data, "--out", tmp_path / "run", *arguments)
    assert not (tmp_path / "run").exists()
    return code, err.removeprefix("opening 1 network and the data set...\n")


def test_unknown_model(capsys, tmp_path, data):
    code, err = audit_error(capsys, tmp_path, data, "--model", "torchvision:resnet19@random:0")
    assert code == 2
    assert err.startswith("error: ")
    assert "'resnet19'" in err
    assert "Did you mean 'resnet1" in err


def test_unknown_layer_suggests(capsys, tmp_path, data):
    code, err = audit_error(
        capsys, tmp_path, data, "--model", "torchvision:resnet18@random:0", "--layers", "layer5", "--min-images", "3"
    )
    assert code == 2
    assert re.search(r"error: layer 'layer5' is not in resnet18-[0-9a-f]{8}\. Did you mean 'layer\d'\?", err)


def test_weights_of_another_architecture(capsys, tmp_path, data):
    torch.save(planted.network().state_dict(), tmp_path / "other.pth")
    code, err = audit_error(capsys, tmp_path, data, "--model", f"torchvision:resnet18@{tmp_path}/other.pth")
    assert code == 2
    assert "other.pth" in err
    assert "missing" in err
    assert "conv1.weight" in err
    assert "unexpected" in err
    assert "0.weight" in err


def test_missing_data_set(capsys, tmp_path):
    code, _, err = run(
        capsys, "audit", "--model", "torchvision:resnet18@random:0", "--data", tmp_path / "no", "--out", "x"
    )
    assert code == 2
    assert err == f"error: no data set at {tmp_path}/no; make one with `filterscope import` or `filterscope sample`\n"


def test_data_set_without_concepts(capsys, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with DatasetWriter(tmp_path / "data", source={}) as out:
        out.image(tmp_path / "a.png")
    code, err = audit_error(capsys, tmp_path, tmp_path / "data", "--model", "torchvision:resnet18@random:0")
    assert code == 2
    assert err == (f"error: the data set {tmp_path}/data has no concepts: nothing in it labels a pixel or an image\n")


def test_data_set_whose_concepts_are_all_rare(capsys, tmp_path, data):
    code, err = audit_error(capsys, tmp_path, data, "--model", "torchvision:resnet18@random:0", "--min-images", "50")
    assert code == 2
    assert err == (
        f"error: no concept of {data} is in 50 images or more (the commonest is in 12), so none could label a unit; "
        "lower --min-images to 12 or less, or add images\n"
    )


@pytest.fixture
def masks(tmp_path):
    for part in ("images", "masks"):
        (tmp_path / "source" / part).mkdir(parents=True)
    Image.new("RGB", (4, 2)).save(tmp_path / "source" / "images" / "a.png")
    Image.new("L", (4, 2), 1).save(tmp_path / "source" / "masks" / "a.png")
    (tmp_path / "source" / "labels.csv").write_text("index,name\n0,null\n1,cat\n")
    return tmp_path / "source"


def test_mask_of_another_size_than_its_image(capsys, tmp_path, masks):
    Image.new("L", (2, 3), 1).save(masks / "masks" / "a.png")
    code, _, err = run(capsys, "import", "masks", masks, tmp_path / "data")
    assert code == 2
    assert err == (
        "error: masks/a.png is 3 x 2 but its image images/a.png is 2 x 4 (height x width); a mask must have the size "
        "of its image; fix it, or reject its image with --skip-bad\n"
    )
    assert not (tmp_path / "data").exists()


def test_index_without_a_name(capsys, tmp_path, masks):
    Image.new("L", (4, 2), 7).save(masks / "masks" / "a.png")
    code, _, err = run(capsys, "import", "masks", masks, tmp_path / "data")
    assert code == 2
    assert err == (
        "error: masks/a.png has index 7, which labels.csv does not name; add a row for it, or leave its pixels "
        "unlabelled with --skip-bad\n"
    )


def test_unknown_key_in_the_toml(capsys, tmp_path, data):
    zoo = tmp_path / "zoo.toml"
    zoo.write_text('quantil = 0.01\n[[models]]\nsource = "torchvision:resnet18@random:0"\n')
    code, err = audit_error(capsys, tmp_path, data, zoo)
    assert code == 2
    assert err == f"error: unknown key 'quantil' in {zoo}. Did you mean 'quantile'?\n"


def test_unknown_stage_to_redo(capsys, tmp_path, data):
    code, err = audit_error(capsys, tmp_path, data, "--model", "torchvision:resnet18@random:0", "--redo", "extrat")
    assert code == 2
    stages = [kind.name for kind in all_kinds(RunOptions())]
    assert err == f"error: --redo extrat: no such stage; stages are {', '.join(stages)}\n"


def test_a_run_that_another_audit_works_on(capsys, monkeypatch, tmp_path, data):
    monkeypatch.setattr(lock, "BEAT", 0.1)
    with RunLock(tmp_path / "run"):
        arguments = ("--data", data, "--out", tmp_path / "run", "--model", "torchvision:resnet18@random:0")
        code, _, err = run(capsys, "audit", *arguments)
    assert code == 2
    held = r"error: process \d+ on .* has been running an audit on .*/run since .*; wait for it, or stop it first\n"
    assert re.fullmatch(held, err)


def test_an_out_folder_that_is_no_run(capsys, tmp_path, data):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("do not lose")
    code, _, err = run(
        capsys, "audit", "--data", data, "--out", tmp_path / "mine", "--model", "torchvision:resnet18@random:0"
    )
    assert code == 2
    assert err == f"error: {tmp_path}/mine exists and is not a run folder; choose another --out\n"


def test_a_disk_too_small_is_refused_before_anything_runs(capsys, tmp_path, data, monkeypatch):
    small = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: small)
    code, err = audit_error(
        capsys, tmp_path, data, "--model", "torchvision:resnet18@random:0", "--layers", "conv1", "--min-images", "3",
        "--store", "zarr",
    )  # fmt: skip
    assert code == 2
    assert re.search(r"the files of extract may take 0\.0 GB and .* has 0\.0 GB free", err)


def test_features_of_patterns_count_as_disk(capsys, tmp_path, data, monkeypatch):
    """32 half-precision numbers per position beside the 64 of the activations: half as much again."""
    activations = Dataset(data).rows("images") * 64 * 112 * 112 * 2
    enough = shutil.disk_usage(tmp_path)._replace(free=int(1.4 * activations))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: enough)
    asked = "--model", "torchvision:resnet18@random:0", "--layers", "conv1", "--min-images", "3"
    code, err = audit_error(capsys, tmp_path, data, *asked, "--metrics", "patterns")
    assert code == 2
    assert f"may take {1.5 * activations / 1e9:.1f} GB" in err


def test_layers_lists_what_can_be_audited(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["layers", "torchvision:squeezenet1_1@random:0"])
    out, _ = capsys.readouterr()
    assert stop.value.code == 0
    assert re.search(r"features\.3 +Fire +128x", out)


@pytest.mark.parametrize(
    ("columns", "left_out"), [(40, "type, maps, stride, centre"), (80, "stride, centre"), (300, "")]
)
def test_no_word_of_layers_is_cut_at_any_width(capsys, monkeypatch, columns, left_out):
    """Most layers of a transformer have a sentence in place of a field."""
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit):
        cli.main(["layers", "torchvision:swin_t@random:0", "--input-size", "64"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("swin_t-")
    names = ["layer", "type", "maps", "field", "stride", "centre"]
    head = next(number for number, line in enumerate(lines) if line.startswith("layer "))
    assert lines[head].split() == [name for name in names if name not in left_out.split(", ")]
    assert max(map(len, lines)) <= columns
    assert (f"left out to fit {columns} columns: {left_out}" in " ".join(lines)) == bool(left_out)
    assert not any("…" in line or "..." in line for line in lines)
    reasons = {line.split()[0]: line.partition(" no field: ")[2] for line in lines if " no field: " in line}
    assert reasons
    assert all(len(reason.split()) > 3 for reason in reasons.values())
    rows = lines[head + 2 : lines.index(next(line for line in lines if line.startswith("receptive field, stride")))]
    assert {word for row in rows for word in row.split() if word.startswith("[")} == set(reasons)


def test_layers_as_json_hold_what_the_table_holds(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["layers", "torchvision:squeezenet1_1@random:0", "--json"])
    stated = json.loads(capsys.readouterr().out)
    assert stop.value.code == 0
    assert (stated["input"], stated["parameters"]) == ([224, 224], 1235496)
    assert stated["layers"][0] == {
        "layer": "features.0", "type": "Conv2d", "channels": 64, "height": 111, "width": 111, "stride": [2.0, 2.0],
        "field": [3, 3], "centre": [1.0, 1.0], "sees_all": False, "no_field": None,
    }  # fmt: skip


def test_layers_take_the_copy_of_a_checkpoint_that_is_named(capsys, tmp_path):
    module = torchvision.models.squeezenet1_1()
    copies = {f"{name}.{key}": value for name in ("raw", "ema") for key, value in module.state_dict().items()}
    torch.save({"state_dict": copies}, tmp_path / "w.pth")
    source = f"torchvision:squeezenet1_1@{tmp_path / 'w.pth'}"
    code, out, err = run(capsys, "layers", source)
    assert (code, out) == (2, "")
    assert "under the prefixes 'raw.', 'ema.'; choose one with prefix (--prefix)" in err
    code, out, err = run(capsys, "layers", source, "--state-key", "state_dict", "--prefix", "ema")
    assert code == 0
    assert "note: dropped the prefix 'ema.' of the keys of w.pth" in err


def test_status_and_query_of_no_run(capsys, tmp_path):
    for verb in (["status", tmp_path], ["query", tmp_path, "select 1"]):
        code, _, err = run(capsys, *verb)
        assert code == 2
        assert err.startswith("error: ")


def test_arguments_of_a_constructor_are_flags(capsys, tmp_path, data):
    """A network of a quarter of the width has a quarter of the units; what a constructor does not take is refused."""
    source = "torchvision:mobilenet_v2@random:0"
    found = run(
        capsys, "layers", source, "--input-size", "32", "--model-arg", "width_mult=0.25", "--model-arg", "num_classes=5"
    )
    assert found[0] == 0
    assert "8x16x16" in found[1]
    code, err = audit_error(capsys, tmp_path, data, "--model", source, "--model-arg", "depth=3")
    assert code == 2
    assert "mobilenet_v2 cannot be built with depth=3 (TypeError" in err
