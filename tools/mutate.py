"""Do the tests notice? Changes one line of a copy of the package at a time and runs the tests that should fail.

    python tools/mutate.py            # all mutations, a minute or two each on one core
    python tools/mutate.py --only 3

A mutation that no test notices is a hole: the tool names it and exits with 1. Among the mutations are outputs set to
zero and flipped signs, since a bound that accepts either proves nothing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Mutation(NamedTuple):
    """In `file`, `old` becomes `new`; `tests` should fail then."""

    file: str
    old: str
    new: str
    tests: str


CODING = "tests/unit/test_signal.py tests/properties/test_signal_properties.py"
LEARNING = "tests/unit/test_learning.py tests/properties/test_learning_properties.py"
ENGINE = "tests/golden tests/engines/test_time_stepped.py"
WAKE = "tests/golden tests/engines/test_wake.py"
ACCRUAL = "tests/engines/test_accrual.py"
ACTOR = "tests/golden tests/engines/test_actor.py"
FOOTERS = "tests/unit/test_footers.py"
ACCOUNTS = "tests/operations"
DAMAGED = "tests/cli/test_damaged_runs.py"
BESIDE = "tests/why/test_beside.py"
QUIET = "tests/engines/test_quiet.py"
EXCERPT = "tests/engines/test_excerpt.py"
EXCERPTS = "tests/why/test_excerpts.py"
COMPILED = "tests/engines/test_compiled.py"
REPLAYS = "tests/unit/test_why_replay.py"
PICTURES = "tests/unit/test_pictures.py"
DUE = "tests/unit/test_stability.py tests/engines/test_time_stepped.py"

MUTATIONS = (
    Mutation("eventnet/coding/signal.py", "return math.pow(k_alpha", "return 0.0 * math.pow(k_alpha", CODING),
    Mutation("eventnet/engines/actor/neuron.py", "a = (x - self._decays", "a = (x + self._decays", ENGINE),
    Mutation("eventnet/engines/actor/neuron.py", "s = np.rint(phi)", "s = -np.rint(phi)", ENGINE),
    Mutation("eventnet/engines/actor/neuron.py", "s = np.rint(phi)", "s = 0.0 * np.rint(phi)", ENGINE),
    Mutation("eventnet/engines/actor/neuron.py", "s = np.rint(phi)", "s = np.floor(phi + 0.5)", ENGINE),
    Mutation("eventnet/engines/actor/neuron.py", "        y += amounts", "        y -= amounts", ENGINE),
    Mutation("eventnet/engines/actor/neuron.py", "return (z > 0.0)", "return (z >= -9.0)", ENGINE),
    Mutation("eventnet/engines/actor/neuron.py", "return 1.0 - x * x", "return 1.0 + x * x", ENGINE),
    Mutation("eventnet/engines/actor/synapse.py", "if e_hat.any():", "if True:", ENGINE),
    Mutation("eventnet/engines/actor/synapse.py", "eta / (1.0 - r2)", "eta / (1.0 + r2)", ENGINE),
    Mutation(
        "eventnet/engines/actor/synapse.py",
        "e_hat[errors.neurons] += errors.amounts\n            if e_hat.any():",
        "pass\n            if e_hat.any():",
        ENGINE,
    ),
    Mutation("eventnet/engines/actor/synapse.py", "self.product[rows] - v)", "self.product[rows] + v)", ENGINE),
    Mutation("eventnet/engines/actor/accrual.py", "self.latest += has_grown", "self.latest += 0", ACCRUAL),
    Mutation("eventnet/engines/actor/accrual.py", "self.seen[:] = 0", "pass", ACCRUAL),
    Mutation("eventnet/engines/areas.py", "(1.0 - fades) / fading", "(1.0 - fades)", ACCRUAL),
    Mutation("eventnet/engines/actor/accrual.py", "self.seen[rows] = self.latest", "pass", ACCRUAL),
    Mutation("eventnet/engines/actor/spike_trace.py", "amounts / self.factor", "amounts * self.factor", ENGINE),
    Mutation(
        "eventnet/engines/actor/engine.py", "self.neurons[i].bias -= step", "self.neurons[i].bias += step", ENGINE
    ),
    Mutation("eventnet/engines/actor/engine.py", "        wake.renew(neurons)", "        wake.renew(_NOBODY)", WAKE),
    Mutation(
        "eventnet/engines/actor/self_wake.py",
        "self._queue.withdraw(self._pending.pop(neuron))",
        "self._pending.pop(neuron)",
        WAKE,
    ),
    Mutation("eventnet/coding/prediction_kernels.py", "THRESHOLD = 0.5", "THRESHOLD = 0.499", WAKE),
    Mutation("eventnet/engines/actor/scheduler.py", "EventPriority(2)", "EventPriority(0)", ACTOR),
    Mutation("eventnet/engines/actor/engine.py", 'self._next_event = state["next_event"]', "pass", ACTOR),
    Mutation(
        "eventnet/trace/events.py",
        "    TARGET = 4\n    BACKWARD_ARRIVAL = 5",
        "    TARGET = 2\n    BACKWARD_ARRIVAL = 5",
        ACTOR,
    ),
    Mutation("eventnet/learning.py", "return 1.0 / (1.0 - r2)", "return 1.0 / (r2 - 1.0)", LEARNING),
    Mutation(
        "eventnet/operations/bills.py",
        "table.single[kind, owner, ACS] += fan",
        "table.multiple[kind, owner, ACS] += fan",
        "tests/unit/test_bills.py",
    ),
    Mutation(
        "eventnet/engines/dense/layers.py",
        "self.bias -= eta_bias",
        "self.bias += eta_bias",
        "tests/engines/test_dense.py",
    ),
    Mutation(
        "eventnet/engines/compiled/kernels/learning.py",
        "weights[j] -= factor * steps[j]",
        "weights[j] += factor * steps[j]",
        COMPILED,
    ),
    Mutation("eventnet/trace/parts.py", "known is not None and known.mark == mark", "known is not None", FOOTERS),
    Mutation("eventnet/trace/parts.py", "last_ns >= start_ns and", "last_ns > start_ns and", FOOTERS),
    Mutation("eventnet/trace/parts.py", "first_ns < end_ns]", "first_ns <= end_ns]", FOOTERS),
    Mutation(
        "eventnet/trace/footers.py",
        "_checksum(text := line[_TEXT_FROM:]) == line[",
        "(text := line[_TEXT_FROM:]) and line[",
        FOOTERS,
    ),
    Mutation("eventnet/trace/parts.py", "file.st_mtime_ns <= known_ns and ", "", FOOTERS),
    Mutation("eventnet/trace/parts.py", " and file.st_size == known[k].mark.n_bytes", "", FOOTERS),
    Mutation("eventnet/trace/parts.py", "len(unchanged) < len(footers)", "not known", FOOTERS),
    Mutation("eventnet/trace/parts.py", "max(each[1] for each in ranges)", "min(each[1] for each in ranges)", FOOTERS),
    Mutation("eventnet/trace/files.py", "lock.acquire(timeout=0)", "pass", "tests/unit/test_store.py"),
    Mutation("eventnet/trace/store.py", "lock.release()\n        raise", "raise", "tests/unit/test_store.py"),
    Mutation("eventnet/why/shelf.py", "os.utime(file)", "pass", "tests/unit/test_why_replay.py"),
    Mutation("eventnet/why/shelf.py", "STATES_VERSION}\\0", "0}\\0", "tests/unit/test_why_replay.py"),
    Mutation("eventnet/operations/accounts.py", "str(ACCOUNTS_VERSION)", "str(0)", ACCOUNTS),
    Mutation("eventnet/operations/accounts.py", 'account.pop("covers") != self._covered(piece)', "False", ACCOUNTS),
    Mutation("eventnet/operations/accounts.py", "stretches[-1].state", "stretches[0].state", ACCOUNTS),
    Mutation("eventnet/operations/accounts.py", "keep(parts, together(each_alone))", "pass", ACCOUNTS),
    Mutation("eventnet/operations/accounts.py", "            before = None\n", "            pass\n", ACCOUNTS),
    Mutation("eventnet/operations/charges.py", "stretches[-1].n_answers", "stretches[0].n_answers", ACCOUNTS),
    Mutation("eventnet/operations/packing.py", "if zlib.crc32(small) != checksum:", "if False:", ACCOUNTS),
    Mutation("eventnet/why/beside.py", "error.add_note(", "str(", BESIDE),
    Mutation("eventnet/why/beside.py", "except EOFError as error:", "except KeyError as error:", BESIDE),
    Mutation("eventnet/why/targets.py", "next(labels, -1) >= 0", "True", "tests/why tests/unit/test_why_replay.py"),
    Mutation("eventnet/engines/compiled/feeding.py", " and part.values.flags.carray", "", COMPILED),
    Mutation(
        "eventnet/engines/compiled/feeding.py", "numbers[start : end + 1] - first", "numbers[: end + 1]", COMPILED
    ),
    Mutation("eventnet/engines/compiled/feeding.py", "[:, start:end].ravel", "[:, : end - start].ravel", COMPILED),
    Mutation("eventnet/engines/compiled/kernels/sampling.py", "N_FINITE] = end", "N_FINITE] = end + 1", COMPILED),
    Mutation("eventnet/engines/compiled/kernels/sampling.py", "] == part[layout.N_SAMPLES]:", "] < 0:", COMPILED),
    Mutation(
        "eventnet/coding/prediction_kernels.py", "_on_ramp(phi, slope, last)", "_on_ramp(phi, slope, last) + 1", WAKE
    ),
    Mutation("eventnet/machine_code.py", "== _digest(object_file)", "!= ''", "tests/unit/test_machine_code.py"),
    Mutation("eventnet/engines/compiled/state.py", "FIRST_LISTED] = 0", "FIRST_LISTED] += 0", COMPILED),
    Mutation(
        "eventnet/engines/actor/accrual.py", "due, self.due = self.due, np.zeros_like(self.due)", "due = self.due", DUE
    ),
    Mutation(
        "eventnet/engines/actor/accrual.py", "due, self.due_back = self.due_back, np", "due, _ = self.due_back, np", DUE
    ),
    Mutation("eventnet/engines/areas.py", "worth * (factor * fading)", "worth * factor", DUE),
    Mutation("eventnet/engines/areas.py", "worth * (factor * factor * fading)", "worth * (factor * fading)", DUE),
    Mutation(
        "eventnet/engines/actor/spike_trace.py", "self.squares += sum_in_lanes", "self.squares = sum_in_lanes", DUE
    ),
    Mutation(
        "eventnet/engines/actor/spike_trace.py",
        "self.squares = in_order(self.scaled",
        "self.squares += 0 * in_order(self.scaled",
        DUE,
    ),
    Mutation(
        "eventnet/engines/compiled/kernels/accruing.py", "        due[j] = 0.0\n", "        due[j] *= 1.0\n", COMPILED
    ),
    Mutation(
        "eventnet/why/explaining.py",
        "return np.array([-sum(taken)])",
        "return np.array([sum(taken)])",
        "tests/unit/test_why_explaining.py",
    ),
    Mutation("eventnet/why/walk.py", "taken -= np.where", "taken += np.where", "tests/unit/test_report_reasons.py"),
    Mutation("eventnet/why/decision.py", "amounts[who] -= due[who]", "pass", "tests/unit/test_why_explaining.py"),
    Mutation("eventnet/network/stability.py", "min(1.0, FITTING_SCALE / k_beta_back) ** 0.7", "1.0", DUE),
    Mutation(
        "eventnet/trace/store.py",
        'if saved["state"].get("version") != version:',
        "if False:",
        "tests/cli/test_interrupts.py",
    ),
    Mutation("eventnet/trace/files.py", ".{os.getpid()}.tmp", ".tmp", "tests/unit/test_store.py"),
    Mutation("eventnet/engines/wanted.py", " + evenly", " - evenly", "tests/engines/test_time_stepped.py"),
    Mutation("eventnet/engines/compiled/kernels/losing.py", " + evenly", " - evenly", COMPILED),
    Mutation(
        "eventnet/why/shares.py",
        "wanted_of(value, answered, label_smoothing)",
        "wanted_of(value, answered, 0.0)",
        "tests/unit/test_why_explaining.py",
    ),
    Mutation("eventnet/engines/dense/kernels.py", "smoothing / m", "0.0 * m", "tests/engines/test_dense_kernels.py"),
    Mutation("eventnet/engines/areas.py", "(before / eta)", "(eta / before)", "tests/engines/test_time_stepped.py"),
    Mutation("eventnet/engines/compiled/engine.py", 'state["eta"], self', "self.graph.network.eta, self", COMPILED),
    Mutation(
        "eventnet/why/synapse.py",
        "self._area * ratio, self._seen * ratio",
        "self._area, self._seen",
        "tests/why/test_weight_bits.py",
    ),
    Mutation(
        "eventnet/why/weight_history.py", " and another(file, check_sums=True)", "", "tests/why/test_weight_bits.py"
    ),
    Mutation(
        "eventnet/trace/queries.py",
        'rows["neuron"], neuron',
        'rows["neuron"], 0',
        "tests/properties/test_trace_properties.py",
    ),
    Mutation("eventnet/why/replay.py", "!= here or each is segment:", "!= here:", "tests/unit/test_why_replay.py"),
    Mutation("eventnet/why/replay.py", "if not has_room and not asked:", "if False:", "tests/unit/test_why_replay.py"),
    Mutation("eventnet/why/replay.py", "self._engine.begin_streams()", "pass", "tests/unit/test_why_replay.py"),
    Mutation("eventnet/opening.py", "min(firsts_ns)", "max(firsts_ns)", "tests/cli/test_origin.py"),
    Mutation("eventnet/sensors/tables.py", "2.0**-52 >= 0.5", "2.0**-52 >= 1.5", "tests/unit/test_sensors_tables.py"),
    Mutation("eventnet/trace/order.py", "<= begins_ns[k]", ">= begins_ns[k]", "tests/unit/test_order.py"),
    Mutation("eventnet/operations/charges.py", "known[3] == first_ns", "False", "tests/operations/test_accounts.py"),
    Mutation("eventnet/trace/parts.py", "if number != k)", "if False)", DAMAGED),
    Mutation("eventnet/why/log.py", " and not self._trace.damaged", "", DAMAGED),
    Mutation("eventnet/why/targets.py", " and not run.outcome_parts.damaged", "", DAMAGED),
    Mutation("eventnet/why/log.py", "mine[-1]])", "mine[0]])", "tests/unit/test_why_replay.py"),
    Mutation("eventnet/compiling.py", "bool(needed) and all(", "bool(", "tests/unit/test_compiling.py"),
    Mutation(
        "eventnet/trace/layout.py", "to_numpy() != Kind.SAMPLE", "to_numpy() < 0", "tests/unit/test_trace_layout.py"
    ),
    Mutation("eventnet/trace/state.py", "is_large and 2 * np", "is_large or 2 * np", "tests/unit/test_store.py"),
    Mutation("eventnet/engines/compiled/state.py", "np.signbit(zeros)", "np.signbit(zeros + 1)", COMPILED),
    Mutation(
        "eventnet/operations/dense.py", "n_errors if passing[k] else 0", "n_errors", "tests/engines/test_dense.py"
    ),
    Mutation("eventnet/config/unchanged.py", "return before is now", "return True", "tests/unit/test_unchanged.py"),
    Mutation("eventnet/vectors.py", 'fcmp_unordered("!="', 'fcmp_ordered("!="', "tests/unit/test_vectors.py"),
    Mutation(
        "eventnet/engines/compiled/kernels/deciding.py",
        "    else:\n        tell_times(sim, side)\n",
        "    else:\n",
        COMPILED,
    ),
    Mutation("eventnet/engines/compiled/kernels/quiet.py", "held[j] = x_last[j]", "pass", QUIET),
    Mutation("eventnet/engines/compiled/kernels/excerpt.py", "s * k_beta", "s", EXCERPT),
    Mutation("eventnet/engines/compiled/kernels/waking.py", "if times_ns[p] == sim", "if times_ns[p] != sim", EXCERPT),
    Mutation("eventnet/engines/compiled/kernels/accruing.py", "if places[i] >= 0:", "if False:", EXCERPT),
    Mutation("eventnet/engines/compiled/kernels/learning.py", "if into_places[j] >= 0:", "if False:", EXCERPT),
    Mutation(
        "eventnet/engines/compiled/kernels/learning.py",
        "j = into[q]\n            if is_reached or is_error[j] != 0.0",
        "j = into[q]\n            if is_reached",
        EXCERPT,
    ),
    Mutation("eventnet/engines/base.py", "self.ends[first:] - n_before", "self.ends[first:]", EXCERPTS),
    Mutation("eventnet/why/driving.py", "part=[])", "part=targets[network.targets[k].name].part)", EXCERPTS),
    Mutation("eventnet/why/effects.py", "found[-1] > most", "found[-1] < most", EXCERPTS),
    Mutation("eventnet/why/shelf.py", "return min(SHARE_OF_LARGE", "return max(SHARE_OF_LARGE", EXCERPTS),
    Mutation("eventnet/why/trail.py", "not (is_first and self._is_wide)", "True", EXCERPTS),
    Mutation("eventnet/trace/state.py", "if check and zlib.crc32(whole) != entry.CRC:", "if False:", EXCERPTS),
    Mutation("eventnet/engines/compiled/kernels/quiet.py", "sample[layout.CHANNEL] < 0 and", "", QUIET),
    Mutation("eventnet/engines/compiled/kernels/instants.py", "max(next_ns, sample_ns)", "next_ns", QUIET),
    Mutation(
        "eventnet/engines/compiled/kernels/waking.py",
        "[layout.STALE] = layout.LOOKED",
        "[layout.STALE] = layout.NO_ONE",
        COMPILED,
    ),
    Mutation("eventnet/why/log.py", "start_ns) - 1, 0)", "start_ns), 0)", REPLAYS),
    Mutation("eventnet/why/log.py", "key[0] in parts and ", "", REPLAYS),
    Mutation("eventnet/why/replay.py", "if n_events != expected:", "if False:", "tests/why/test_trail.py"),
    Mutation("eventnet/why/reading.py", "if each_ns <= time_ns)", "if each_ns < 0)", EXCERPTS),
    Mutation(
        "eventnet/trace/queries.py", 'rows["time_ns"], start_ns', 'rows["time_ns"], 0', "tests/unit/test_queries.py"
    ),
    Mutation("eventnet/reports/pictures/raster.py", "np.add.at(lane.counts", "np.add.at(0 * lane.counts", PICTURES),
    Mutation("eventnet/reports/pictures/raster.py", "[kind in AT_TARGETS]", "[0]", PICTURES),
    Mutation("eventnet/reports/pictures/spike.py", "shares.get(each.event, 0.0) + each", "each", PICTURES),
    Mutation("eventnet/reports/pictures/spike.py", "accumulate(part.share", "accumulate(abs(part.share)", PICTURES),
    Mutation("eventnet/reports/pictures/bars.py", "n_steps) / lengths", "n_steps) / together", PICTURES),
    Mutation("eventnet/reports/pictures/weight.py", "if end - first > 1:", "if end - first > 2:", PICTURES),
)


def survives(mutation: Mutation) -> bool:
    """Whether the tests pass on a mutated copy."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("eventnet", "tests", "sim_configs", "examples", "tools"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        file = copy / mutation.file
        text = file.read_text()
        if mutation.old not in text:
            raise SystemExit(f"{mutation.file} no longer contains {mutation.old!r}: mend the list")
        file.write_text(text.replace(mutation.old, mutation.new, 1))
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-n",
            "0",
            "-p",
            "no:cacheprovider",
            *mutation.tests.split(),
        ]
        # the copy must be imported, not an installed package
        environment = {**os.environ, "PYTHONPATH": str(copy)}
        return subprocess.run(command, cwd=copy, env=environment, capture_output=True, check=False).returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=int, help="run one mutation by number")
    arguments = parser.parse_args()
    chosen = range(len(MUTATIONS)) if arguments.only is None else [arguments.only]
    survivors = 0
    for number in chosen:
        mutation = MUTATIONS[number]
        alive = survives(mutation)
        survivors += alive
        old = mutation.old.strip().splitlines()[0]
        print(f"{number:>3} {'SURVIVES' if alive else 'caught':<9} {mutation.file}: {old}", flush=True)
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main()
