"""Training the last layer alone."""

import numpy as np
import torch

from filterscope.pipeline.models.architectures import ARCHITECTURES
from filterscope.pipeline.models.trained import Description
from filterscope.pipeline.training.fine_tune import Rows, Trained, fine_tune
from filterscope.pipeline.views.transform import Transform


def test_the_last_layer_alone_learns_and_batch_norm_keeps_its_statistics(tmp_path):
    torch.manual_seed(0)
    arguments = {"outputs": 2, "height": 16, "width": 16}
    transform = Transform((16, 16), 16, "bilinear", (0.5,) * 3, (0.25,) * 3)
    file = tmp_path / "small.safetensors"
    before = Trained(
        ARCHITECTURES["small-cnn"](**arguments).eval(), Description("small-cnn", arguments, transform, ("a", "b"))
    )
    before.save(file)
    rows = Rows(np.random.default_rng(0).integers(0, 255, (20, 16, 16, 3)).astype(np.uint8), np.arange(20) % 2)
    after = fine_tune(file, rows, Rows(rows.pixels[:0], rows.target[:0]), steps=3, batch=8, last=True)
    changed = {
        name.rpartition(".")[0]
        for (name, one), other in zip(
            before.network.state_dict().items(), after.network.state_dict().values(), strict=True
        )
        if not torch.equal(one, other)
    }
    assert changed == {"classifier.3"}
    whole = fine_tune(file, rows, Rows(rows.pixels[:0], rows.target[:0]), steps=3, batch=8)
    assert not torch.equal(
        whole.network.state_dict()["features.0.weight"], before.network.state_dict()["features.0.weight"]
    )
