"""The names of columns in the tables and arrays that kernels read, since a kernel knows only numbers.

A *side* is one direction of one population: side i is the forward side of population i, side n + i its backward side
for n populations. A *ring* holds the spikes under way through one direction of one projection, numbered alike. A
*trace* is x_hat of a projection (trace k) or e_hat of a population (trace m + i for m projections).
"""

# The head of the pool of integers: what there is one of, and the places of all arrays in their pools
(
    NOW_NS,
    NEXT_EVENT,
    LEARNING_ENABLED,
    UPDATING,
    ANY_STALE,
    FAULT,
    PASSES,
) = range(7)
N_COUNTERS = 7  # those above change and are saved
(
    N_POPULATIONS,
    N_PROJECTIONS,
    N_SENSORS,
    N_STREAMS,
    N_PROBES,
    N_OWNERS,
    LARGEST_SIZE,
    RULE,
    RECORDING,
    N_SIDES,  # those that are in use: without errors the forward sides only
) = range(N_COUNTERS, 17)
N_NUMBERS = 17  # what is in the head before the places
HEAD = 110
(
    SIDE_TABLE,
    SIDE_CONSTANTS,
    POPULATION_TABLE,
    PROJECTION_TABLE,
    STEPS,
    FADINGS,
    ETAS,
    LISTS,
    ORDERS,
    TRAVELS,
    CODE_ALPHAS,
    CODE_PERIODS,
    TRACE_TABLE,
    TRACE_ALPHAS,
    PROBE_TABLE,
    EVERYONE,
    KEPT,
    KEPT_PLACES,
    SIDE_STATE,
    SIDE_NUMBERS,
    SYNAPSE_STATE,
    PROBES_NS,
    BIAS,
    HELD,
    X_LAST,
    PHI,
    T_LAST,
    Y,
    CODES_NS,
    TRACES,
    TRACE_SQUARES,
    TRACE_FACTORS,
    TRACES_NS,
    WEIGHTS,
    PRODUCTS,
    TOUCHED,
    AREAS,
    SEEN,
    DUE,
    DUE_BACK,
    TREE,
    BOUNDS,
    RINGS,
    TRAVELLING,
    TRAVELLING_NUMBERS,
    SPIKE_NEURONS,
    SPIKE_EVENTS,
    SPIKE_S,
    SPIKE_AMOUNTS,
    RENEWED,
    ARRIVED_SCALES,
    GRADIENT,
    BIAS_STEPS,
    BIAS_NEURONS,
    STALE_NEURONS,
    MARKS,
    WHO,
    PREDICTED_TIMES,
    BOUNDED,
    POWERS,
    LANES,
    FADED_NS,
    FADES,
    ROOM,
    VECTORS,
    DRIVEN,
    STREAMS,
    NEXT_NS,
    PARTS,
    PART_NUMBERS,
    SAMPLES,
    SAMPLE_VALUES,
    SAMPLE_NUMBERS,
    SAMPLE_CHANNELS,
    BATCHES_TOLD,
    BATCH_SCALES,
    TOLD_NEURONS,
    TOLD_VALUES,
    TOLD_CAUSES,
    OUTCOMES_TOLD,
    LOSSES,
    CURSOR,
    LIMITS,
    COUNT_EVENTS,
    COUNT_UNITS,
    COUNT_SINGLES,
    PLAYED_NEXT,
    PLAYED_GROUPS,
    PLAYED_NEURONS,
    PLAYED_S,
    PLAYED_WAKES,
    PLAYED_SCALES_NEXT,
    PLAYED_SCALES,
) = range(N_NUMBERS, HEAD)
NEVER_NS = 2**63 - 1
NOTHING, OUTCOMES_ONLY, EVENTS_TOO = range(3)  # what is recorded
COPIED, GIVEN = 0, -1  # in place of a divisor: values that stand for themselves, in the feed or where a stream has them
NO_ONE, ALL, LISTED = 0, 1, 2  # who decides, or whose predictions no longer hold
LOOKED = 3  # predictions of all neurons are missing, but at the tick that came since it was seen who fires

# Tables.side_table: what does not change of a side
(
    SIZE,
    OFFSET,  # of its neurons in the arrays of both directions (x_last, phi, t_last)
    ENCODES,
    PERIOD,
    PHASE,
    AT_ONCE,  # decides when something arrives, on or off its ticks
    LAZY,
    SELF_WAKES,  # its neurons' own spikes are predicted
    HASTY,  # with a bound first
    ADAPT_PERIOD,
    FIRST_CODE,  # of the codes that its dendrites decode, in the arrays of codes
    N_CODES,
    DECODERS,  # offset in y
    FIRST_NODE,  # of the tree of its predictions
    LEAVES,
) = range(15)
SIDE_TABLE_WIDTH = 15

# Tables.side_constants
(
    ALPHA,
    ETA_K,
    K_REL,
    WANTED_KEPT,  # what label smoothing leaves of what is wanted of an output
    WANTED_EVENLY,  # what it gives to each of its neurons
) = range(5)
SIDE_CONSTANTS_WIDTH = 5

# Tables.population_table
(
    NONLINEARITY,
    IS_SENSOR,
    TARGET,  # index of the target that it has, or -1
    LEARNS_BIAS,
    CARRIES_ERROR,
    FIRST_OUT,  # its outgoing projections are Tables.lists[FIRST_OUT:END_OUT]
    END_OUT,
    FIRST_IN,
    END_IN,
    IS_PLAYED,  # an excerpt: its spikes are those that were recorded, and but its kept neurons are worked out
    FIRST_KEPT,  # in Tables.kept
    N_KEPT,
) = range(12)
POPULATION_TABLE_WIDTH = 12

# Tables.projection_table
(
    SOURCE,
    SINK,
    FIRST_WEIGHT,  # in weights and products
    DELAY,
    DELAY_BACK,
    LEARNS,
    DELIVERS_ERROR,
    CODE,  # which of the sink's decoders listens to it
    CODE_BACK,  # which of the source's error decoders listens to it
    REGION,  # where the spikes that arrive now are kept, in the arrays of spikes
    REGION_BACK,
    FIRST_AREA,  # in areas
    FIRST_DUE,  # in due; in due_back it is the trace's offset
    IS_CUT,  # an excerpt: its weights are columns into kept neurons, [n_source, n_kept], from FIRST_WEIGHT on,
    FIRST_ROW,  # and then rows out of kept neurons, [n_kept, n_target]
) = range(15)
PROJECTION_TABLE_WIDTH = 15

# Tables.trace_table
TRACE_OFFSET, TRACE_SIZE, TRACE_PERIOD = range(3)
TRACE_TABLE_WIDTH = 3

# Tables.probe_table
PROBED, VARIABLE, PROBE_PERIOD = range(3)
PROBE_TABLE_WIDTH = 3
SEES_X, SEES_Z, SEES_PHI, SEES_E = range(4)

RELU, LINEAR, TANH, SOFTMAX = range(4)
RECONSTRUCTION, PAST, FUTURE, ACCRUAL = range(4)  # stdp is the same sum as future, as the actor engine says

# Arrays.side_state: the four times at which a side has something to do come first
(
    TICK_NS,
    ADAPT_NS,
    POSTPONED_NS,
    PREDICTED_NS,
    REASON,  # the last event that reached it
    SPIKES,  # how many it sent in this instant
    DECIDING,
    FIRST_LISTED,  # channels of the sample that reached some of a sensor's neurons, in Feed.sample_channels
    N_LISTED,
    STALE,
    N_STALE,
    SETTLED_NS,
    UNSETTLED_NS,  # no neuron has a tick before this that is still to be settled
    N_BIAS_STEPS,  # how many neurons' biases change in this instant; ~n: of a played side n that are worked out
    BIAS_CAUSE,
    HAS_GRADIENT,
    ENCODED_TOGETHER,  # all its neurons encoded last at one time; of all but self-wakers kernels keep only the first's
) = range(17)
SIDE_STATE_WIDTH = 17
N_TIMES = 4

# Arrays.side_numbers
K_BETA, MU, SPIKE_SCALE = range(3)
SIDE_NUMBERS_WIDTH = 3

# Arrays.synapse_state: three times first
(
    DENSE_NS,
    ARRIVAL_NS,
    ARRIVAL_BACK_NS,
    ARRIVED,  # how many spikes reached it in this instant
    ARRIVED_AT,  # where they are in the arrays of spikes
    LEARNING,  # it has something to learn from in this instant
    HAS_NEGATIVE_ZERO,
    LATEST,  # which of its areas is that of now
    N_RENEWED,  # how many of the spikes that arrived brought their row up to date
) = range(9)
SYNAPSE_STATE_WIDTH = 9
N_SYNAPSE_TIMES = 3

# Arrays.rings
RING_OFFSET, CAPACITY, FIRST, COUNT = range(4)
RINGS_WIDTH = 4
# Arrays.travelling, Arrays.travelling_numbers
RING_TIME, RING_NEURON, RING_EVENT = range(3)
TRAVELLING_WIDTH = 3
RING_S, RING_SCALE = range(2)
TRAVELLING_NUMBERS_WIDTH = 2

FADES_KEPT = 8  # Work.faded_ns, Work.fades: of each place; a power of two
# Work.vectors: working space for one population at a time
V_X, V_Z, V_S, V_SUM, V_XHAT, V_EHAT, V_STEP, V_MASK, V_ZERO = range(9)

# Feed.streams: which part of its window the sample that comes next is in, and as which of its samples
PART, END_PART, AT, TAKEN, ENDS = range(5)
STREAMS_WIDTH = 5
# Feed.parts: of consecutive samples of a stream. Feed.part_numbers has their times from FIRST_TIME on; after these come
# the ends of their values, [n + 1] counted from PART_VALUE on, or those numbers of a target that each is named by.
(
    N_SAMPLES,
    FIRST_TIME,
    CARRIES,
    WIDTH,  # how many values a sample has, where all have as many
    PART_VALUE,
    PART_CHANNEL,
    PART_DIVISOR,
    PART_NUMBER_BYTES,
    N_FINITE,  # how many of its samples, from the first on, are known to have finite values
) = range(9)
PARTS_WIDTH = 9
ALL_CHANNELS, SOME_CHANNELS, WANTED = range(3)  # what samples carry
OF_LABEL, OF_GROUP, OF_LEARN = range(1, 4)  # of a target's
# Feed.samples: of each stream the sample that comes next. VALUE and CHANNEL are places; CHANNEL is -1 for all channels.
(
    VALUE,
    CHANNEL,
    N_VALUES,
    DIVISOR,  # of whole numbers, whose place counts numbers of their own width; or COPIED or GIVEN
    NUMBER_BYTES,  # their width
    LABEL,  # -1 where values are wanted
    GROUP,
    LEARN,
) = range(8)
SAMPLES_WIDTH = 8

# Out.batches_told, Out.outcomes_told, Out.cursor
FIRST_EVENT, BATCH_TIME, BATCH_PHASE, BATCH_KIND, OWNER, START, N_EVENTS = range(7)
OUTCOME_TIME, OUTCOME_TARGET, OUTCOME_GROUP, LEARNED, PREDICTED, TRUE_LABEL = range(6)
BATCHES, EVENTS, OUTCOMES = range(3)

# Played.played_groups: spikes of a side of one time. Played.played_next: of each side the group that comes next and the
# end of its groups, and the same of the times at which it encodes
PLAYED_NS, PLAYED_FIRST, N_PLAYED = range(3)
PLAYED_GROUPS_WIDTH = 3
NEXT_GROUP, END_GROUP, NEXT_WAKE, END_WAKE = range(4)
PLAYED_NEXT_WIDTH = 4

# What a run of the kernel ends with; FAULT says which stream, ring or population
DONE, NEEDS_SAMPLES, NOT_FINITE, NEEDS_ROOM, NEEDS_RING, DIVERGED, MISPREDICTED = range(7)
