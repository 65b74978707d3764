"""What a run says at its end: numbers that can be checked by hand, tables that fit, text that programs can
read.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from eventnet.network.description import Network, Population, Projection, Sensor
from eventnet.network.graph import derive
from eventnet.operations.bills import COUNTS, Totals, price
from eventnet.reports.closing import write_closing
from eventnet.reports.numbers import compared, count, joules, percent
from eventnet.reports.progress import RunProgress
from eventnet.reports.rows import SPIKE_COLUMNS, rows_of, write_spikes
from eventnet.reports.scores import MAX_CHUNKS, ScoreKeeper
from eventnet.reports.summary import summary
from eventnet.trace.events import Kind, Outcome
from eventnet.trace.queries import Run, open_run
from tests.fake_runs import GROUPS, new_writer, random_batches, random_outcomes, record, small_graph

SIMULATED_NS = 3_000_000_000


@pytest.fixture(scope="module")
def totals() -> Totals:
    found = Totals.empty(3)
    for batch in random_batches(small_graph(), 6_000, seed=1):
        found.charge(batch.kind, batch.owner, batch.values)
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = tmp_path_factory.mktemp("runs") / "run"
    with new_writer(path, small_graph()) as writer:
        record(writer, random_batches(small_graph(), 6_000, seed=1))
    return open_run(path)


def keeper(n: int = 3_000) -> ScoreKeeper:
    scores = ScoreKeeper(GROUPS)
    for outcome in random_outcomes(n, seed=2):
        scores.outcome(outcome)
    return scores


def whole_summary(totals: Totals, run_dir: str = "runs/fake-1") -> dict[str, Any]:
    return summary(
        small_graph(),
        totals,
        keeper(),
        config="fake",
        engine="fake",
        simulated_ns=SIMULATED_NS,
        wall_s=1.5,
        run_dir=run_dir,
        streams={"camera": {"delivered": 90, "lost": 2, "gap": 0}},
    )


def shown(found: dict[str, Any], width: int) -> str:
    console = Console(width=width, file=io.StringIO())
    write_closing(found, console)
    return console.file.getvalue()


def test_the_summary_has_the_promised_keys_and_is_json(totals: Totals) -> None:
    found = whole_summary(totals)
    promised = ["config", "engine", "seed", "simulated_s", "wall_s", "events"]
    promised += ["spikes", "operations", "accuracy", "run_dir"]
    assert list(found)[: len(promised)] == promised
    assert set(found["operations"]) == set(COUNTS)
    assert list(found["operations"]["adds_unit"]) == ["forward", "backward", "update"]
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["simulated_s"], found["seed"], found["streams"]) == (
        3.0,
        3,
        {"camera": {"delivered": 90, "lost": 2, "gap": 0}},
    )


def test_the_summary_agrees_with_a_count_event_by_event(totals: Totals) -> None:
    found = whole_summary(totals)
    graph = small_graph()
    prices = price(graph)
    sums = dict.fromkeys(COUNTS, 0)
    adds = {"forward": 0, "backward": 0, "update": 0}
    spikes: dict[str, dict[str, int]] = {"forward": {}, "backward": {}}
    n_events = 0
    for batch in random_batches(graph, 6_000, seed=1):
        n = len(batch.neurons)
        n_events += n
        bills = prices.bills(np.full(n, batch.kind), np.full(n, batch.owner), batch.values)
        for k, name in enumerate(COUNTS):
            sums[name] += int(bills[:, k].sum())
        learned = batch.kind in (Kind.ACCRUE, Kind.SETTLE) or "UPDATE" in batch.kind.name
        word = "update" if learned else batch.kind.name.lower().split("_")[0]
        if word in adds and "ENCODE" not in batch.kind.name:
            adds[word] += int(bills[:, 0].sum())
        if batch.kind in (Kind.FORWARD, Kind.BACKWARD):
            name = graph.populations[batch.owner].name
            spikes[word][name] = spikes[word].get(name, 0) + n
    assert found["events"] == n_events == 6_000
    assert found["operations"] == {**sums, "adds_unit": adds}
    # the output sends nothing forward and the sensor nothing backward, whatever a random batch may say
    del spikes["forward"]["output"], spikes["backward"]["pixels"]
    assert found["spikes"] == spikes
    assert min(*adds.values(), *spikes["forward"].values(), *spikes["backward"].values()) > 0
    by_kind = found["by_kind"].values()
    assert {name: sum(row[name] for row in by_kind) for name in COUNTS} == sums


def test_the_dense_network_answers_every_target_and_learns_as_often(totals: Totals) -> None:
    dense = whole_summary(totals)["dense"]
    assert (dense["forward_passes"], dense["backward_passes"]) == (3_000, 1_500)
    weights = 7 * 5 + 5 * 3 + 7 * 3
    assert dense["operations"]["adds_unit"] == {
        "forward": 2 * weights * 3_000,
        "backward": 2 * 15 * 1_500,
        "update": 2 * weights * 1_500,
    }
    assert dense["energy"]["total_j"] > 0


def test_without_targets_the_dense_network_runs_at_the_sensors_rate() -> None:
    graph = derive(
        Network(
            populations=(Population("a", 2), Population("b", 3)),
            projections=(Projection("a", "b"),),
            sensors=(Sensor("s", "a", period_ns=20_000_000),),
        )
    )
    found = summary(
        graph,
        Totals.empty(2),
        ScoreKeeper({}),
        config="c",
        engine="e",
        simulated_ns=SIMULATED_NS,
        wall_s=0.0,
        run_dir="d",
    )
    assert (found["dense"]["forward_passes"], found["dense"]["backward_passes"]) == (150, 0)
    assert found["accuracy"] == {}
    assert "written to d" in shown(found, 80)


@pytest.mark.parametrize("n", [1, 7, 100, MAX_CHUNKS, 5_000])
def test_scores_against_a_list_of_all_outcomes(n: int) -> None:
    outcomes = random_outcomes(2 * n, seed=n)
    scores = ScoreKeeper(GROUPS)
    for outcome in outcomes:
        scores.outcome(outcome)
    for k, group in enumerate(GROUPS["digit"]):
        mine = [outcome for outcome in outcomes if outcome.group == k]
        every, last = scores.scores()["digit"][group]
        right = [outcome.predicted == outcome.label for outcome in mine]
        assert (every.samples, every.correct) == (n, sum(right))
        assert every.percent == pytest.approx(100 * np.mean(right))
        assert every.loss == pytest.approx(np.mean([outcome.loss for outcome in mine]))
        assert np.ceil(n / 4) <= last.samples <= np.ceil(n / 4) + n // 100
        assert last.correct == sum(right[n - last.samples :])
        assert last.loss == pytest.approx(np.mean([outcome.loss for outcome in mine[n - last.samples :]]))
    assert (scores.n_samples, scores.learned) == (2 * n, {(0,): n})
    assert scores.latest_percent() == scores.scores()["digit"]["unseen"][1].percent


def test_a_score_can_be_taken_up_again() -> None:
    outcomes = random_outcomes(4_000, seed=3)
    whole, first, second = (ScoreKeeper(GROUPS) for _ in range(3))
    for outcome in outcomes:
        whole.outcome(outcome)
    for outcome in outcomes[:2_900]:
        first.outcome(outcome)
    second.load_state(first.state())
    for outcome in outcomes[2_900:]:
        second.outcome(outcome)
    assert second.scores() == whole.scores()
    assert second.learned == whole.learned == {(0,): 2_000}
    assert first.n_samples == 2_900


def test_a_target_without_classes_has_losses_but_no_accuracy(totals: Totals) -> None:
    scores = ScoreKeeper(GROUPS)
    scores.outcome(Outcome(0, 0, 1, True, -1, -1, 0.5))
    found = summary(
        small_graph(),
        totals,
        scores,
        config="c",
        engine="e",
        simulated_ns=1,
        wall_s=1.0,
        run_dir="d",
    )
    assert found["accuracy"] == {"digit": {}}
    assert found["losses"] == {"digit": {"unseen": {"samples": 1, "mean": 0.5, "mean_last_quarter": 0.5}}}
    assert "0.5" in shown(found, 80)


@pytest.mark.parametrize("width", [80, 120])
def test_the_closing_tables_fit_and_say_what_the_summary_says(totals: Totals, width: int) -> None:
    run_dir = "runs/" + "a-rather-long-name-of-a-configuration-" * 3
    found = whole_summary(totals, run_dir)
    text = shown(found, width)
    for line in text.splitlines():
        assert len(line) <= width or run_dir in line
    assert run_dir in text  # in one piece, to be copied
    assert "…" not in text
    assert percent(found["accuracy"]["digit"]["seen"]["percent"]) in text
    for direction in ("forward", "backward"):
        for name, n in found["spikes"][direction].items():
            assert any(line.startswith(name) and count(n) in line for line in text.splitlines())
    assert joules(found["energy"]["total_j"]) in text
    assert joules(found["dense"]["energy"]["total_j"]) in text
    assert "estimate" in text
    assert "Horowitz" in text
    # no name was broken over two lines
    for kind in found["by_kind"]:
        assert any(line.startswith(kind.replace("_", " ") + " ") for line in text.splitlines())


def test_spikes_in_every_form(run: Run) -> None:
    expected = run.events(kind=["forward", "backward"], columns=SPIKE_COLUMNS).to_pylist()
    texts = {}
    for form in ("table", "csv", "json", "jsonl"):
        console = Console(file=io.StringIO(), width=80)
        write_spikes(rows_of(run.spikes(columns=SPIKE_COLUMNS)), form, console)
        texts[form] = console.file.getvalue().splitlines()
    assert [json.loads(line) for line in texts["jsonl"]] == json.loads("".join(texts["json"])) == expected
    assert texts["csv"][0] == ",".join(SPIKE_COLUMNS)
    assert texts["csv"][5] == ",".join(str(value) for value in expected[4].values())
    assert len(texts["csv"]) - 1 == len(texts["table"]) - 2 == len(expected) > 100
    cells = texts["table"][2].split()
    assert cells[:3] == [expected[0]["kind"], expected[0]["population"], str(expected[0]["neuron"])]
    assert float(cells[5]) == expected[0]["value"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (9_999, "9,999"),
        (10_000, "10.0k"),
        (999_499, "999k"),
        (999_700, "1.00M"),
        (4.56e9, "4.56G"),
        (1.25, "1.25"),
    ],
)
def test_counts_for_people(value: float, text: str) -> None:
    assert count(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0 J"), (1.23e-6, "1.23 µJ"), (45.6e-12, "45.6 pJ"), (0.9999e-3, "1.00 mJ"), (2e-14, "0.02 pJ")],
)
def test_energies_for_people(value: float, text: str) -> None:
    assert joules(value) == text


@pytest.mark.parametrize(
    ("pair", "text"),
    [
        ((10, 32), "3.20× less"),
        ((14, 10), "1.40× more"),
        ((5, 5), "equal"),
        ((0, 5), "none"),
        ((5, 0), "only here"),
        ((0, 0), "–"),
        ((float("nan"), 2.0), "–"),
        ((2.0, float("inf")), "–"),
    ],
)
def test_comparisons_for_people(pair: tuple[float, float], text: str) -> None:
    assert compared(*pair) == text


def test_progress_away_from_a_terminal_is_a_plain_line_now_and_then() -> None:
    now = [0.0]
    console = Console(file=io.StringIO(), width=40, force_terminal=False)
    with RunProgress(console, until_ns=10**10, first_events=1_000, clock=lambda: now[0]) as progress:
        for k in range(1, 26):
            now[0] = float(k)
            progress.update(k * 10**8, 1_000 + k * 500, 12.5)
    lines = console.file.getvalue().splitlines()
    assert len(lines) == 3  # after 10 s, 20 s and at the end
    assert lines[0] == "1 s of 10 s  6,000 events  500 events/s  12.50 % right"
    assert lines[-1].startswith("2.5 s of 10 s  13.5k events  500 events/s")
    assert "\x1b" not in console.file.getvalue()


def test_progress_on_a_terminal_leaves_nothing_behind() -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=True)
    with RunProgress(console, until_ns=10**9) as progress:
        progress.update(5 * 10**8, 1_234)
    assert "1,234 events" in console.file.getvalue()
    with RunProgress(Console(file=io.StringIO(), force_terminal=True)) as progress:  # an end nobody knows
        progress.update(5, 0, None)


def test_the_summary_takes_a_path(totals: Totals, tmp_path: Path) -> None:
    said = {"config": "c", "engine": "e", "simulated_ns": 1, "wall_s": 0.5}
    found = summary(small_graph(), totals, keeper(10), **said, run_dir=tmp_path, dense_passes=7)
    assert found["run_dir"] == str(tmp_path)
    # a run in which nothing came
    none = summary(small_graph(), totals, keeper(10), **said, run_dir="d", dense_passes=0)
    assert (none["dense"]["forward_passes"], none["dense"]["operations"]["adds_unit"]["forward"]) == (0, 0)
    assert found["dense"]["forward_passes"] == 7


def test_faults_of_streams_are_shown_where_there_are_any(totals: Totals) -> None:
    faulty = whole_summary(totals)
    assert "2 lost" in shown(faulty, 80)
    assert "gap" not in shown(faulty, 80)
    assert "not delivered" not in shown({**faulty, "streams": {"camera": {"delivered": 90, "lost": 0}}}, 80)
