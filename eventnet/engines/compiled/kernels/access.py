"""Where everything is: kernels pass on a handful of pools, and find an array in its pool by the name of its place.

A hundred arrays as arguments of every kernel would take minutes to compile. So all integers are one array, all numbers
of the network's dtype another, and the places of what they hold stand at the head of the integers (`pools.py`).
"""

from __future__ import annotations

from eventnet.engines.compiled import layout
from eventnet.engines.compiled.kernels.compiling import view
from eventnet.engines.compiled.pools import Sim
from eventnet.engines.compiled.state import Floats
from eventnet.engines.compiled.tables import Doubles, Ints
from eventnet.engines.precision import AREAS_KEPT
from eventnet.slices import rest, section, table, table_row


@view
def ints(sim: Sim, name: int) -> Ints:
    """The array of integers called `name` (what follows it in the pool is not to be touched)."""
    return rest(sim.ints, sim.ints[name])


@view
def doubles(sim: Sim, name: int) -> Doubles:
    """The array of float64 called `name`."""
    return rest(sim.doubles, sim.ints[name])


@view
def floats(sim: Sim, name: int) -> Floats:
    """The array of the network's dtype called `name`."""
    return rest(sim.floats, sim.ints[name])


@view
def vector(sim: Sim, which: int) -> Floats:
    """Working space for a value of every neuron of the largest population."""
    return table_row(sim.floats, sim.ints[layout.VECTORS], which, sim.ints[layout.LARGEST_SIZE])


@view
def matrix(sim: Sim, k: int) -> Floats:
    """The weights of projection k, [n_source, n_target]."""
    row = sim.ints[layout.PROJECTION_TABLE] + k * layout.PROJECTION_TABLE_WIDTH
    n_source = sim.ints[
        sim.ints[layout.SIDE_TABLE] + sim.ints[row + layout.SOURCE] * layout.SIDE_TABLE_WIDTH + layout.SIZE
    ]
    n_target = sim.ints[
        sim.ints[layout.SIDE_TABLE] + sim.ints[row + layout.SINK] * layout.SIDE_TABLE_WIDTH + layout.SIZE
    ]
    start = sim.ints[layout.WEIGHTS] + sim.ints[row + layout.FIRST_WEIGHT]
    return table(sim.floats, start, n_source, n_target)


@view
def is_cut(sim: Sim, k: int) -> bool:
    """Whether of projection k there are but `kept_columns` and `kept_rows`, as in an excerpt."""
    return bool(projection(sim, k)[layout.IS_CUT] != 0)


@view
def kept_columns(sim: Sim, k: int, name: int) -> Floats:
    """Of the weights of projection k, or their products as `name` says, columns into kept neurons, [n_source, kept]."""
    row = projection(sim, k)
    n_source = side_table(sim, row[layout.SOURCE])[layout.SIZE]
    n_kept = population(sim, row[layout.SINK])[layout.N_KEPT]
    return table(sim.floats, sim.ints[name] + row[layout.FIRST_WEIGHT], n_source, n_kept)


@view
def kept_rows(sim: Sim, k: int, name: int) -> Floats:
    """The same of rows out of kept neurons, [kept, n_target]."""
    row = projection(sim, k)
    n_kept = population(sim, row[layout.SOURCE])[layout.N_KEPT]
    n_target = side_table(sim, row[layout.SINK])[layout.SIZE]
    return table(sim.floats, sim.ints[name] + row[layout.FIRST_ROW], n_kept, n_target)


@view
def is_played(sim: Sim, i: int) -> bool:
    """Whether the spikes of population i are those that were recorded, as in an excerpt."""
    return bool(population(sim, i)[layout.IS_PLAYED] != 0)


@view
def kept_of(sim: Sim, i: int) -> Ints:
    """The neurons of a played population that are worked out, ascending."""
    row = population(sim, i)
    return section(ints(sim, layout.KEPT), row[layout.FIRST_KEPT], row[layout.N_KEPT])


@view
def kept_places(sim: Sim, i: int) -> Ints:
    """Of each neuron of a played population which of those it is, -1 for none."""
    row = side_table(sim, i)
    return section(ints(sim, layout.KEPT_PLACES), row[layout.OFFSET], row[layout.SIZE])


@view
def areas_of(sim: Sim, k: int) -> Floats:
    """The areas of projection k, [AREAS_KEPT, n_target]."""
    row = sim.ints[layout.PROJECTION_TABLE] + k * layout.PROJECTION_TABLE_WIDTH
    n_target = sim.ints[
        sim.ints[layout.SIDE_TABLE] + sim.ints[row + layout.SINK] * layout.SIDE_TABLE_WIDTH + layout.SIZE
    ]
    start = sim.ints[layout.AREAS] + sim.ints[row + layout.FIRST_AREA]
    return table(sim.floats, start, AREAS_KEPT, n_target)


@view
def row_of(sim: Sim, name: int, row: int, width: int) -> Ints:
    """One row of a table of integers."""
    return table_row(sim.ints, sim.ints[name], row, width)


@view
def side_table(sim: Sim, side: int) -> Ints:
    """What does not change of a side."""
    return table_row(sim.ints, sim.ints[layout.SIDE_TABLE], side, layout.SIDE_TABLE_WIDTH)


@view
def side_state(sim: Sim, side: int) -> Ints:
    """What changes of a side."""
    return table_row(sim.ints, sim.ints[layout.SIDE_STATE], side, layout.SIDE_STATE_WIDTH)


@view
def population(sim: Sim, i: int) -> Ints:
    """A population."""
    return table_row(sim.ints, sim.ints[layout.POPULATION_TABLE], i, layout.POPULATION_TABLE_WIDTH)


@view
def projection(sim: Sim, k: int) -> Ints:
    """A projection: what does not change of it."""
    return table_row(sim.ints, sim.ints[layout.PROJECTION_TABLE], k, layout.PROJECTION_TABLE_WIDTH)


@view
def synapse(sim: Sim, k: int) -> Ints:
    """What changes of a projection."""
    return table_row(sim.ints, sim.ints[layout.SYNAPSE_STATE], k, layout.SYNAPSE_STATE_WIDTH)


@view
def ring_of(sim: Sim, ring: int) -> Ints:
    """A ring."""
    return table_row(sim.ints, sim.ints[layout.RINGS], ring, layout.RINGS_WIDTH)


@view
def trace_table(sim: Sim, trace: int) -> Ints:
    """A trace."""
    return table_row(sim.ints, sim.ints[layout.TRACE_TABLE], trace, layout.TRACE_TABLE_WIDTH)


@view
def probe_table(sim: Sim, probe: int) -> Ints:
    """A probe."""
    return table_row(sim.ints, sim.ints[layout.PROBE_TABLE], probe, layout.PROBE_TABLE_WIDTH)


@view
def stream_of(sim: Sim, stream: int) -> Ints:
    """The window of a stream."""
    return table_row(sim.ints, sim.ints[layout.STREAMS], stream, layout.STREAMS_WIDTH)


@view
def side_constants(sim: Sim, side: int) -> Doubles:
    """Numbers that do not change of a side."""
    return table_row(sim.doubles, sim.ints[layout.SIDE_CONSTANTS], side, layout.SIDE_CONSTANTS_WIDTH)


@view
def side_numbers(sim: Sim, side: int) -> Doubles:
    """Numbers that change of a side."""
    return table_row(sim.doubles, sim.ints[layout.SIDE_NUMBERS], side, layout.SIDE_NUMBERS_WIDTH)


@view
def part_of(sim: Sim, part: int) -> Ints:
    """A part of a stream's window."""
    return table_row(sim.ints, sim.ints[layout.PARTS], part, layout.PARTS_WIDTH)


@view
def sample_of(sim: Sim, stream: int) -> Ints:
    """The sample of a stream that comes next."""
    return table_row(sim.ints, sim.ints[layout.SAMPLES], stream, layout.SAMPLES_WIDTH)


@view
def values_from(sim: Sim, divisor: int, first: int) -> Floats:
    """Values of samples that are no whole numbers, from a place on (what follows is not to be touched)."""
    if divisor == layout.GIVEN:
        values = rest(sim.given, first)
    else:
        values = rest(sim.floats, sim.ints[layout.SAMPLE_VALUES] + first)
    return values


@view
def traveller(sim: Sim, place: int) -> Ints:
    """A spike on its way."""
    return table_row(sim.ints, sim.ints[layout.TRAVELLING], place, layout.TRAVELLING_WIDTH)


@view
def traveller_numbers(sim: Sim, place: int) -> Doubles:
    """What it carries."""
    return table_row(sim.doubles, sim.ints[layout.TRAVELLING_NUMBERS], place, layout.TRAVELLING_NUMBERS_WIDTH)
