"""Masks come back from their files as they were written."""

import hashlib

import numpy as np
import pytest

from filterscope.operators.dissection.masks import mask_block
from filterscope.pipeline.stores.masks import MaskStore

DRAWN, WHOLE = np.eye(9, 70, dtype=bool), np.ones((9, 70), bool)


@pytest.mark.parametrize("labels", [[{}], [{}, {0: None}], [{1: DRAWN, 4: None}, {}, {0: WHOLE, 2: ~DRAWN}]])
def test_masks_come_back_as_written(place, labels):
    block = mask_block(labels, 9, 70)
    store = MaskStore(place, "squash")
    assert store.write("images-0", block) == hashlib.sha256(store.path("images-0").read_bytes()).hexdigest()
    for name, found in store.read("images-0")._asdict().items():
        expected = getattr(block, name)
        np.testing.assert_array_equal(found, expected, err_msg=name)
        assert found.dtype == expected.dtype
