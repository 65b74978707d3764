"""What runs leave beside their traces means the same as long as its version does.

States and accounts of an older eventnet are taken up where their version is the present one. So whoever changes what
kernels compute, what a state holds, or how bills are summed and shared has to raise that version: these tests fail
until it is raised, and then want the new fingerprint under the new number.

All codes halve in a millisecond and everything happens at whole ones, so no power is rounded, and every machine gives
the same bits. Softmax and tanh are left out, whose powers each machine's library rounds in its own way.
"""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eventnet.engines.base import STATES_VERSION
from eventnet.engines.compiled import CompiledEngine
from eventnet.network import (
    Adaptation,
    Code,
    Decides,
    Learning,
    Network,
    Nonlinearity,
    Population,
    Probe,
    Projection,
    Rule,
    Sensor,
    Target,
    Wake,
    derive,
)
from eventnet.operations.accounts import ACCOUNTS_VERSION, TAIL, Accounts
from eventnet.operations.ongoing import OngoingBills
from eventnet.trace.store import RunWriter
from tests.streams import PartialSamples, Samples, Targets

STATES = {
    3: {
        "accrual": "e5e96d0c0e13db65",
        "past": "0f44b248d56174b7",
        "future": "122509eedaaca911",
        "reconstruction": "493e2e7f26af4c03",
        "exact": "64333ecbd476a670",
        "float32": "d8f1af71cd5ff5f5",
    }
}
ACCOUNTS = {5: "7f4c62e37f5bc55f"}
MS = 10**6
UNTIL_NS = 400 * MS
CASES: dict[str, tuple[Rule, Wake, str]] = {
    "accrual": (Rule.ACCRUAL, Wake.LAZY, "float64"),
    "past": (Rule.PAST, Wake.LAZY, "float64"),
    "future": (Rule.FUTURE, Wake.CLOCKED, "float64"),
    "reconstruction": (Rule.RECONSTRUCTION, Wake.CLOCKED, "float64"),
    "exact": (Rule.PAST, Wake.EXACT, "float64"),
    "float32": (Rule.ACCRUAL, Wake.LAZY, "float32"),
}


def numbers(*shape: int, every: float = 1.0) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Sixteenths between -3/8 and 3/8 times `every`, in no order that means anything."""
    k = np.arange(int(np.prod(shape)), dtype=np.float64)
    return ((k * 7 + k // 5 * 3 + 2) % 13 - 6).reshape(shape) / 16 * every


def network_of(rule: Rule, wake: Wake, dtype: str) -> tuple[Network, dict[str, Any]]:
    """Two sensors of different rates, one of single channels, delays, codes that adapt, errors and biases."""
    code = Code(0.5, 0.125, MS, None if wake is Wake.EXACT else Adaptation(0.25, 2.0, period_ns=4 * MS))
    populations = (
        Population("a", 5, Nonlinearity.LINEAR, code, code, wake=wake),
        Population("b", 3, Nonlinearity.LINEAR, code, code, wake=wake),
        Population("hidden", 6, Nonlinearity.RELU, code, code, wake=wake, decides=Decides.ARRIVAL),
        Population("output", 2, Nonlinearity.LINEAR, code, code, wake=wake),
    )
    projections = (
        Projection("a", "hidden", weights=numbers(5, 6)),
        Projection("b", "hidden", 3 * MS, weights=numbers(3, 6, every=2.0)),
        Projection("hidden", "output", 1 * MS, weights=numbers(6, 2, every=4.0)),
    )
    network = Network(
        populations,
        projections,
        (Sensor("slow", "a", 4 * MS), Sensor("fast", "b", 2 * MS)),
        (Target("wanted", "output", 8 * MS),),
        Learning(rule, 1 / 64),
        probes=(Probe("looks", "hidden", "phi", 40 * MS),),
        dtype=dtype,
    )
    n_slow, n_fast, n_wanted = UNTIL_NS // (4 * MS), UNTIL_NS // (2 * MS), UNTIL_NS // (8 * MS)
    fast = [[k % 3] if k % 4 else [0, 1, 2] for k in range(n_fast)]
    streams = {
        "slow": Samples(np.arange(n_slow) * 4 * MS, numbers(n_slow, 5, every=4.0)),
        "fast": PartialSamples(
            3,
            np.arange(n_fast) * 2 * MS,
            fast,
            [numbers(n_fast, 3)[k, channels].tolist() for k, channels in enumerate(fast)],
        ),
        "wanted": Targets(np.arange(n_wanted) * 8 * MS, numbers(n_wanted, 2, every=2.0)),
    }
    return network, streams


def fingerprint(*nodes: Any) -> str:
    """Of trees of dicts, sequences, arrays, numbers and strings: what they hold, of which type, under which names."""
    digest = blake2b(digest_size=8)

    def walk(node: Any) -> None:
        if isinstance(node, np.ndarray) and not node.dtype.hasobject:
            digest.update(f"{node.dtype.str}{node.shape}".encode() + node.tobytes())
        elif isinstance(node, dict):
            for key in sorted(node):
                digest.update(f"{key}:".encode())
                walk(node[key])
        elif isinstance(node, list | tuple | np.ndarray):
            digest.update(f"{len(node)}".encode())
            for each in node:
                walk(each)
        else:
            digest.update(f"{node!r};".encode())

    walk(nodes)
    return digest.hexdigest()


def state_after(case: str) -> str:
    network, streams = network_of(*CASES[case])
    engine = CompiledEngine(network, streams)
    engine.run(UNTIL_NS // 2 + MS)
    middle = fingerprint(engine.state())
    engine.run(UNTIL_NS)
    assert engine.totals.events.sum() > 500
    return fingerprint(middle, engine.state())


@pytest.mark.parametrize("case", CASES)
def test_a_state_is_what_its_version_says(case: str) -> None:
    assert state_after(case) == STATES[STATES_VERSION][case], (
        "kernels give other bits, or a state holds other things, than under this STATES_VERSION: if that is meant, "
        "raise it and note the new fingerprints under the new number"
    )


def accounts_of(path: Path) -> str:
    network, streams = network_of(*CASES["accrual"])
    graph, part_events = derive(network), 1_200
    with RunWriter.create(
        path,
        graph,
        config_text="none: the network is given\n",
        config_name="golden",
        engine="compiled",
        groups={"wanted": ("all",)},
        part_events=part_events,
    ) as writer:
        bills = OngoingBills([(0, graph)], Accounts(path), part_events)
        with bills:
            writer.tell(bills)
            CompiledEngine(network, streams, [writer]).run(UNTIL_NS)
            writer.close("complete", UNTIL_NS, summary={})
    accounts = Accounts(path)
    n_parts = len(list((path / "trace").glob("events-*")))
    assert n_parts == 3
    pieces = (range(2), *range(2, n_parts), TAIL)
    sums = [accounts.sums(piece) for piece in pieces]
    shares = [accounts.shares(piece) for piece in pieces]
    assert None not in sums
    assert None not in shares
    paid = [{"payers": each.payers, "numerators": each.numerators, "state": each.state} for each in shares if each]
    return fingerprint(*(vars(each) for each in sums), *paid)


def test_an_account_is_what_its_version_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventnet.operations.accounts.TOGETHER", 2)
    assert accounts_of(tmp_path / "run") == ACCOUNTS[ACCOUNTS_VERSION], (
        "bills are summed or shared in another way, or an account holds other things, than under this "
        "ACCOUNTS_VERSION: if that is meant, raise it and note the new fingerprint under the new number"
    )
