"""The kernels of `wake: exact`: what `prediction.py` describes, for one neuron after the other."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from eventnet import slices
from eventnet.coding import drive as drive_module
from eventnet.coding.drive import HORIZON_NS, N_ROWS, NEVER, Clock, Drive, Signal
from eventnet.compiling import compiled_and_kept
from eventnet.slices import section, table, unsigned

THRESHOLD = 0.5  # a residue fires when it is beyond this: rint gives 0 at exactly one half
ROUNDING = 1e-9  # a silent residue beyond the threshold by less is a rounding error, not a spike
FADES_AT_ONCE = -1e18  # the log of a decay of zero: exp of it times one tick is 0, times no tick is 1
FAST_FADING = 0.9  # decays up to here sum by their powers (exact for dyadic ones), slower ones by expm1
SLACK = 1e-7  # a bound is held so far from the threshold, in phi
SLACK_SHARE = 1e-11  # and so far for each k_beta of what is encoded
CONFIRMATIONS = 8  # ticks looked at one by one where rounding decides, before the engine is asked to
FADED = 1e-150  # what is left of a code that no longer matters, and its log
LOG_FADED = math.log(FADED)

_Function = TypeVar("_Function", bound=Callable[..., Any])
_OPTIONS: dict[str, Any] = {"error_model": "numpy", "_nrt": False}


def _kernel(function: _Function) -> _Function:
    """Compile serially; neither fastmath nor reordering, so that a spike is decided as written.

    Kernels borrow every array, working space too, from their caller and allocate none. Without `_nrt=False` Numba
    would count references on each pass of a tuple of arrays, which takes five times as long as the arithmetic. None is
    kept by itself: LLVM does not write into its callers what Numba has loaded.
    """
    return cast(_Function, cast(Any, njit)(**_OPTIONS)(function))


def _kept(kernel: _Function) -> _Function:
    """A kernel once more, with all that it calls, for who calls it from Python: kept for later processes."""
    function = cast(_Function, getattr(kernel, "py_func", kernel))  # itself where Numba compiles nothing
    return compiled_and_kept(function, made_of=(slices.__file__, drive_module.__file__), **_OPTIONS)


def _view(function: _Function) -> _Function:
    """The same, written into its callers: for what returns parts of an array, since nothing counts what is returned,
    and for what is called for every neuron, since to hand over a drive and the working space takes longer than it does.
    """
    return cast(_Function, cast(Any, njit)(inline="always", **_OPTIONS)(function))


class _Work(NamedTuple):
    """What is the same for all neurons of a call, and working space for one at a time; J = codes + 1.

    All are parts of the room that the caller lends, rows of J numbers and then the levels.
    """

    rates: NDArray[np.float64]  # [C] log decay of a signal's code over one tick of the neuron
    rhos: NDArray[np.float64]  # [C] the decay itself
    reaches: NDArray[np.float64]  # [C] its sum over all ticks, 1 / (1 - rho)
    gate_rates: NDArray[np.float64]  # [C of the gate]
    fades: NDArray[np.float64]  # [C] what is left at tick 0 of each code's values
    gate_fades: NDArray[np.float64]  # [C of the gate]
    later_fades: NDArray[np.float64]  # [C] the same as fades, at a later tick
    gains: NDArray[np.float64]  # [C]
    terms: NDArray[np.float64]  # [J]
    term_rates: NDArray[np.float64]  # [J]
    levels: NDArray[np.float64]  # [J, J]
    gate_turns: NDArray[np.int64]  # [J]
    phi_turns: NDArray[np.int64]  # [J]


class _Ticks(NamedTuple):
    """The ticks to come of a neuron: number m is at `first_ns` + m * `period_ns`, `last` the last of interest."""

    first_ns: int
    period_ns: int
    last: int


# The drive


@_kernel
def signal_at(signal: Signal, neuron: int, time_ns: int) -> float:
    """One neuron's `Signal` at a time in ns, in the order in which the formula is written."""
    total = np.float64(signal.offset[neuron])
    for c in range(signal.alphas.shape[0]):
        total += _held(signal, c, neuron, time_ns)
    return float(total)


@_kernel
def _held(signal: Signal, c: int, neuron: int, time_ns: int) -> float:
    """What is left of one code at a time in ns."""
    value = signal.values[c, neuron]
    if value == 0.0:
        return 0.0
    return float(value * signal.alphas[c] ** ((time_ns - signal.times_ns[c]) / signal.periods_ns[c]))


@_kernel
def _fade(signal: Signal, time_ns: int, fades: NDArray[np.float64]) -> None:
    """What is left of one unit of each code at a time in ns, the same for all neurons."""
    for c in range(signal.alphas.shape[0]):
        fades[c] = signal.alphas[c] ** ((time_ns - signal.times_ns[c]) / signal.periods_ns[c])


@_kernel
def _faded_signal(signal: Signal, neuron: int, fades: NDArray[np.float64]) -> float:
    """`signal_at` to the bit, at the time of `fades`: the powers are most of its work."""
    total = np.float64(signal.offset[neuron])
    for c in range(signal.alphas.shape[0]):
        value = signal.values[c, neuron]
        total += value * fades[c] if value != 0.0 else 0.0
    return float(total)


@_kernel
def is_open(drive: Drive, neuron: int, time_ns: int) -> bool:
    """Whether one neuron's gate is open at a time in ns: h'(z) = 1 of a ReLU, which is closed at z = 0."""
    return not drive.gated or signal_at(drive.gate, neuron, time_ns) > 0.0


@_kernel
def drive_at(drive: Drive, neuron: int, time_ns: int) -> float:
    """The value u that one neuron's axon encodes at a time in ns."""
    return signal_at(drive.signal, neuron, time_ns) if is_open(drive, neuron, time_ns) else 0.0


# Searching


@_kernel
def _probe(start: int, low: int, high: int) -> int:
    """Where between `low` and `high` to look next, in a search that began at `start`.

    Strides double from the start on before they are halved, so a search takes O(log(result - start)) probes.
    """
    return low + min(low - start + 1, (high - low) // 2)


@_kernel
def _level_is_positive(levels: NDArray[np.float64], rates: NDArray[np.float64], level: int, n: int, m: int) -> bool:
    total = 0.0
    for j in range(level, n):
        total += levels[level, j] * math.exp((rates[j] - rates[level]) * m)
    return total > 0.0


@_kernel
def _sign_changes(work: _Work, n: int, last: int, changes: NDArray[np.int64]) -> int:
    """Where sum_(j < n) terms[j] * exp(term_rates[j] * m), m in 1..last, starts or ends being positive.

    Sorts `work.terms` and `work.term_rates`, writes the first m of each new sign to `changes` in
    ascending order and returns how many. Level l of `work.levels` is what is left of f when its l slowest
    terms have been removed one by one: divide by the slowest, take the difference from m to m + 1. Its sign
    says where level l - 1 rises.
    """
    negative, positive = False, False
    for j in range(n):
        negative |= work.terms[j] < 0.0
        positive |= work.terms[j] > 0.0
    if not (negative and positive):
        return 0
    levels, rates = work.levels, work.term_rates
    _sort_slowest_first(work.terms, rates, n)
    for j in range(n):
        levels[0, j] = work.terms[j]
    for level in range(1, n):
        for j in range(level, n):
            levels[level, j] = levels[level - 1, j] * math.expm1(rates[j] - rates[level - 1])
    count = 0
    for level in range(n - 2, -1, -1):
        # `changes` holds the turns of this level; its own changes, at most one up to each turn, replace them
        start, found = 0, 0
        for j in range(count + 1):
            end = changes[j] if j < count else last
            before = _level_is_positive(levels, rates, level, n, start)
            if _level_is_positive(levels, rates, level, n, end) != before:
                low, high = start, end
                while high - low > 1:
                    middle = _probe(start, low, high)
                    if _level_is_positive(levels, rates, level, n, middle) != before:
                        high = middle
                    else:
                        low = middle
                changes[found] = high
                found += 1
            start = end
        count = found
    return count


@_kernel
def _sort_slowest_first(terms: NDArray[np.float64], rates: NDArray[np.float64], n: int) -> None:
    for i in range(1, n):
        j = i
        while j > 0 and rates[j] > rates[j - 1]:
            rates[j], rates[j - 1] = rates[j - 1], rates[j]
            terms[j], terms[j - 1] = terms[j - 1], terms[j]
            j -= 1


# The gate


@_kernel
def _gate_turns(gate: Signal, neuron: int, ticks: _Ticks, work: _Work) -> int:
    """Write the ticks at which z starts to rise or to fall to `work.gate_turns`; return how many."""
    n = gate.alphas.shape[0]
    if n < 2:
        return 0
    for c in range(n):
        rate = work.gate_rates[c]
        work.terms[c] = _held(gate, c, neuron, ticks.first_ns) * math.expm1(rate)
        work.term_rates[c] = rate
    return _sign_changes(work, n, ticks.last, work.gate_turns)


@_kernel
def _next_change(drive: Drive, neuron: int, ticks: _Ticks, tick: int, n_turns: int, work: _Work) -> int:
    """The first tick after `tick` at which the gate is not as it is there, or ticks.last + 1."""
    gate = drive.gate
    now = signal_at(gate, neuron, ticks.first_ns + tick * ticks.period_ns) > 0.0
    faded = _faded_from(work.gate_rates, ticks.last)
    start = tick
    for j in range(n_turns + 2):
        end = work.gate_turns[j] if j < n_turns else (faded if j == n_turns else ticks.last)
        if end <= start:
            continue
        if j == n_turns + 1 and _is_settled(drive, neuron, ticks.first_ns + start * ticks.period_ns):
            break
        if (signal_at(gate, neuron, ticks.first_ns + end * ticks.period_ns) > 0.0) != now:
            low, high = start, end
            while high - low > 1:
                middle = _probe(start, low, high)
                if (signal_at(gate, neuron, ticks.first_ns + middle * ticks.period_ns) > 0.0) != now:
                    high = middle
                else:
                    low = middle
            return high
        start = end
    return ticks.last + 1


@_kernel
def _faded_from(rates: NDArray[np.float64], last: int) -> int:
    """A tick from which on every fading code is below FADED of what it was, `last` at most."""
    slowest = FADES_AT_ONCE
    for rate in rates:
        slowest = max(slowest, rate)
    ticks = LOG_FADED / slowest if slowest < 0.0 else np.inf
    return int(ticks) + 1 if ticks < last - 1 else last


@_kernel
def _is_settled(drive: Drive, neuron: int, time_ns: int) -> bool:
    """Whether the gate of a z that has faded stays as it is, or has nothing left to cut.

    Without an offset z > 0 may still end, when its last code underflows; a ReLU's signal is then gone too.
    """
    return drive.gate.offset[neuron] != 0.0 or abs(signal_at(drive.signal, neuron, time_ns)) < FADED


# The residue


@_kernel
def _settled(phi: float) -> float:
    """A silent residue: one that rounding alone has put beyond the threshold is put back on it."""
    if THRESHOLD < abs(phi) < THRESHOLD + ROUNDING:
        return math.copysign(THRESHOLD, phi)
    return phi


@_kernel
def _slope_and_gains(signal: Signal, neuron: int, fades: NDArray[np.float64], clock: Clock, work: _Work) -> float:
    """What moves phi a tick while the gate is open: the offset (returned), each code (into `work.gains`)."""
    for c in range(signal.alphas.shape[0]):
        held = signal.values[c, neuron] * fades[c]
        work.gains[c] = held * (work.rhos[c] - clock.k_alpha) / clock.k_beta
    return float(signal.offset[neuron] * (1.0 - clock.k_alpha) / clock.k_beta)


@_kernel
def _residue(phi: float, slope: float, signal: Signal, period_ns: int, work: _Work, k: int) -> float:
    """phi, before rounding, k silent ticks on: the recursion summed over ticks with an open gate.

    The sum of rho ** i over i < k is (1 - rho ** k) / (1 - rho); nothing may cancel for rho near 1.
    """
    change = slope * k
    for c in range(work.gains.shape[0]):
        gain, rate = work.gains[c], work.rates[c]
        if gain == 0.0:
            continue
        if rate == 0.0:
            change += gain * k
        elif work.rhos[c] <= FAST_FADING:
            power = signal.alphas[c] ** (k * period_ns / signal.periods_ns[c])
            change += gain * ((1.0 - power) / (1.0 - work.rhos[c]))
        else:
            change += gain * (math.expm1(k * rate) / math.expm1(rate))
    return phi + change


@_kernel
def _first_beyond_on_ramp(phi: float, slope: float, last: int) -> int:
    """The same where there is but a ramp, which is beyond the threshold at `last`: a quotient, put right by looking."""
    k = min(int(min(max((math.copysign(THRESHOLD, slope) - phi) / slope, 1.0), float(last))), last)
    while k > 1 and abs(phi + slope * (k - 1)) > THRESHOLD:
        k -= 1
    while abs(phi + slope * k) <= THRESHOLD:
        k += 1
    return k


@_view
def _first_beyond(phi: float, slope: float, signal: Signal, period_ns: int, work: _Work, last: int) -> int:
    """The first k in 1..last at which |residue| exceeds the threshold, 0 if there is none."""
    # codes add no more than `rise` and take no more than `fall`: with the ramp, most neurons end here
    n_codes = signal.alphas.shape[0]
    ramp, rise, fall = slope, 0.0, 0.0
    for c in range(n_codes):
        gain, rate = work.gains[c], work.rates[c]
        if rate == 0.0:
            ramp += gain
        elif gain > 0.0:
            rise += gain * min(float(last), -1.0 / math.expm1(rate))
        elif gain < 0.0:
            fall += gain * min(float(last), -1.0 / math.expm1(rate))
    highest = phi + rise + max(ramp, 0.0) * last
    lowest = phi + fall + min(ramp, 0.0) * last
    if last < 1 or (highest <= THRESHOLD and lowest >= -THRESHOLD):
        return 0
    if n_codes == 0:
        return _first_beyond_on_ramp(phi, slope, last)
    for c in range(n_codes):
        work.terms[c], work.term_rates[c] = work.gains[c], work.rates[c]
    work.terms[n_codes], work.term_rates[n_codes] = slope, 0.0
    n_turns = _sign_changes(work, n_codes + 1, last, work.phi_turns)
    # before `sure` ticks even codes that help cannot have let the ramp cross, soon after `late` it must have
    sure, late = 0.0, float(last)
    if ramp != 0.0:
        way = math.copysign(THRESHOLD, ramp) - phi
        sure = (way - (rise if ramp > 0.0 else fall)) / ramp - 1.0
        late = (way - (fall if ramp > 0.0 else rise)) / ramp + 2.0
    start = 0
    for j in range(n_turns + 1):
        end = work.phi_turns[j] if j < n_turns else last
        if abs(_residue(phi, slope, signal, period_ns, work, end)) > THRESHOLD:
            low, high = start, end
            if low < sure < high and abs(_residue(phi, slope, signal, period_ns, work, int(sure))) <= THRESHOLD:
                low = int(sure)
            if low < late < high and abs(_residue(phi, slope, signal, period_ns, work, int(late))) > THRESHOLD:
                high = int(late)
            start = low
            while high - low > 1:
                middle = _probe(start, low, high)
                if abs(_residue(phi, slope, signal, period_ns, work, middle)) > THRESHOLD:
                    high = middle
                else:
                    low = middle
            return high
        start = end
    return 0


@_view
def _first_spike(
    phi: float, slope: float, neuron: int, time_ns: int, clock: Clock, signal: Signal, work: _Work, last: int
) -> int:
    """The first k in 1..last that fires by the arithmetic of an encode, 0 if there is none.

    Where closed form and encode differ in the last bit for more than a few ticks, the next tick is given.
    """
    first = _first_beyond(phi, slope, signal, clock.period_ns, work, last)
    if first == 0:
        return 0
    for k in range(first, min(first + CONFIRMATIONS, last + 1)):
        now_ns = time_ns + k * clock.period_ns
        before = _settled(_residue(phi, slope, signal, clock.period_ns, work, k - 1))
        x_before = signal_at(signal, neuron, now_ns - clock.period_ns)
        x_now = signal_at(signal, neuron, now_ns)
        if abs(before + (x_now - clock.k_alpha * x_before) / clock.k_beta) > THRESHOLD:
            return k
    return first + CONFIRMATIONS if first + CONFIRMATIONS <= last else 0


@_kernel
def _silent_ticks(phi: float, neuron: int, last: int, clock: Clock, drive: Drive, work: _Work) -> int:
    """So many ticks after tick 0, at which phi is within the threshold, certainly bring no spike; `last` if none does.

    For a drive that is not gated, or that is its own gate. Let a(m) = slope + sum_c gain_c * rho_c ** (m - 1) be what
    tick m adds to phi while z > 0 both at m and before. A ReLU never moves phi further than that: it adds
    d = (max(z, 0) - k_alpha * max(z_before, 0)) / k_beta, which is 0 while z stays below 0; with z_before <= 0 < z,
    0 < d = z / k_beta <= a; with z <= 0 < z_before, 0 >= d = -k_alpha * z_before / k_beta >= a. So after k ticks phi
    has moved by no more than

        sum_(m <= k) |a(m)|  <=  |slope| * k + sum_c |gain_c| * min(k, 1 / (1 - rho_c))

    and each of two k for which this is below what is left to the threshold is a bound. Rounding: a prediction differs
    from these sums by some 1e-15 of phi and by some 1e-14 of what is encoded over k_beta, and puts phi right by at most
    ROUNDING at each change of the gate. SLACK and SLACK_SHARE are a hundred times as much and more.
    """
    slope = _slope_and_gains(drive.signal, neuron, work.fades, clock, work)
    size, first, ramp, rest = abs(drive.signal.offset[neuron]), 0.0, abs(slope), 0.0
    for c in range(work.gains.shape[0]):
        gain = abs(work.gains[c])
        size += abs(drive.signal.values[c, neuron]) * work.fades[c]
        first += gain
        if work.rates[c] < 0.0:
            rest += gain * work.reaches[c]
        else:
            ramp += gain
    room = THRESHOLD - abs(phi) - SLACK - SLACK_SHARE * size / clock.k_beta
    if not room > 0.0:
        return 0
    most = abs(slope) + first
    ticks = room / most if most > 0.0 else np.inf
    if room > rest:
        ticks = max(ticks, (room - rest) / ramp if ramp > 0.0 else np.inf)
    return int(ticks) if ticks < last else last


# From tick to tick


@_view
def _walk(
    neuron: int,
    axon: tuple[float, float, bool],
    ticks: _Ticks,
    clock: Clock,
    drive: Drive,
    work: _Work,
    searching: bool,
) -> tuple[int, float, float]:
    """Take one neuron silently from tick 0 through its ticks, from one change of its gate to the next.

    `axon` is its phi and its x after tick 0, and whether its gate was open then.
    Returns (tick, phi, x). Where `searching`, the tick is the first that fires, or ticks.last + 1 if none
    does; phi and x mean nothing then. Otherwise phi and x are those after the last tick.
    """
    phi, x, opened = axon
    tick, n_turns, fades = 0, -1, work.fades
    while True:
        now_ns = ticks.first_ns + tick * ticks.period_ns
        change = ticks.last + 1
        if drive.gated and tick < ticks.last:
            if n_turns < 0:
                n_turns = _gate_turns(drive.gate, neuron, ticks, work)
            change = _next_change(drive, neuron, ticks, tick, n_turns, work)
        length = change - 1 - tick
        if opened and length > 0:
            slope = _slope_and_gains(drive.signal, neuron, fades, clock, work)
            if searching:
                k = _first_spike(phi, slope, neuron, now_ns, clock, drive.signal, work, length)
                if k > 0:
                    return tick + k, phi, x
            if not searching or change <= ticks.last:
                phi = _settled(_residue(phi, slope, drive.signal, clock.period_ns, work, length))
                x = signal_at(drive.signal, neuron, now_ns + length * ticks.period_ns)
        if change > ticks.last:
            return change, phi, x
        tick, fades = change, work.later_fades
        now_ns = ticks.first_ns + tick * ticks.period_ns
        _fade(drive.signal, now_ns, fades)
        opened = is_open(drive, neuron, now_ns)
        u = _faded_signal(drive.signal, neuron, fades) if opened else 0.0
        phi += (u - clock.k_alpha * x) / clock.k_beta
        x = u
        if searching and abs(phi) > THRESHOLD:
            return tick, phi, x
        phi = _settled(phi)


@_kernel
def _take_tick_0(
    neuron: int,
    axon: tuple[float, float, float],
    k_beta: float,
    drive: Drive,
    fades: NDArray[np.float64],
    gate_fades: NDArray[np.float64],
) -> tuple[float, float, bool]:
    """phi before rounding, x and whether the gate is open once tick 0, the time of the fades, has been encoded.

    `axon` is its phi, its x_last and the decay of x_last until then.
    """
    phi, x_last, decay = axon
    opened = not drive.gated or _faded_signal(drive.gate, neuron, gate_fades) > 0.0
    u = _faded_signal(drive.signal, neuron, fades) if opened else 0.0
    return phi + (u - decay * x_last) / k_beta, u, opened


@_kernel
def _first_tick(t_last: int, clock: Clock) -> int:
    """The time of the first tick after `t_last`, NEVER if it may be beyond the horizon."""
    if t_last > HORIZON_NS - clock.period_ns:
        return NEVER
    return t_last + clock.period_ns - (t_last - clock.phase_ns) % clock.period_ns


@_kernel
def _is_defined(drive: Drive, time_ns: int) -> bool:
    """Whether every value of the drive was read at or before a time."""
    late = False
    for c in range(drive.signal.times_ns.shape[0]):
        late |= drive.signal.times_ns[c] > time_ns
    if drive.gated:
        for c in range(drive.gate.times_ns.shape[0]):
            late |= drive.gate.times_ns[c] > time_ns
    return not late


@_kernel
def _log_decays(signal: Signal, period_ns: int, rates: NDArray[np.float64]) -> None:
    """The log of each code's decay over one tick of the neuron."""
    for c in range(rates.shape[0]):
        alpha = signal.alphas[c]
        rates[c] = math.log(alpha) * (period_ns / signal.periods_ns[c]) if alpha > 0.0 else FADES_AT_ONCE


@_view
def _new_work(drive: Drive, period_ns: int, room: NDArray[np.float64]) -> _Work:
    n_codes, n_gate_codes = drive.signal.alphas.shape[0], drive.gate.alphas.shape[0]
    size = 1 + max(n_codes, n_gate_codes)
    work = _Work(
        section(room, 0, n_codes),
        section(room, size, n_codes),
        section(room, 2 * size, n_codes),
        section(room, 3 * size, n_gate_codes),
        section(room, 4 * size, n_codes),
        section(room, 5 * size, n_gate_codes),
        section(room, 6 * size, n_codes),
        section(room, 7 * size, n_codes),
        section(room, 8 * size, size),
        section(room, 9 * size, size),
        table(room, N_ROWS * size, size, size),
        section(room.view(np.int64), 10 * size, size),
        section(room.view(np.int64), 11 * size, size),
    )
    _log_decays(drive.signal, period_ns, work.rates)
    _log_decays(drive.gate, period_ns, work.gate_rates)
    for c in range(n_codes):
        work.rhos[c] = drive.signal.alphas[c] ** (period_ns / drive.signal.periods_ns[c])
        work.reaches[c] = -1.0 / math.expm1(work.rates[c]) if work.rates[c] < 0.0 else np.inf
    return work


@_kernel
def _begin(time_ns: int, drive: Drive, fades: NDArray[np.float64], gate_fades: NDArray[np.float64]) -> bool:
    """Make the fades those of a time; False where the drive was read after it."""
    if not _is_defined(drive, time_ns):
        return False
    _fade(drive.signal, time_ns, fades)
    if drive.gated:
        _fade(drive.gate, time_ns, gate_fades)
    return True


@_kernel
def foresee_kernel(
    t_last: NDArray[np.int64],
    phi: NDArray[np.floating],
    x_last: NDArray[np.floating],
    clock: Clock,
    drive: Drive,
    neurons: NDArray[np.int64],
    times_ns: NDArray[np.int64],
    hasty: bool,
    bounds: NDArray[np.int64],
    room: NDArray[np.float64],
) -> int:
    """Predict neurons as `predict` does or, where `hasty`, only as far as it is cheap; checks no shapes.

    Writes `times_ns` [m] and, where hasty, whether that of neuron i is but a bound, before which it sends nothing, in
    `bounds[i]`.
    A bound costs some additions, a prediction some powers and logarithms. `room` is to work in, see `room_for`.
    Returns -1, or the place in `neurons` of an index out of range or a drive read too late, where it stopped.
    """
    work = _new_work(drive, clock.period_ns, room)
    first_ns, last, decay, together_ns = NEVER, 0, 0.0, NEVER
    for place in range(neurons.shape[0]):
        if neurons[place] < 0 or neurons[place] >= t_last.shape[0]:
            return place
        i = unsigned(neurons[place])
        if t_last[i] != together_ns:  # mostly as for the neuron before
            together_ns, first_ns = t_last[i], _first_tick(t_last[i], clock)
            if first_ns != NEVER:
                if not _begin(first_ns, drive, work.fades, work.gate_fades):
                    return place
                decay = clock.k_alpha ** ((first_ns - together_ns) / clock.period_ns)
                last = (HORIZON_NS - first_ns) // clock.period_ns
        times_ns[place] = NEVER
        if hasty:
            bounds[i] = 0
        if first_ns == NEVER:
            continue
        axon = (float(phi[i]), float(x_last[i]), float(decay))
        residue, x, opened = _take_tick_0(i, axon, clock.k_beta, drive, work.fades, work.gate_fades)
        tick = 0
        if not abs(residue) > THRESHOLD:
            residue = _settled(residue)
            if hasty:
                tick = 1 + _silent_ticks(residue, i, last, clock, drive, work)
                bounds[i] = tick <= last
            else:
                ticks = _Ticks(first_ns, clock.period_ns, last)
                tick, _, _ = _walk(i, (residue, x, opened), ticks, clock, drive, work, True)
        if tick <= last:
            times_ns[place] = first_ns + tick * clock.period_ns
    return -1


@_kernel
def due_kernel(
    time_ns: int,
    t_last: NDArray[np.int64],
    phi: NDArray[np.floating],
    x_last: NDArray[np.floating],
    clock: Clock,
    drive: Drive,
    due: NDArray[np.int64],
    room: NDArray[np.float64],
) -> int:
    """Of all neurons of a side list in `due` [n] those that fire at `time_ns`, a tick, the first since each encoded.

    It is `foresee_kernel` that looks no further than the next tick. Returns how many, -1 where the drive was read too
    late. `room` is to work in.
    """
    n_codes, n_gate_codes = drive.signal.alphas.shape[0], drive.gate.alphas.shape[0]
    fades, gate_fades = section(room, 0, n_codes), section(room, n_codes, n_gate_codes)
    if not _begin(time_ns, drive, fades, gate_fades):
        return -1
    n, decay, together_ns, is_next = 0, 0.0, NEVER, False
    for i in range(t_last.shape[0]):
        if t_last[i] != together_ns:  # mostly as for the neuron before
            together_ns = t_last[i]
            is_next = _first_tick(together_ns, clock) == time_ns
            decay = clock.k_alpha ** ((time_ns - together_ns) / clock.period_ns)
        axon = (float(phi[i]), float(x_last[i]), float(decay))
        residue, _, _ = _take_tick_0(i, axon, clock.k_beta, drive, fades, gate_fades)
        due[unsigned(n)] = i
        n += is_next and abs(residue) > THRESHOLD
    return n


@_kernel
def catch_up_kernel(
    until_ns: int,
    t_last: NDArray[np.int64],
    phi: NDArray[np.floating],
    x_last: NDArray[np.floating],
    clock: Clock,
    drive: Drive,
    neurons: NDArray[np.int64],
    room: NDArray[np.float64],
) -> int:
    """`catch_up` for compiled callers: checks no shapes, returns as `foresee_kernel` does."""
    work = _new_work(drive, clock.period_ns, room)
    first_ns, last, decay, together_ns = NEVER, 0, 0.0, NEVER
    for place in range(neurons.shape[0]):
        if neurons[place] < 0 or neurons[place] >= t_last.shape[0]:
            return place
        i = unsigned(neurons[place])
        if t_last[i] != together_ns:  # mostly as for the neuron before
            together_ns, first_ns = t_last[i], _first_tick(t_last[i], clock)
            if first_ns < until_ns:
                if not _begin(first_ns, drive, work.fades, work.gate_fades):
                    return place
                decay = clock.k_alpha ** ((first_ns - together_ns) / clock.period_ns)
                last = (until_ns - 1 - first_ns) // clock.period_ns
        if first_ns >= until_ns:
            continue
        axon = (float(phi[i]), float(x_last[i]), float(decay))
        residue, x, opened = _take_tick_0(i, axon, clock.k_beta, drive, work.fades, work.gate_fades)
        residue = _settled(residue)
        if last > 0:
            ticks = _Ticks(first_ns, clock.period_ns, last)
            _, residue, x = _walk(i, (residue, x, opened), ticks, clock, drive, work, False)
        phi[i], x_last[i] = residue, x
        t_last[i] = first_ns + last * clock.period_ns
    return -1


foresee_kept, catch_up_kept = _kept(foresee_kernel), _kept(catch_up_kernel)
