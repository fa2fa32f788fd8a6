"""What is drawn where: the data of each plot, read back from it."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.colors import to_hex
from msgspec.structs import replace
from staged_run import STEADY_S, answered, batch, stage
from staged_samples import night, pairs, sample

from loadtest.analysis.compare import Terms, compare
from loadtest.analysis.curves import curves
from loadtest.analysis.herd import Return
from loadtest.analysis.pairs import Matched
from loadtest.analysis.shift import Shift
from loadtest.analysis.timeline import ServerTrack
from loadtest.analysis.trend import trend
from loadtest.analysis.values import Verdict
from loadtest.commands.opened import open_run
from loadtest.report.comparison_plot import comparison_plot
from loadtest.report.figure import COLORS, GREY, LINES, MARKERS, WARNING
from loadtest.report.percentile_plot import RunCurves, percentile_plot
from loadtest.report.recovery_plot import recovery_plot
from loadtest.report.timeline_plot import timeline_plot
from loadtest.report.trend_plot import trend_plot
from loadtest.settings import Backoff

ACK = "ack_delivered.p95"
VALID, INVALID = Verdict("valid", []), Verdict("invalid", ["sent late"])


def stamps(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts if text.get_text() == "INVALID RUN"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    messages = [answered(n, STEADY_S + n * 0.12, n * 37 % 100 + 1) for n in range(500)]
    return open_run(stage(tmp_path_factory.mktemp("results"), [batch(messages)]))


def percentiles(run, *verdicts):
    found = curves(run.measured, ["ack_delivered"])
    return percentile_plot([RunCurves(f"b{n}", "", verdict, found) for n, verdict in enumerate(verdicts)])


class TestRecovery:
    def test_the_windows_end_with_the_plot_however_many_attempts_the_schedule_has(self):
        back = Return(0.0, 1, np.array([1.0, 3.0]), np.array([3.1]), np.array([3.2]))
        above, _ = recovery_plot(back, Backoff(attempts=10**12), "", VALID).axes
        assert len(above.patches) == 2


class TestServer:
    @pytest.mark.parametrize(("limit", "drawn"), [(1.5, True), (64.0, False), (np.nan, False)])
    def test_what_it_may_use_is_drawn_where_it_is_in_sight(self, run, limit, drawn):
        values = np.full(len(run.timeline.times_s), 0.7)
        server = ServerTrack(values, values, np.full_like(values, np.nan), np.full_like(values, limit))
        axes = timeline_plot(dataclasses.replace(run.timeline, server=server), "", VALID).axes[-1]
        assert ("CPU limit" in [line.get_label() for line in axes.lines]) == drawn
        assert axes.get_ylim()[1] == pytest.approx(1.15 * (limit if drawn else 1.0))


class TestPercentiles:
    def test_curve_marks_and_band_are_those_of_the_summary(self, run):
        figure, ack = percentiles(run, VALID), run.summary.metrics["ack_delivered"]
        (axes,) = figure.axes
        marks = axes.lines[2]
        assert list(marks.get_xdata()) == [2, 4, 10, 20, 100]
        drawn = dict(zip(marks.get_xdata(), marks.get_ydata(), strict=True))
        assert [drawn[tail] for tail in (2, 10, 20, 100)] == pytest.approx([ack.p50, ack.p90, ack.p95, ack.p99], abs=1)
        (band,) = axes.collections
        corners = band.get_paths()[0].vertices
        for tail, name in ((2, "p50"), (10, "p90"), (20, "p95"), (100, "p99")):
            ends = corners[np.isclose(corners[:, 0], tail), 1]
            assert (ends.min(), ends.max()) == pytest.approx(ack.ci95[name])

    def test_runs_on_top_of_each_other_differ_in_colour_line_and_mark(self, run):
        figure = percentiles(run, VALID, VALID)
        (legend,) = figure.legends
        handles = legend.legend_handles
        looks = [(handle.get_color(), handle.get_linestyle(), handle.get_marker()) for handle in handles]
        assert looks == list(zip(COLORS[:2], LINES[:2], MARKERS[:2], strict=True))
        assert [text.get_text() for text in legend.texts] == [f"b{n}: ack delivered, n = 500" for n in range(2)]
        assert [to_hex(band.get_facecolor()) for band in figure.axes[0].collections] == list(COLORS[:2])

    def test_long_names_leave_the_plot_its_room(self, run):
        def drawn(subtitle, *names):
            found = curves(run.measured, ["ack_delivered"])
            figure = percentile_plot([RunCurves(name, subtitle, VALID, found) for name in names])
            figure.canvas.draw()
            return figure

        plain, long = drawn("", "b1"), drawn("wss://chat/ws · " + "build=9f3c1a2b " * 40, "b1")
        assert long.axes[0].get_position().bounds == plain.axes[0].get_position().bounds
        assert max(len(text.get_text()) for text in long.axes[0].texts) == 120
        several = drawn("", "a" * 300, "b" * 300)
        assert several.axes[0].get_position().width > 0.8
        assert [len(text.get_text()) for text in several.legends[0].texts] == [60 + len(": ack delivered, n = 500")] * 2

    def test_one_invalid_run_stamps_them_all(self, run):
        assert stamps(percentiles(run, VALID, VALID)) == []
        assert stamps(percentiles(run, VALID, INVALID)) == ["INVALID RUN"]


SHIFT = Shift(
    "ttft", np.array([0.5, 0.95]), np.array([1.1, 1.2]), np.array([1.0, 1.1]), np.array([1.2, 1.3]),
    np.array([[1.08, 1.22], [1.12, 1.18]]),
)  # fmt: skip


class TestComparison:
    def test_the_shift_of_each_quantile_its_band_and_the_pairs(self):
        panel = comparison_plot(compare(pairs(1.14), Terms()), [SHIFT], "", [VALID]).axes[0]
        curves = {tuple(np.round(line.get_ydata(), 6)): to_hex(line.get_color()) for line in panel.lines}
        assert curves[10.0, 20.0] == COLORS[0]
        assert (curves[8.0, 22.0], curves[12.0, 18.0]) == (GREY, GREY)
        band = panel.collections[-1].get_paths()[0].vertices
        assert {tuple(np.round(corner, 6)) for corner in band} == {(50, 0), (50, 20), (95, 10), (95, 30)}

    def test_every_pair_is_a_dot_and_the_interval_a_bar(self):
        result = compare(pairs(1.14), Terms())
        ack, panel = result.metrics[ACK], comparison_plot(result, [], "", [VALID]).axes[0]
        dots, bar, mean = panel.lines[1:4]  # the first is at no change
        assert dots.get_xdata() == pytest.approx([100 * (ratio - 1) for ratio in ack.pair_ratios])
        assert bar.get_xdata() == pytest.approx([100 * (end - 1) for end in ack.ci95])
        assert mean.get_xdata() == pytest.approx([100 * (ack.ratio - 1)])
        assert to_hex(mean.get_color()) == WARNING
        assert "REGRESSED" in [text.get_text() for text in panel.texts]

    def test_a_change_outside_of_what_decides_is_an_arrow_at_the_edge(self):
        one, other = sample("a"), sample("b", quantities={"ack_delivered.p50": 60.0, "stream_rate.p50": 40.0})
        result = compare(Matched([one], [other], paired=False), Terms())
        panel = comparison_plot(result, [], "", [VALID]).axes[0]
        marks = {line.get_marker(): list(line.get_xdata()) for line in panel.lines if line.get_marker() in "<>"}
        left, right = panel.get_xlim()
        assert marks == {"<": [left], ">": [right]}

    def test_a_panel_without_a_quantile_says_so(self):
        nothing = Shift("ttft", *(np.empty(0) for _ in range(4)), np.empty((0, 0)))
        panel = comparison_plot(compare(pairs(1.0), Terms()), [nothing], "", [VALID]).axes[0]
        assert "too few samples, or unanswered" in [text.get_text() for text in panel.texts]

    def test_every_quantity_has_the_band_of_its_own_margin(self):
        result = compare(pairs(1.14), Terms())
        bands = comparison_plot(result, [], "", [VALID]).axes[0].patches
        ends = {label: band.get_x() + band.get_width() for label, band in zip(result.metrics, bands, strict=True)}
        assert (ends[ACK], ends["delivered_ratio"]) == pytest.approx((5.0, 0.5))

    def test_an_invalid_run_stamps_it(self):
        result = compare(pairs(1.0), Terms())
        assert stamps(comparison_plot(result, [SHIFT], "", [VALID, INVALID])) == ["INVALID RUN"]


class TestTrend:
    def test_every_night_is_a_mark_and_the_shift_a_line(self):
        result = trend([night(place, 10.0 if place < 9 else 11.8) for place in range(14)], [ACK], 0.05)
        (panel,) = trend_plot(result).axes
        line, marks, change = panel.lines
        assert marks.get_ydata() == pytest.approx([row.values[ACK] for row in result.rows])
        assert list(line.get_xdata()) == list(range(14))
        assert list(change.get_xdata()) == [8.5, 8.5]
        assert panel.get_title("right") == "+18.0 % since build=b09"

    def test_names_of_commits_do_not_lie_on_each_other(self):
        nights = [night(place, 10.0 if place < 6 else 14.0) for place in range(12)]
        named = [replace(run, labels={"build": f"{place:x}{'9f3c1a2b' * 5}"[:40]}) for place, run in enumerate(nights)]
        figure = trend_plot(trend(named, [ACK], 0.05))
        figure.canvas.draw()
        (panel,) = figure.axes
        boxes = [tick.get_window_extent() for tick in panel.get_xticklabels() if tick.get_text()]
        assert len(boxes) > 4
        assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
        assert panel.get_title("right") == "+40.2 % since build=69f3c1a2b9f3c1a2b…"

    def test_an_invalid_night_that_was_forced_in_is_a_cross_with_a_legend(self):
        nights = [night(place, 10.0, status="invalid" if place == 3 else "valid") for place in range(8)]
        figure = trend_plot(trend(nights, [ACK, "delivered_ratio"], 0.05, force=True))
        (panel, shares), (legend,) = figure.axes, figure.legends
        crosses = [line for line in panel.lines if line.get_marker() == "x"]
        assert [list(line.get_xdata()) for line in crosses] == [[3]]
        assert [text.get_text() for text in legend.texts] == ["invalid run"]
        assert shares.get_ylim()[1] == pytest.approx(1.001)  # there is no more than 100 %
