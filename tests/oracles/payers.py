"""Who pays for each event, told event by event from its definition (docs/operations.md), without anything kept up.

What a population holds is summed anew each time over all that ever reached it, and causes are followed by their ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eventnet.network.graph import Graph
from eventnet.trace.events import EventBatch, Kind

Shares = NDArray[np.float64]


@dataclass
class Holdings:
    """What reached one population in one direction: times, sizes, shares, and each spike's decay a nanosecond."""

    times: list[int] = field(default_factory=list)
    sizes: list[float] = field(default_factory=list)
    shares: list[Shares] = field(default_factory=list)
    codes: list[tuple[float, int]] = field(default_factory=list)

    def add(self, time_ns: int, size: float, shares: Shares, code: tuple[float, int]) -> None:
        self.times.append(time_ns)
        self.sizes.append(size)
        self.shares.append(shares)
        self.codes.append(code)

    def at(self, time_ns: int) -> Shares | None:
        """Shares of what is left at a time, or was at the last arrival; None where nothing ever came."""
        if not self.times:
            return None
        for when in (time_ns, self.times[-1]):
            left = [
                size * k_alpha ** ((when - t) / period)
                for t, size, (k_alpha, period) in zip(self.times, self.sizes, self.codes, strict=True)
            ]
            total = sum(left)
            if total > 0:
                return np.asarray(sum(each * shares for each, shares in zip(left, self.shares, strict=True)) / total)
        raise AssertionError("the last arrival is always there at its own time")


def shares_of_events(batches: Sequence[EventBatch], graph: Graph) -> Shares:
    """The share of every payer (sensors, targets, nobody) in every event, float64 [n_events, n_payers]."""
    n_sensors, n_targets = len(graph.network.sensors), len(graph.network.targets)
    one = np.eye(n_sensors + n_targets + 1)
    forward = [Holdings() for _ in graph.populations]
    backward = [Holdings() for _ in graph.populations]
    found: dict[int, Shares] = {}
    last_loss = one[-1]

    def held(i: int, time_ns: int) -> Shares:
        if i in graph.sensor_of:
            return np.asarray(one[graph.sensor_of[i]])
        shares = forward[i].at(time_ns)
        return np.asarray(one[-1]) if shares is None else shares

    def held_back(i: int, time_ns: int) -> Shares:
        if i in graph.target_of:
            return np.asarray(one[n_sensors + graph.target_of[i]])
        shares = backward[i].at(time_ns)
        return held(i, time_ns) if shares is None else shares

    def reach(k: int, event: dict[str, Any], shares: Shares) -> None:
        source, target = graph.source_of(k), graph.target_population_of(k)
        code = (graph.populations[source].forward.k_alpha, graph.forward_period_ns[source])
        forward[target].add(event["time_ns"], event["size"], shares, code)

    def reach_back(k: int, event: dict[str, Any], shares: Shares) -> None:
        source, target = graph.source_of(k), graph.target_population_of(k)
        code = (graph.populations[target].backward.k_alpha, graph.backward_period_ns[target])
        backward[source].add(event["time_ns"], event["size"], shares, code)

    for event in _events(batches):
        kind, owner, time_ns, cause = (event[name] for name in ("kind", "owner", "time_ns", "cause"))
        if kind in (Kind.SAMPLE, Kind.ENCODE, Kind.ADAPT_FORWARD, Kind.PROBE):
            shares = held(owner, time_ns)
        elif kind in (Kind.LOSS, Kind.ERROR_ENCODE, Kind.ADAPT_BACKWARD):
            shares = held_back(owner, time_ns)
        elif kind is Kind.DENSE_UPDATE:
            of_errors = held_back(graph.target_population_of(owner), time_ns)
            shares = (held(graph.source_of(owner), time_ns) + of_errors) / 2
        else:
            shares = found[cause] if cause >= 0 else last_loss
        found[event["event"]] = shares
        if kind is Kind.LOSS:
            last_loss = shares
        elif kind is Kind.FORWARD:
            for k in graph.outgoing[owner]:
                if graph.projections[k].delay_ns == 0:
                    reach(k, event, shares)
        elif kind is Kind.BACKWARD:
            for k in graph.incoming[owner]:
                if graph.delivers_error[k] and graph.projections[k].delay_back_ns == 0:
                    reach_back(k, event, shares)
        elif kind is Kind.FORWARD_ARRIVAL:
            reach(owner, event, shares)
        elif kind is Kind.BACKWARD_ARRIVAL:
            reach_back(owner, event, shares)
    return np.array([found[event] for event in sorted(found)])


def _events(batches: Sequence[EventBatch]) -> list[dict[str, Any]]:
    return [
        {
            "event": batch.first_event + k,
            "time_ns": batch.time_ns,
            "kind": batch.kind,
            "owner": batch.owner,
            "size": abs(float(value)) * batch.scale,
            "cause": int(cause),
        }
        for batch in batches
        for k, (value, cause) in enumerate(zip(batch.values, batch.causes, strict=True))
    ]
