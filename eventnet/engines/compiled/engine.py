"""The wrapper around the kernels: everything is checked here, since a kernel checks nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eventnet.engines.areas import convert
from eventnet.engines.base import Parameters, Recorders, Sent, State, Streams, hearing_blocks, hearing_events
from eventnet.engines.compiled import layout
from eventnet.engines.compiled.entry import entry
from eventnet.engines.compiled.excerpt import Excerpt, Played, lay_out, make_played, with_room_for
from eventnet.engines.compiled.feeding import Feed, Feeder, make_feed, with_room
from eventnet.engines.compiled.learned import areas_of, weights_at
from eventnet.engines.compiled.pools import Sim, pooled, repooled
from eventnet.engines.compiled.recording import drain, make_out
from eventnet.engines.compiled.state import (
    Arrays,
    count_pending,
    grow_ring,
    load_arrays,
    make_arrays,
    make_work,
    save_arrays,
)
from eventnet.engines.compiled.tables import make_tables, rule_of
from eventnet.engines.divergence import diverged
from eventnet.engines.streams import check_streams
from eventnet.errors import RunError
from eventnet.network import Network, derive
from eventnet.operations.bills import Totals


class CompiledEngine:
    """The actor engine's meaning, compiled: in float64 the same events, totals and weights to the bit.

    States are its own: one engine does not load the other's.
    """

    def __init__(
        self,
        network: Network,
        streams: Streams,
        recorders: Recorders = (),
        *,
        blank: bool = False,
        excerpt: Excerpt | None = None,
    ) -> None:
        """Raises InputError where the network cannot be simulated or a stream does not fit it.

        `blank`: a state will be loaded before anything else is done, so no weights are drawn. `excerpt`: only this
        is worked out; what others send has to be given to `play` for any time before it is run.
        """
        self.graph = derive(network)
        self._excerpt = excerpt
        check_streams(self.graph, streams)
        self._recorders = tuple(recorders)
        self._streams = streams
        net = make_tables(self.graph, excerpt)
        arrays = make_arrays(self.graph, net, blank=blank, excerpt=excerpt)
        work = make_work(net, arrays)
        self._in_blocks = hearing_blocks(recorders)
        self._hearing = tuple(each for each in hearing_events(recorders) if each not in self._in_blocks)
        out = make_out(net, self._recording())
        played = make_played(len(net.side_table), excerpt)
        self._pools = pooled(self._head(), net, arrays, work, make_feed(self.graph), out, played)
        self._feeder = Feeder(self.graph, streams)
        self._now_ns = 0
        out = self._pools.out
        self.totals = Totals(out.count_events, out.count_units, out.count_singles)

    @property
    def now_ns(self) -> int:
        """The time up to which everything has happened."""
        return self._now_ns

    @property
    def weights(self) -> Mapping[str, NDArray[np.floating]]:
        """The weight matrix of every projection by name, [n_source, n_target], with all learned so far; a copy."""
        enabled = bool(self._pools.ints[layout.LEARNING_ENABLED])
        return {
            projection.name: weights_at(self.graph, self._pools.net, self._pools.state, k, self._now_ns, enabled)
            for k, projection in enumerate(self.graph.projections)
        }

    @property
    def passes(self) -> int:
        """At how many instants so far any stream had a sample."""
        return int(self._pools.ints[layout.PASSES])

    @property
    def n_pending(self) -> int:
        """How many events wait for their time: as many as in the actor engine's queue, or fewer with `wake: exact`."""
        return count_pending(self._pools.net, self._pools.state)

    def run(self, until_ns: int) -> None:
        """Let everything happen that happens before `until_ns`; RunError at the first state that is not finite."""
        if until_ns <= self._now_ns:
            return
        until_ns = min(until_ns, layout.NEVER_NS)
        if self._feeder.begin():
            self._lay_out()
            self._feeder.check_first(self._pools.feed)
        run, ended = entry(self.graph.network.dtype), layout.NEEDS_ROOM
        while ended != layout.DONE:
            ended = run(Sim(self._pools.ints, self._pools.doubles, self._pools.floats, self._feeder.given), until_ns)
            # before anything is raised, so that recorders have all that came before
            drain(self._pools.out, self._recorders, self._hearing, self._in_blocks)
            fault = int(self._pools.ints[layout.FAULT])
            if ended == layout.NEEDS_SAMPLES:
                self._feeder.extend(fault, self._pools.feed)
                self._lay_out()
            elif ended == layout.NOT_FINITE:
                self._feeder.refuse_following(fault, self._pools.feed)
            elif ended == layout.NEEDS_RING:
                self._move(state=grow_ring(self._pools.state, fault))
            elif ended == layout.DIVERGED:
                k_beta, n = self._pools.state.side_numbers[:, layout.K_BETA], len(self.graph.populations)
                scales = float(k_beta[fault]), float(k_beta[n + fault])
                raise diverged(self.graph, fault, int(self._pools.ints[layout.NOW_NS]), scales)
            elif ended == layout.MISPREDICTED:
                name = self.graph.populations[fault % len(self.graph.populations)].name
                raise RunError(f"population {name} was predicted from a state that is not its own; please report this")
        self._now_ns = until_ns

    def parameters(self) -> Parameters:
        """What the network has come to: weights, biases and scales, as copies."""
        state, n = self._pools.state, len(self.graph.populations)
        names = [population.name for population in self.graph.populations]
        cuts = np.cumsum([population.size for population in self.graph.populations])[:-1]
        k_beta = state.side_numbers[:, layout.K_BETA].tolist()
        return Parameters(
            weights=dict(self.weights),
            biases={name: bias.copy() for name, bias in zip(names, np.split(state.bias, cuts), strict=True)},
            k_beta_forward=dict(zip(names, k_beta[:n], strict=True)),
            k_beta_backward=dict(zip(names, k_beta[n:], strict=True)),
        )

    def set_scales(self, forward: float | None, backward: float | None) -> None:
        """Let every population encode with this k_beta from now on; None leaves it. Not with `wake: exact`."""
        k_beta, n = self._pools.state.side_numbers[:, layout.K_BETA], len(self.graph.populations)
        if forward is not None:
            k_beta[:n] = forward
        if backward is not None:
            k_beta[n:] = backward

    def state(self) -> State:
        """Everything the future depends on, as a copy."""
        return {
            "now_ns": self._now_ns,
            "eta": self.graph.network.eta,
            "counters": self._pools.ints[: layout.N_COUNTERS].copy(),
            "arrays": self._saved_arrays(),
            "positions": self._feeder.positions(self._pools.feed),
            "totals": self.totals.state(),
        }

    def _saved_arrays(self) -> dict[str, Any]:
        state = self._pools.state
        if self._excerpt is None:
            return save_arrays(state)
        # of areas, which are most of what an excerpt has, those that are in use: untouched zeros take no time
        areas = np.zeros(state.areas.shape, state.areas.dtype)
        saved = save_arrays(state._replace(areas=areas[:0]))
        for k in range(len(self.graph.projections) if areas.size else 0):
            used = slice(0, int(state.synapse_state[k, layout.LATEST]) + 1)
            kept = areas_of(self._pools.net, state._replace(areas=areas), k)
            kept[used] = areas_of(self._pools.net, state, k)[used]
        return saved | {"areas": areas}

    def live_state(self) -> State:
        """The counters and arrays of `state()` without copying them: to look at before the engine goes on."""
        counters, arrays = self._pools.ints[: layout.N_COUNTERS], self._pools.state._asdict()
        return {"now_ns": self._now_ns, "counters": counters, "arrays": arrays}

    def load_state(self, state: State) -> None:
        """Go on from a `state()` of a compiled engine of the same network and streams, to the bit."""
        self._now_ns = state["now_ns"]
        self._pools.ints[: layout.N_COUNTERS] = state["counters"]
        is_whole = self._excerpt is None
        arrays = load_arrays(self._pools.net, self._pools.state, state["arrays"], is_whole=is_whole)
        if arrays is not self._pools.state:
            self._move(state=arrays)
        convert(self._pools.state.areas, state["eta"], self.graph.network.eta)
        self._feeder = Feeder(self.graph, self._streams, list(state["positions"]))
        self.totals.load_state(state["totals"])

    def begin_streams(self) -> None:
        """Go on with streams that have begun anew, with what comes from now on."""
        self._feeder = Feeder(self.graph, self._streams)

    def play(self, sent: Mapping[int, Sent]) -> None:
        """Of an excerpt: have all sides that are played send this from now on; what is left is forgotten."""
        played = with_room_for(self._pools.played, sent)
        if played is not self._pools.played:
            self._move(played=played)
        lay_out(self._pools.played, sent)
        side_state, side_table = self._pools.state.side_state, self._pools.net.side_table
        for side, each in sent.items():
            if side_table[side, layout.SELF_WAKES]:  # when it does, is recorded: nothing is foreseen
                side_state[side, layout.STALE] = layout.NO_ONE
                side_state[side, layout.PREDICTED_NS] = min(each.encoded_ns[:1], default=layout.NEVER_NS)

    def _lay_out(self) -> None:
        """Have what was read of the streams where kernels find it."""
        feed = with_room(self._pools.feed, self._feeder.room())
        if feed is not self._pools.feed:
            self._move(feed=feed)
        self._feeder.lay_out(self._pools.feed)

    def _move(self, *, state: Arrays | None = None, feed: Feed | None = None, played: Played | None = None) -> None:
        """Go on in other pools, since something needs more room."""
        self._pools = repooled(self._pools, state=state, feed=feed, played=played)
        out = self._pools.out
        self.totals.events, self.totals.units = out.count_events, out.count_units
        self.totals.singles = out.count_singles

    def _recording(self) -> int:
        if self._hearing or self._in_blocks:
            return layout.EVENTS_TOO
        return layout.OUTCOMES_ONLY if self._recorders else layout.NOTHING

    def _head(self) -> dict[int, int]:
        graph = self.graph
        n, m = len(graph.populations), len(graph.projections)
        return {
            layout.LEARNING_ENABLED: 1,
            layout.ANY_STALE: 1,
            layout.FAULT: -1,
            layout.N_POPULATIONS: n,
            layout.N_PROJECTIONS: m,
            layout.N_SENSORS: len(graph.sensor_of),
            layout.N_STREAMS: len(graph.sensor_of) + len(graph.target_of),
            layout.N_PROBES: len(graph.network.probes),
            layout.N_OWNERS: max(n, m),
            layout.LARGEST_SIZE: max(p.size for p in graph.populations),
            layout.RULE: rule_of(graph),
            layout.RECORDING: self._recording(),
            layout.N_SIDES: 2 * n if any(graph.carries_error) else n,
        }
