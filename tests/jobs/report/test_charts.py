"""Geometry of charts: values lie where their axes say, and no text or bar lies on another."""

import itertools
import math
import re
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterscope.jobs.report.pages.units import drawn_field
from filterscope.jobs.report.render import _environment
from filterscope.jobs.report.sections.axes import (
    FONT,
    TURN,
    WIDTH,
    Box,
    legend,
    log_ticks,
    named_axis,
    round_ticks,
    shortened,
    text_width,
    tick_texts,
)
from filterscope.jobs.report.sections.charts import Series, bar_graph, field, histogram, lines, stacked, trend

BAD = "<script>alert(1)</script>"


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 38, [0, 10, 20, 30, 40]),
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 0.3, [0, 0.1, 0.2, 0.3]),
        (0, 0, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-3, 11, [-5, 0, 5, 10, 15]),
        (0.7, 0.7, [0.6, 0.8, 1, 1.2, 1.4]),
        (0, 123456, [0, 50000, 100000, 150000]),
    ],
)
def test_ticks_are_round_and_span_the_values(low, high, ticks):
    assert round_ticks(low, high) == ticks


def test_counts_have_whole_ticks():
    assert round_ticks(0, 1, whole=True) == [0, 1]
    assert round_ticks(0, 3, whole=True) == [0, 1, 2, 3]
    assert round_ticks(0, 7, whole=True) == [0, 2, 4, 6, 8]
    assert round_ticks(0, 0, whole=True) == [0, 1]


def test_ticks_within_values_leave_none_out():
    assert round_ticks(-10.9, 7.51, inside=True) == [-10, -5, 0, 5]
    assert round_ticks(0.3, 0.9, inside=True) == [0.4, 0.6, 0.8]
    assert round_ticks(0.1, 0.5, inside=True) == [0.1, 0.2, 0.3, 0.4, 0.5]


@given(st.floats(-1e12, 1e12), st.floats(1e-9, 1e12), st.integers(2, 9), st.booleans())
def test_ticks_of_any_range_are_multiples_of_a_round_step(low, span, most, inside):
    high = low + span
    if (high - low) < abs(low) * 1e-6:
        return
    ticks = round_ticks(low, high, most, inside=inside)
    steps = [b - a for a, b in itertools.pairwise(ticks)]
    assert len(ticks) - 1 <= most
    if not inside:
        assert ticks[0] <= low + span * 1e-6
        assert ticks[-1] >= high - span * 1e-6
    for step in steps:
        assert step == pytest.approx(steps[0], rel=1e-5)
        assert float(f"{step:.3e}".split("e")[0]) in (1, 2, 5)


def test_logarithmic_ticks_are_powers_of_ten_with_twos_and_fives_where_they_fit():
    assert log_ticks(16, 128) == [20, 50, 100]
    assert log_ticks(1, 5_000_000, 5) == [1, 100, 10_000, 1_000_000]
    assert log_ticks(0.5, 3) == [0.5, 1, 2]


def test_ticks_are_written_with_the_decimals_of_their_step():
    assert tick_texts([0, 0.2, 0.4]) == ["0.0", "0.2", "0.4"]
    assert tick_texts([0, 500, 1000]) == ["0", "500", "1,000"]
    assert tick_texts([0, 20_000, 40_000]) == ["0", "20k", "40k"]
    assert tick_texts([0, 2_000_000_0]) == ["0", "20M"]
    assert tick_texts([100_000, 100_500]) == ["100.0k", "100.5k"]
    assert tick_texts([0, 0.00002]) == ["0", "2e-05"]
    assert tick_texts([-5.0, 0.0]) == ["-5", "0"]


def groups(*sizes, name="concept {}"):
    return [(f"category {n}", [(name.format(m), 100 - m) for m in range(size)]) for n, size in enumerate(sizes)]


def apart(spans):
    """Tell by how much the closest of spans that follow each other are apart."""
    return min(b[0] - a[1] for a, b in itertools.pairwise(sorted(spans)))


@pytest.mark.parametrize("sizes", [(1, 1, 1), (3, 40, 2), (1,), (30, 30, 30, 30, 30, 30)])
def test_groups_of_bars_their_names_and_numbers_never_touch(sizes):
    graph = bar_graph(groups(*sizes))
    bars = [bar for group in graph.groups for bar in group.bars]
    assert len(bars) == sum(sizes)
    if len(bars) > 1:
        assert apart([(bar.x, bar.x + graph.thick) for bar in bars]) >= 3
        middles = [bar.x + graph.thick / 2 for bar in bars]
        assert apart([(m - text_width("100") / 2, m + text_width("100") / 2) for m in middles]) >= 0
        assert min(b - a for a, b in itertools.pairwise(middles)) * math.sin(math.radians(55)) >= FONT  # turned names
    if len(graph.groups) > 1:
        assert apart([(g.x, max(g.x + g.width, g.x + text_width(g.title, 12.5))) for g in graph.groups]) >= 20
    assert graph.box.x + graph.box.width >= graph.width
    for bar in bars:
        assert bar.x + graph.thick / 2 - text_width(bar.name) * math.cos(math.radians(55)) >= graph.box.x
    assert [bool(bar.name) for bar in graph.groups[0].bars][:3] == [True] * min(3, sizes[0])


def test_bars_are_as_high_as_their_axis_says():
    graph = bar_graph([("object", [("car", 34), ("cat", 17)]), ("scene", [("street", 1)])])
    assert [tick.text for tick in graph.y.ticks] == ["0", "10", "20", "30", "40"]
    assert [tick.at for tick in graph.y.ticks] == [120, 90, 60, 30, 0]
    assert [bar.y for group in graph.groups for bar in group.bars] == [18, 69, 117]
    assert all(bar.y + bar.height == 120 for group in graph.groups for bar in group.bars)
    assert [group.title for group in graph.groups] == ["object 2", "scene 1"]


def test_bars_are_written_with_their_numbers_and_every_name_is_text():
    template = _environment().from_string(
        '{% import "charts.html" as charts %}{{ charts.bars(c, "Units", "../", linked) }}'
    )
    for linked, href in ((True, "#concept=%3Cscript%3E"), (False, "../c/script-")):
        text = template.render(c=bar_graph([("object", [(BAD, 1234)])]), linked=linked)
        assert "<script" not in text
        assert href in text
        assert re.search(r'<text class="value"[^>]*>1,234</text>', text)
        assert f"<title>{BAD.replace('<', '&lt;').replace('>', '&gt;')}: 1234 units</title>" in text


def test_names_below_an_axis_stay_clear_of_each_other():
    upright = named_axis(["layer1", "layer2", "layer3"], [0, 100, 200], "layer")
    assert not upright.turned
    assert [tick.text for tick in upright.ticks] == ["layer1", "layer2", "layer3"]
    turned = named_axis([f"features.{n}.conv.0" for n in range(12)], [26 * n for n in range(12)], "layer")
    assert turned.turned
    assert len(turned.ticks) == 12
    thinned = named_axis([f"features.{n}" for n in range(100)], [3 * n for n in range(100)], "layer")
    assert thinned.ticks[-1].text == "features.99"
    assert 10 < len(thinned.ticks) < 30
    for axis in (turned, thinned):
        assert min(b.at - a.at for a, b in itertools.pairwise(axis.ticks)) * math.sin(TURN) >= FONT * 0.85


def test_a_legend_breaks_its_lines_within_its_width():
    keys, height = legend(["object 21", "texture 20", "part 14", "material 6", "scene 2"], 200)
    assert height == 17 * len({key.y for key in keys})
    for y in {key.y for key in keys}:
        spans = [(key.x, key.x + 22 + text_width(key.text)) for key in keys if key.y == y]
        assert max(end for _, end in spans) <= 200
        assert len(spans) == 1 or apart(spans) > 0
    assert [key.text for key in keys] == ["object 21", "texture 20", "part 14", "material 6", "scene 2"]


def test_a_trend_has_a_line_a_category_told_apart_by_more_than_colour():
    chart = trend([("a", {"object": 3, "scene": 1}), ("b", {"object": 12}), ("c", {"object": 6, "texture": 8})])
    assert [line.name for line in chart.lines] == ["texture", "object", "scene"]  # as they stand at the last layer
    assert len({line.mark for line in chart.lines}) == 3
    assert [tick.text for tick in chart.y.ticks] == ["0", "5", "10", "15"]
    assert [point[1] for point in chart.lines[1].points] == [120, 30, 90]
    assert [point[0] for point in chart.lines[1].points] == [0, 144, 288]
    assert [tick.text for tick in chart.x.ticks] == ["a", "b", "c"]
    assert [key.text for key in chart.keys] == ["texture 8", "object 6", "scene 0"]
    assert chart.said == "layer a, b, c; texture 0, 0, 8; object 3, 12, 6; scene 1, 0, 0"
    for key in chart.keys:
        assert chart.box.x <= key.x
        assert key.y + 10 <= chart.box.y + chart.box.height


def test_a_trend_over_many_layers_grows_and_keeps_its_names_within_the_drawing():
    chart = trend([(f"features.{n}.conv.{n}", {"object": n}) for n in range(40)])
    assert chart.width > WIDTH
    for tick in chart.x.ticks:
        assert tick.at + 4 - text_width(tick.text) * math.cos(TURN) >= chart.box.x - 1
    assert chart.height + chart.x.room <= chart.box.y + chart.box.height


def line(*values, **settings):
    return Series("n", "k-object", values, [str(value) for value in values], **settings)


def test_lines_stand_at_their_values():
    chart = lines("", "images", [10, 20, 40, 80], ["10", "20", "40", "80"], [line(40, 30, None, 10)])
    assert chart.x.title == "images (log)"
    assert [tick.text for tick in chart.x.ticks] == ["10", "20", "40", "80"]
    assert [tick.at for tick in chart.x.ticks] == pytest.approx([0, 92, 184, 276])
    assert [point and point[1] for point in chart.lines[0].points] == [0, 32.5, None, 97.5]
    assert chart.lines[0].path == "M0.0 0.0L92.0 32.5M276.0 97.5"  # broken where there is no value
    linear = lines("", "n", [1, 2, 3], ["1", "2", "3"], [line(-1, 0, 1)])
    assert linear.x.title == "n"
    assert [tick.text for tick in linear.y.ticks] == ["-1", "0", "1"]
    assert [point[1] for point in linear.lines[0].points] == [130, 65, 0]


def test_many_places_have_round_ticks():
    places = list(range(1, 101))
    texts = [str(place) for place in places]
    assert [tick.text for tick in lines("", "n", places, texts, [line(*places)]).x.ticks] == ["1", "10", "100"]
    chart = lines("", "n", [place + 100 for place in places], texts, [line(*places)])
    assert [tick.text for tick in chart.x.ticks] == ["120", "140", "160", "180", "200"]
    assert chart.x.ticks[0].at == pytest.approx(276 * 19 / 99)


def test_lines_without_a_finite_value_are_drawn_empty():
    chart = lines("", "n", [1, 2], ["1", "2"], [line(None, math.nan)])
    assert chart.lines[0].path == ""
    assert [tick.text for tick in chart.y.ticks] == ["0", "1"]


def row(counts, low, high):
    return {"counts": counts, "low": low, "high": high}


def test_a_histogram_stands_over_round_numbers_on_a_logarithmic_scale():
    chart = histogram(row([999, 0, 99, 9], -1.0, 3.0), 1.5)
    assert [one.height for one in chart.bins] == pytest.approx(
        [110, 110 * 2 / 3, 110 / 3]
    )  # log(1 + 999) is three times log(1 + 9)
    assert [one.x for one in chart.bins] == pytest.approx([0, chart.width / 2, chart.width * 3 / 4])
    assert [one.above for one in chart.bins] == [False, False, True]
    assert [one.text for one in chart.bins] == ["-1 to 0: 999", "1 to 2: 99", "2 to 3: 9"]
    assert [(tick.text, tick.at / chart.width) for tick in chart.x.ticks] == [
        ("-1", 0), ("0", 0.25), ("1", 0.5), ("2", 0.75), ("3", 1),
    ]  # fmt: skip
    assert (chart.threshold.text, chart.threshold.at / chart.width) == ("T 1.5", 0.625)
    for value, tick in ((0, chart.y.ticks[0]), (100, chart.y.ticks[-1])):
        assert tick.text == str(value)
        assert tick.at == pytest.approx(110 - 110 * math.log1p(value) / math.log(1000))
    assert min(a.at - b.at for a, b in itertools.pairwise(chart.y.ticks)) > FONT
    assert chart.box.width == WIDTH


def test_the_text_of_t_stays_within_a_histogram():
    for threshold, anchor in ((0.001, "start"), (0.5, "middle"), (0.999, "end")):
        assert histogram(row([5, 5], 0.0, 1.0), threshold).anchor == anchor


def test_a_histogram_of_one_value_or_none_is_drawn():
    chart = histogram(row([7], 0.0, 0.0), None)
    assert chart.threshold is None
    assert [tick.text for tick in chart.x.ticks] == ["0"]
    assert histogram(row([0, 0], 0.0, 1.0), 2.0).threshold is None
    assert histogram(row([0, 0], 0.0, 1.0), 2.0).bins == ()


def test_a_stacked_bar_divides_its_width_and_hides_no_part():
    chart = stacked([("object", [("a", 1)] * 996), ("scene", [("b", 1)] * 3), ("part", [("c", 1)])])
    assert [share.count for share in chart.shares] == [996, 3, 1]
    assert chart.shares[-1].x + chart.shares[-1].width == pytest.approx(WIDTH)
    assert all(share.width >= 4 for share in chart.shares)
    assert apart([(share.x, share.x + share.width) for share in chart.shares]) == pytest.approx(2)
    assert [share.fits for share in chart.shares] == [True, False, False]  # the legend holds every number
    assert [key.text for key in chart.keys] == ["object 996", "scene 3", "part 1"]
    assert chart.said == "996 object, 3 scene, 1 part"
    even = stacked([("object", [("a", 1)] * 5), ("scene", [("b", 1)] * 5)])
    assert even.shares[0].width == even.shares[1].width


def planned(size, centre, stride, shape):
    shown = SimpleNamespace(size=(size, size), centre=(centre, centre), stride=(stride, stride)) if size else None
    model = SimpleNamespace(transform=SimpleNamespace(input_size=(100, 200)))
    return model, SimpleNamespace(field=shown, height=shape[0], width=shape[1])


def test_a_field_larger_than_the_input_leaves_it_to_scale():
    chart = drawn_field(*planned(400, 0.0, 10, (10, 20)), None)
    assert chart.extent == Box(0, 0, 200, 100)
    assert chart.theoretical == Box(100 - 200 + 0.5, 50 - 200 + 0.5, 400, 400)
    assert chart.scale == 190 / 400
    assert chart.box.x <= chart.theoretical.x * chart.scale
    assert chart.box.y <= chart.theoretical.y * chart.scale
    assert chart.box.x + chart.box.width >= (chart.theoretical.x + 400) * chart.scale
    assert "is larger than the input" in chart.said
    text = (
        _environment().from_string('{% import "charts.html" as charts %}{{ charts.field(c, "Field") }}').render(c=chart)
    )
    found = re.findall(r'<rect class="(\w+)" x="([-\d.]+)" y="([-\d.]+)" width="([-\d.]+)" height="([-\d.]+)"', text)
    assert [(kind, *map(float, numbers)) for kind, *numbers in found] == [
        ("input", 0, 0, 200, 100), ("theoretical", -99.5, -149.5, 400, 400),
    ]  # fmt: skip


def test_a_field_says_what_part_of_the_input_it_sees():
    chart = drawn_field(*planned(20, 0.0, 10, (10, 20)), {"empirical_size": 10.0, "offset_y": None, "offset_x": 1.0})
    assert chart.theoretical == Box(90.5, 40.5, 20, 20)
    assert chart.empirical == Box(96.5, 45.5, 10, 10)
    assert chart.said == "The middle position sees 20 × 20 pixels at most, 2 % of the input."
    assert [key.text for _, key in chart.keys] == ["input 100 × 200", "theoretical 20 × 20", "empirical 10.0 × 10.0"]
    wide = field((100, 200), Box(10, -25, 50, 150), None)
    assert (
        wide.said == "The middle position sees 150 × 50 pixels at most, 25 % of the input. It is taller than the input."
    )


def test_a_layer_without_a_field_draws_the_input_alone():
    chart = drawn_field(*planned(0, 0, 0, (1, 1)), None)
    assert (chart.theoretical, chart.empirical, chart.said) == (None, None, "")
    assert [kind for kind, _ in chart.keys] == ["input"]


def test_long_names_are_shortened_and_wide_letters_counted():
    assert shortened("a" * 18) == "a" * 18
    assert shortened("a" * 19) == "a" * 17 + "…"
    assert text_width("字") > text_width("a")
