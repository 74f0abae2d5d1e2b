"""The figure: how many inputs the tests of this folder generated, none of which ended in a crash."""

import pytest

from tests.fuzz.generated import COUNTS


@pytest.mark.slow
def test_ten_thousand_inputs_were_generated(request, capsys):
    folder = {item.path.parent for item in request.session.items if item.path.parent == request.path.parent}
    others = {item.path.name for item in request.session.items if item.path.parent in folder}
    if len(others) < 5:
        pytest.skip("only some of the fuzz tests were chosen")
    with capsys.disabled():
        print(f"\n{sum(COUNTS.values())} generated inputs: {dict(COUNTS)}")
    assert sum(COUNTS.values()) >= 10_000
