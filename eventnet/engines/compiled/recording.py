"""The buffers into which kernels write events and outcomes, and their way to the recorders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from eventnet.engines.base import BlockRecorder, Recorder, Recorders
from eventnet.engines.compiled import layout
from eventnet.engines.compiled.tables import Doubles, Ints, Tables
from eventnet.trace.events import EventBatch, EventBlock, Kind, Outcome, Phase

ROOM_EVENTS = 1 << 16
"""Events that the buffers hold at least; more, where one instant may have more."""


class Out(NamedTuple):
    """What kernels tell: batches of events, outcomes, totals."""

    batches_told: Ints  # [batches, .]
    batch_scales: Doubles  # [batches]
    told_neurons: Ints  # [events]
    told_values: Doubles  # [events]
    told_causes: Ints  # [events]
    outcomes_told: Ints  # [outcomes, .]
    losses: Doubles  # [outcomes]
    cursor: Ints  # how many batches, events, outcomes
    limits: Ints  # how many of each there may be when an instant begins
    count_events: Ints  # [kinds, owners] totals
    count_units: Ints
    count_singles: Ints


def make_out(net: Tables, recording: int) -> Out:
    """Buffers with room for the longest instant there can be, and then some."""
    n, m = len(net.population_table), len(net.projection_table)
    sizes = net.side_table[:n, layout.SIZE]
    # samples, spikes and one each of encode, loss, error encode, bias update, adaptation; spikes by projection: their
    # arrivals and updates; dense learning or an area that grows and begins anew; probes
    spikes_by_projection = int(
        net.trace_table[:m, layout.TRACE_SIZE].sum() + sizes[net.projection_table[:, layout.SINK]].sum()
    )
    probed = int(sizes[net.probe_table[:, layout.PROBED]].sum())
    events = int(3 * sizes.sum() + 6 * n + 2 * spikes_by_projection + 3 * m + probed)
    batches = 10 * n + 8 * m + len(net.probe_table)
    every = recording == layout.EVENTS_TOO
    room_events = events + max(events, ROOM_EVENTS) if every else 0
    room_batches = batches + max(batches, ROOM_EVENTS // 8) if every else 0
    room_outcomes = n + 1024 if recording else 0
    # the cursor of what is not recorded stays at 0
    limits = [max(room_batches - batches, 0), max(room_events - events, 0), max(room_outcomes - n, 0)]
    return Out(
        batches_told=np.zeros((room_batches, 7), np.int64),
        batch_scales=np.zeros(room_batches, np.float64),
        told_neurons=np.zeros(room_events, np.int64),
        told_values=np.zeros(room_events, np.float64),
        told_causes=np.zeros(room_events, np.int64),
        outcomes_told=np.zeros((room_outcomes, 6), np.int64),
        losses=np.zeros(room_outcomes, np.float64),
        cursor=np.zeros(3, np.int64),
        limits=np.array(limits, np.int64),
        count_events=np.zeros((len(Kind), max(n, m)), np.int64),
        count_units=np.zeros((len(Kind), max(n, m)), np.int64),
        count_singles=np.zeros((len(Kind), max(n, m)), np.int64),
    )


def drain(out: Out, recorders: Recorders, hearing: Sequence[Recorder], in_blocks: Sequence[BlockRecorder] = ()) -> None:
    """Hand everything recorded on, in order, and empty the buffers; of all recorders, `hearing` are told events by the
    batch and `in_blocks` all of them at once, after the others.
    """
    _tell_each(out, recorders, hearing)
    if in_blocks and out.cursor[0]:
        block = _block(out)
        for recorder in in_blocks:
            recorder.block(block)
    out.cursor[:] = 0


def _block(out: Out) -> EventBlock:
    """Everything recorded, as views of the buffers."""
    n_batches, n_events, _ = out.cursor.tolist()
    first, time_ns, phase, kind, owner, _, size = out.batches_told[:n_batches].T
    neurons, values, causes = out.told_neurons[:n_events], out.told_values[:n_events], out.told_causes[:n_events]
    return EventBlock(first, time_ns, phase, kind, owner, size, out.batch_scales[:n_batches], neurons, values, causes)


def _tell_each(out: Out, recorders: Recorders, hearing: Sequence[Recorder]) -> None:
    n_batches, n_events, n_outcomes = out.cursor.tolist()
    if not hearing:
        for outcome in range(n_outcomes):
            _tell_outcome(out, outcome, recorders)
        return
    # copies, since recorders keep what they are given
    neurons, causes = (each[:n_events].copy() for each in (out.told_neurons, out.told_causes))
    values = out.told_values[:n_events].copy()
    scales = out.batch_scales[:n_batches].tolist()
    outcome = 0
    for scale, (first, time_ns, phase, kind, owner, start, n) in zip(
        scales, out.batches_told[:n_batches].tolist(), strict=True
    ):
        if kind == Kind.LOSS:
            _tell_outcome(out, outcome, recorders)
            outcome += 1
        part = slice(start, start + n)
        batch = EventBatch(
            first, time_ns, Phase(phase), Kind(kind), owner, neurons[part], values[part], scale, causes[part]
        )
        for recorder in hearing:
            recorder.events(batch)


def _tell_outcome(out: Out, place: int, recorders: Recorders) -> None:
    time_ns, target, group, learned, predicted, label = out.outcomes_told[place].tolist()
    told = Outcome(time_ns, target, group, bool(learned), predicted, label, float(out.losses[place]))
    for recorder in recorders:
        recorder.outcome(told)
