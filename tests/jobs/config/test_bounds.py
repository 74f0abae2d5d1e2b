"""Values outside reason are refused before any work, with the reason."""

import pytest

from filterscope.jobs.config.audit import load_config
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.spec import ModelSpec

ASKED = {"data": "data", "out": "run", "models": ["torchvision:resnet18@random:0"]}


@pytest.mark.parametrize(
    ("name", "limit", "why"),
    [
        ("mask_size", 2048, "the counts of a unit take 16 MiB there"),
        ("image_block", 4096, "the views of a block are in memory at once"),
        ("unit_block", 8192, "the exact histogram of a unit takes 512 KiB"),
        ("batch_size", 4096, "the activations of a batch are in memory at once"),
        ("actors", 10_000, "each is a process"),
        ("top_images", 1000, "the maps of all of them are kept for every unit"),
    ],
)
def test_a_number_beyond_reason_is_refused_with_the_reason(name, limit, why):
    load_config(**ASKED, elsewhere=True, **{name: limit})
    for value in (limit + 1, 10**11, 10**40):
        with pytest.raises(InputError, match=f"{name}: received {value}; expected at most {limit:,}: {why}"):
            load_config(**ASKED, **{name: value})


def test_an_input_beyond_reason_is_refused():
    ModelSpec("torchvision:resnet18", input_size=(8, 16_384))
    with pytest.raises(InputError, match=r"input_size is 100000 for .*; at most 16384: one image of it takes 3 GiB"):
        ModelSpec("torchvision:resnet18", input_size=100_000)


@pytest.mark.parametrize("value", ["2^-1000", "2^126", "2^-113", 3, -2, 0, "nan", "inf", "2^1e9"])
def test_a_scale_beyond_the_numbers_is_refused(value):
    with pytest.raises(InputError, match="activation_scale: received"):
        load_config(**ASKED, activation_scale=value)
