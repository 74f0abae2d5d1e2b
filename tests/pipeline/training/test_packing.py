"""States of trainings as safetensors: what is packed comes back bit for bit, and nothing else is read."""

import pytest
import torch

from filterscope.pipeline.training.packing import packed, unpacked


def state() -> dict[str, object]:
    torch.manual_seed(0)
    layer = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimiser = torch.optim.Adam(layer.parameters(), 0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.1, total_steps=9)
    for _ in range(3):
        layer(torch.randn(4, 3)).square().sum().backward()
        optimiser.step()
        schedule.step()
    parts = {"network": layer.state_dict(), "optimiser": optimiser.state_dict(), "schedule": schedule.state_dict()}
    return {"step": 3, "none": None, "parts": parts, "shared": [layer[0].weight, layer[0].weight.T]}


def same(one: object, other: object) -> bool:
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))  # type: ignore[arg-type]
    return type(one) is type(other) and one == other


def test_a_state_comes_back_bit_for_bit_with_its_whole_numbers_as_keys() -> None:
    before = state()
    after = unpacked(packed(before))
    assert same(before, after)
    assert set(after["parts"]["optimiser"]["state"]) == {0, 1, 2, 3}
    assert not same(before, {**after, "step": 4})


def test_the_same_state_is_packed_into_the_same_bytes() -> None:
    assert packed(state()) == packed(state()) == packed(unpacked(packed(state())))


def test_bytes_that_are_no_state_are_refused() -> None:
    content = packed(state())
    for data in (b"", b"no state", content[:-1], content[: len(content) // 2], b"\xff" * 64):
        with pytest.raises(ValueError, match="not the state of a training"):
            unpacked(data)


@pytest.mark.parametrize("value", [object(), {("a", 1): 2}, {"a": {1.5: 2}}, [set()]])
def test_what_could_not_be_read_back_is_not_packed(value: object) -> None:
    with pytest.raises(TypeError, match="state"):
        packed({"wrong": value})
