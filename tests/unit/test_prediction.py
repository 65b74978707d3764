"""Prediction of neurons worked out by hand, its cost over long silences, and what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from eventnet.coding.drive import NEVER, Clock, Drive, Signal
from eventnet.coding.prediction import catch_up, predict
from eventnet.coding.prediction_kernels import drive_at
from eventnet.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
INTERPRETED = "handmade"  # tests with this in their names also run without the compiler


def signal(offset: float, *codes: tuple[float, float], read_ns: int = 0, period_ns: int = 10) -> Signal:
    """One neuron; `codes` are (value, alpha)."""
    return Signal(
        np.array([offset]),
        np.array([value for value, _ in codes], np.float64).reshape(len(codes), 1),
        np.full(len(codes), read_ns, np.int64),
        np.array([alpha for _, alpha in codes], np.float64),
        np.full(len(codes), period_ns, np.int64),
    )


def always(drive: Signal) -> Drive:
    return Drive(drive, drive, False)


def relu(drive: Signal) -> Drive:
    return Drive(drive, drive, True)


def state(t_last: int, phi: float, x_last: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.array([t_last], np.int64), np.array([phi]), np.array([x_last])


HALF = Clock(k_alpha=0.5, k_beta=1.0, period_ns=10, phase_ns=0)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_handmade_ramp_passes_exactly_one_half_in_silence(sign: float) -> None:
    """A sensor that holds 1/2 ramps by 1/4 a tick: 1/4, 1/2 (a tie, no spike), 3/4."""
    drive = always(signal(sign * 0.5))
    assert predict(*state(0, sign * 0.25, sign * 0.5), HALF, drive).tolist() == [20]
    axon = state(0, 0.0, sign * 0.5)
    assert predict(*axon, HALF, drive).tolist() == [30]
    catch_up(30, *axon, HALF, drive)
    assert [float(part[0]) for part in axon] == [20.0, sign * 0.5, sign * 0.5]


def test_handmade_first_tick_is_the_next_on_the_grid() -> None:
    """Off the grid at 13 with phase 4: the next tick is 14, and x_last fades for one nanosecond in ten."""
    clock = Clock(0.5, 1.0, 10, 4)
    axon = state(13, 0.0, 1.0)
    drive = always(signal(0.25))
    assert predict(*axon, clock, drive).tolist() == [14]  # 1/4 - 0.933 = -0.683
    catch_up(15, *axon, clock, drive)
    assert axon[0].tolist() == [14]
    assert axon[1][0] == pytest.approx(0.25 - 0.5**0.1, abs=1e-15)
    assert axon[2].tolist() == [0.25]


def test_handmade_a_code_of_the_same_rate_cancels() -> None:
    """u = 2 ** -m + 1/8: what fades changes nothing, the offset ramps by 1/16 a tick to 0.5625 at tick 9."""
    axon = state(0, 0.0, 1.125)
    drive = relu(signal(0.125, (1.0, 0.5)))
    assert predict(*axon, HALF, drive).tolist() == [90]
    catch_up(90, *axon, HALF, drive)
    assert [float(part[0]) for part in axon] == [80.0, 0.5, 0.125 + 2.0**-8]


def test_handmade_closing_relu_costs_what_is_left() -> None:
    """z = 2 ** -m - 1/4 is 1/4 at tick 1 and 0, closed, at tick 2: phi falls by 1/8 at each, then rests."""
    axon = state(0, -0.125, 0.75)
    drive = relu(signal(-0.25, (1.0, 0.5)))
    assert predict(*axon, HALF, drive).tolist() == [NEVER]
    catch_up(10**9, *axon, HALF, drive)
    assert [float(part[0]) for part in axon] == [10**9 - 10, -0.375, 0.0]


def test_handmade_error_axon_fires_when_its_gate_opens() -> None:
    """Its neuron's z = 1/4 - 2 ** -m opens at tick 3: the error 1 * 1 appears at once."""
    drive = Drive(signal(0.0, (1.0, 1.0)), signal(0.25, (-1.0, 0.5)), True)
    axon = state(0, 0.25, 0.0)
    assert predict(*axon, HALF, drive).tolist() == [30]
    catch_up(30, *axon, HALF, drive)
    assert [float(part[0]) for part in axon] == [20.0, 0.25, 0.0]


def test_handmade_gate_that_opens_only_for_a_while() -> None:
    """z = -1/16 + 2 * 2 ** -m - 2 * 4 ** -m is positive at ticks 1 to 4: the error comes and goes."""
    drive = Drive(signal(0.0, (0.875, 1.0)), signal(-0.0625, (2.0, 0.5), (-2.0, 0.25)), True)
    clock = Clock(1.0, 1.0, 10, 0)
    axon = state(0, -0.4375, 0.0)
    assert predict(*axon, clock, drive).tolist() == [NEVER]  # -0.4375 + 0.875 = 0.4375, and back
    catch_up(50, *axon, clock, drive)
    assert [float(part[0]) for part in axon] == [40.0, 0.4375, 0.875]
    catch_up(100, *axon, clock, drive)
    assert [float(part[0]) for part in axon] == [90.0, -0.4375, 0.0]
    later = state(0, -0.125, 0.0)
    assert predict(*later, clock, drive).tolist() == [10]
    closing = state(40, 0.25, 0.875)
    assert predict(*closing, clock, drive).tolist() == [50]  # 0.25 - 0.875


def test_handmade_code_without_memory_is_gone_after_a_tick() -> None:
    """alpha = 0: the value holds at the tick at which it was read and not after."""
    drive = always(signal(0.0, (0.25, 0.0), read_ns=10))
    axon = state(5, 0.125, 0.0)
    assert predict(*axon, HALF, drive).tolist() == [NEVER]
    catch_up(11, *axon, HALF, drive)
    assert [float(part[0]) for part in axon] == [10.0, 0.375, 0.25]
    catch_up(21, *axon, HALF, drive)
    assert [float(part[0]) for part in axon] == [20.0, 0.25, 0.0]


def test_handmade_residue_that_turns_before_it_crosses() -> None:
    """A fading code lifts phi until, at tick 2, the falling ramp of 1/16 a tick has the upper hand."""
    offset, value, alpha = -0.125, 0.4, 0.75
    drive = always(signal(offset, (value, alpha)))
    phi, highest, tick = 0.0, 0.0, 0
    while abs(phi) <= 0.5:
        tick += 1
        phi += (offset + value * alpha**tick) - 0.5 * (offset + value * alpha ** (tick - 1))
        highest = max(highest, phi)
    assert phi < -0.5
    assert highest > 0.03
    assert predict(*state(0, 0.0, offset + value), HALF, drive).tolist() == [10 * tick]


def test_handmade_long_ramps_are_computed_not_walked() -> None:
    """A period of 1 us and steps of 2 ** -k: the spike is the first tick beyond 2 ** (k - 1) steps."""
    for k in (10, 20, 30, 40):
        step = 2.0**-k
        clock = Clock(0.5, 1.0, 1000, 0)
        axon = state(0, 0.0, 2 * step)
        drive = always(signal(2 * step))
        spike_ns = (2 ** (k - 1) + 1) * 1000
        assert predict(*axon, clock, drive).tolist() == [spike_ns]
        until_ns = min(10**12, spike_ns)
        catch_up(until_ns, *axon, clock, drive)
        ticks = (until_ns - 1) // 1000
        assert axon[0].tolist() == [1000 * ticks]
        assert axon[1].tolist() == [step * ticks]
        assert predict(*axon, clock, drive).tolist() == [spike_ns]


def test_slow_decay_over_a_long_silence_keeps_its_digits() -> None:
    """A decay of 1 - 1e-9 a tick for 1e8 ticks: phi is the geometric sum to nine digits."""
    alpha, ticks = 1.0 - 1e-9, 10**8
    lost = 1.0 - alpha
    drive = always(signal(0.0, (1e-8, alpha)))
    axon = state(0, 0.0, 1e-8)
    catch_up(10 * ticks + 1, *axon, HALF, drive)
    expected = (alpha - 0.5) * 1e-8 * -np.expm1(ticks * np.log1p(-lost)) / lost
    assert expected > 0.4
    assert axon[1][0] == pytest.approx(expected, rel=1e-9)


def test_underflow_of_a_gate_is_not_a_reason_to_search_forever() -> None:
    drive = Drive(signal(0.0, (0.125, 1.0)), signal(0.0, (1.0, 0.5)), True)
    axon = state(0, 0.0, 0.0)
    # phi rises by 1/8 and then by 1/16 a tick: 1/2 at tick 7, beyond at tick 8
    assert predict(*axon, HALF, drive).tolist() == [80]
    closed = Clock(1.0, 1.0, 10, 0)  # no ramp: phi waits at 1/8 until z is no longer above zero, and falls back
    catch_up(10**6, *axon, closed, drive)
    assert [float(part[0]) for part in axon] == [10**6 - 10, 0.0, 0.0]


def test_nothing_changes_without_a_tick() -> None:
    axon = state(20, 0.25, 0.5)
    for until_ns in (-5, 20, 21, 30):
        catch_up(until_ns, *axon, HALF, always(signal(3.0)))
        assert [float(part[0]) for part in axon] == [20.0, 0.25, 0.5]


def test_only_the_neurons_asked_for() -> None:
    n = 5
    drive = always(Signal(np.full(n, 0.5), np.empty((0, n)), np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64)))
    axon = np.zeros(n, np.int64), np.linspace(0.0, -0.4, n), np.full(n, 0.5)
    before = axon[1].copy()
    chosen = np.array([3, 1])
    assert predict(*axon, HALF, drive, chosen).tolist() == predict(*axon, HALF, drive)[chosen].tolist() == [40, 30]
    catch_up(25, *axon, HALF, drive, chosen)
    assert axon[0].tolist() == [0, 20, 0, 20, 0]
    assert axon[1].tolist() == (before + np.array([0, 0.5, 0, 0.5, 0])).tolist()


def test_float32_state_gives_the_float64_answer_of_its_values() -> None:
    rng = np.random.default_rng(3)
    n = 200
    values = rng.normal(0, 1, (2, n)).astype(np.float32)
    offset = rng.normal(0, 0.2, n).astype(np.float32)
    narrow = Signal(offset, values, np.zeros(2, np.int64), np.array([0.9, 0.6]), np.array([10, 10]))
    wide = narrow._replace(offset=offset.astype(np.float64), values=values.astype(np.float64))
    phi = rng.uniform(-0.5, 0.5, n).astype(np.float32)
    x_last = np.array([drive_at(relu(wide), i, 0) for i in range(n)], np.float32)
    clock = Clock(0.9, 0.5, 10, 0)
    t_last = np.zeros(n, np.int64)
    narrow_ns = predict(t_last, phi, x_last, clock, relu(narrow))
    wide_ns = predict(t_last, phi.astype(np.float64), x_last.astype(np.float64), clock, relu(wide))
    assert narrow_ns.tolist() == wide_ns.tolist()
    assert 20 < np.count_nonzero(narrow_ns < NEVER) < n
    catch_up(15, t_last, phi, x_last, clock, relu(narrow), np.flatnonzero(narrow_ns > 10))
    assert phi.dtype == np.float32
    assert np.max(np.abs(phi)) <= 0.5


def test_time_ends_at_the_horizon() -> None:
    drive = always(signal(0.5))
    for t_last in (NEVER, 2**62, 2**62 - 5):
        assert predict(*state(t_last, 0.0, 0.5), HALF, drive).tolist() == [NEVER]
    crawling = state(0, 0.0, 2.0**-62)
    assert predict(*crawling, HALF, always(signal(2.0**-62))).tolist() == [NEVER]
    with pytest.raises(InputError, match="until_ns"):
        catch_up(NEVER, *crawling, HALF, drive)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"phi": np.zeros(2)}, "phi and x_last"),
        ({"drive": always(signal(0.0)._replace(offset=np.zeros(3)))}, "drive.signal"),
        ({"drive": always(signal(0.0, (1.0, 0.5))._replace(times_ns=np.zeros(2, np.int64)))}, "drive.signal"),
        ({"drive": Drive(signal(0.0), signal(0.0)._replace(offset=np.zeros(3)), True)}, "drive.gate"),
        ({"clock": HALF._replace(period_ns=0)}, "clock"),
        ({"clock": HALF._replace(k_beta=-1.0)}, "clock"),
        ({"neurons": np.array([0, 1])}, "neurons"),
        ({"neurons": np.array([-1])}, "neurons"),
        ({"drive": always(signal(0.0, (1.0, 0.5), read_ns=11))}, "drive times"),
    ],
)
def test_misfits_are_refused_by_name(change: dict[str, object], named: str) -> None:
    t_last, phi, x_last = state(0, 0.0, 0.0)
    given: dict[str, object] = {
        "t_last": t_last,
        "phi": phi,
        "x_last": x_last,
        "clock": HALF,
        "drive": always(signal(0.0)),
        "neurons": None,
    } | change
    with pytest.raises(InputError, match=named) as refused:
        predict(**given)  # type: ignore[arg-type]
    assert refused.value.remedy
    with pytest.raises(InputError, match=named):
        catch_up(50, **given)  # type: ignore[arg-type]


def interpreted(*arguments: str) -> str:
    """Run Python with the compiler off; returns what it printed."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_same_without_the_compiler() -> None:
    this = str(Path(__file__).relative_to(ROOT))
    printed = interpreted("-m", "pytest", "-q", "-p", "no:cacheprovider", this, "-k", INTERPRETED)
    assert "passed" in printed


COUNT_EVALUATIONS = """
import numpy as np
from eventnet.coding import drive, prediction, prediction_kernels
from tests.unit.test_prediction import relu, signal, state

calls = 0

def counted(function):
    def count(*arguments):
        global calls
        calls += 1
        return function(*arguments)
    return count

for name in ("_residue", "signal_at", "_level_is_positive", "_probe"):
    setattr(prediction_kernels, name, counted(getattr(prediction_kernels, name)))
for ticks in (1e3, 1e6, 1e9):
    # two codes that turn phi and the gate's z before the ramp crosses after about `ticks`
    given = relu(signal(1.0 / ticks, (0.2, 0.9), (-0.1, 0.99)))
    axon = state(0, 0.0, 0.1 + 1.0 / ticks)
    calls = 0
    spike_ns = int(prediction.predict(*axon, drive.Clock(0.5, 1.0, 10, 0), given)[0])
    assert 0.1 < spike_ns / (10 * ticks) < 10, spike_ns
    prediction.catch_up(spike_ns, *axon, drive.Clock(0.5, 1.0, 10, 0), given)
    print(calls)
"""


def test_work_grows_with_the_logarithm_of_the_silence() -> None:
    """A silence a million times as long takes at most twice as many evaluations, some dozens."""
    short, middle, long = (int(line) for line in interpreted("-c", COUNT_EVALUATIONS).split())
    print(f"evaluations for 1e3, 1e6 and 1e9 silent ticks: {short}, {middle}, {long}")
    assert short > 0
    assert max(middle, long) <= 2 * short
    assert long < 300
