"""Whatever stands in a file of samples or labels, a run completes or says which file is at fault, and nothing else."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from rich.console import Console

import eventnet.trace.files
from eventnet.checking import check_data
from eventnet.config import load_config
from eventnet.errors import InputError, RunError
from eventnet.running import start
from eventnet.trace.queries import open_run

N_CASES = 120
POLICIES = ("error", "drop", "hold")
ODD_CELLS = (
    "",
    " ",
    "nan",
    "NaN",
    "inf",
    "-inf",
    "1e400",
    "-1e308",
    "1e300",
    "much",
    "0x10",
    "1_000",
    "1,5",
    " 2 ",
    '"3"',
    '"3',
    "'4'",
    "--5",
    "True",
    "٣",
    "−6",
    "\x00",
    "\ufeff7",
    "9" * 400,
    "2.5",
    "-1",
)
ODD_TIMES = (*ODD_CELLS, "-0.1", "0.05", "0.3", "0.30000000001", "1e18", "9223372036.9", "5e-324")
ODD_LINES = ("", ",", ",,", ",,,,,,", "# a comment", "t,left,right", "0.7", "\x00\x01", "é", '"', "0.65;1;2")


@st.composite
def table(draw: st.DrawFn, header: str, values: tuple[tuple[str, ...], ...]) -> bytes:
    """A table in which each of a few cells, lines or bytes may be wrong; `values` are the good ones of each column."""
    n_rows = draw(st.integers(1, 12))
    rows = [[f"{k / 10}", *(draw(st.sampled_from(column)) for column in values)] for k in range(n_rows)]
    for _ in range(draw(st.integers(0, 3))):
        row, column = draw(st.integers(0, n_rows - 1)), draw(st.integers(0, len(values)))
        rows[row][column] = draw(st.sampled_from(ODD_TIMES if column == 0 else ODD_CELLS))
    lines = [header, *(",".join(row) for row in rows)]
    kind = draw(st.sampled_from(("whole", "whole", "whole", "line", "swapped", "cut", "byte", "header", "endings")))
    if kind == "line":
        lines.insert(draw(st.integers(0, len(lines))), draw(st.sampled_from(ODD_LINES)))
    elif kind == "swapped":
        a, b = draw(st.integers(1, n_rows)), draw(st.integers(1, n_rows))
        lines[a], lines[b] = lines[b], lines[a]
    elif kind == "header":
        lines[0] = draw(
            st.sampled_from(("", "t", "t,left,left,label", "T,Left,Right,Label", '"t","left","right"', "t;x"))
        )
    text = (draw(st.sampled_from(("\r\n", "\r", "\n\n"))) if kind == "endings" else "\n").join(lines)
    data = (text + draw(st.sampled_from(("\n", "\n", "")))).encode()
    if kind == "cut":
        data = data[: draw(st.integers(0, len(data)))]
    elif kind == "byte":
        at = draw(st.integers(0, len(data) - 1))
        data = data[:at] + bytes([draw(st.integers(0, 255))]) + data[at + 1 :]
    return data


NUMBERS = ("0", "1", "-2.5", "0.125", "3e-1", "7", "+4")
SAMPLES = table("t,left,right", (NUMBERS, NUMBERS))
LABELS = table("t,label", (("0", "1", "2"),))


@st.composite
def policies(draw: st.DrawFn) -> str:
    """A section of policies; half the time all `error`."""
    if draw(st.booleans()):
        return "{}"
    names = ("duplicate", "late", "nonfinite", "gap")
    chosen = [f"{name}: {draw(st.sampled_from(POLICIES))}" for name in names]
    if draw(st.booleans()):
        chosen.append(f"max_gap: {draw(st.sampled_from(('150 ms', '1 s')))}")
    else:
        chosen.pop()
    return "{" + ", ".join(chosen) + "}"


@st.composite
def configuration(draw: st.DrawFn) -> str:
    """A network that reads both tables in one of many ways, and ends after a few seconds whatever their times are."""
    clock = draw(st.sampled_from(("nominal_period: 100 ms", "rate: 20 Hz", "period: 130 ms, jitter: 20 ms")))
    more = draw(st.sampled_from(("", ", send_on_delta: 0.5", ", dropout: 0.3", ", partial: true", ", start: 200 ms")))
    wake, decides = draw(st.sampled_from(("clocked", "exact", "lazy"))), draw(st.sampled_from(("tick", "arrival")))
    return f"""
seed: {draw(st.integers(0, 3))}
duration: {draw(st.sampled_from(("500 ms", "2 s", "4 s")))}
wake: {wake}
decides: {decides}
sensors:
  skin:
    {{file: samples.csv, time: t, columns: [left, right], {clock}{more}, policies: {draw(policies())}}}
targets:
  touch:
    population: output
    file: labels.csv
    time: t
    columns: [label]
    nominal_period: 100 ms
    policies: {draw(policies())}
populations:
  skin: {{}}
  hidden: {{size: 4}}
  output: {{size: 3, nonlinearity: softmax}}
projections:
  - {{from: skin, to: hidden}}
  - {{from: hidden, to: output}}
learning: {{rule: {draw(st.sampled_from(("past", "future", "stdp", "reconstruction")))}, eta: 0.01}}
"""


SEEN: Counter[str] = Counter()


def outcome_of(folder: Path, config_text: str, samples: bytes, labels: bytes) -> str:
    """Run in `folder`; "complete", or the error's text after checking that it and what it leaves are in order."""
    (folder / "odd.yaml").write_text(config_text, encoding="utf-8")
    (folder / "samples.csv").write_bytes(samples)
    (folder / "labels.csv").write_bytes(labels)
    config, out = load_config(folder / "odd.yaml"), folder / "run"
    try:
        summary = start(config, engine=None, out=out, trace=True, command=[], console=Console(file=io.StringIO()))
    except (InputError, RunError) as error:
        assert not (out / "summary.json").exists()
        if (out / "status.json").exists():
            assert json.loads((out / "status.json").read_text(encoding="utf-8"))["state"] == "failed"
            assert open_run(out).n_events == open_run(out).status["events"]
        text = str(error)
        assert "\n" not in text
        if isinstance(error, InputError):
            assert f"{folder / 'samples.csv'}: " in text or f"{folder / 'labels.csv'}: " in text
        else:
            assert "no longer finite" in text
        return text
    run = open_run(out)
    assert run.summary == summary == json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert run.status["state"] == "complete"
    assert run.n_events == summary["events"]
    check_data(config)  # what runs is valid
    return "complete"


@settings(
    max_examples=N_CASES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # each case is a few runs: shrinking them takes minutes and says little more
    suppress_health_check=list(HealthCheck),
)
@given(configuration(), SAMPLES, LABELS)
def odd_case(config_text: str, samples: bytes, labels: bytes) -> None:
    """One case of each: an odd table of samples with good labels, and the other way round."""
    good_samples = b"t,left,right\n" + b"".join(b"%.1f,%d,2\n" % (k / 10, k % 5) for k in range(12))
    good_labels = b"t,label\n" + b"".join(b"%.2f,%d\n" % (k / 10 + 0.05, k % 3) for k in range(12))
    for name, pair in (("samples", (samples, good_labels)), ("labels", (good_samples, labels))):
        with TemporaryDirectory() as folder:
            outcome = outcome_of(Path(folder), config_text, *pair)
        SEEN[f"{name} {'complete' if outcome == 'complete' else 'refused'}"] += 1
        if outcome != "complete" and "no longer finite" not in outcome:
            assert f"{name}.csv" in outcome  # the file that is at fault, not the good one


def test_odd_streams() -> None:
    SEEN.clear()
    with patch.object(eventnet.trace.files, "_flush"):  # whether the disk has it at once is not the question here
        odd_case()
    assert sum(SEEN.values()) >= 2 * N_CASES
    assert len(SEEN) == 4, SEEN
    assert min(SEEN.values()) > N_CASES / 10, SEEN  # both ends are reached from both files
