"""Bills worked out by hand for a small network: 3 sensor neurons - 4 relu - 2 softmax, a delayed copy of the input."""

from __future__ import annotations

import numpy as np
import pytest

from eventnet.network import Learning, Network, Nonlinearity, Population, Projection, Rule, Sensor, Target, derive
from eventnet.operations.bills import COUNTS, Totals, price
from eventnet.trace.events import Kind


def table(rule=Rule.FUTURE):
    network = Network(
        (Population("in", 3), Population("h", 4), Population("o", 2, Nonlinearity.SOFTMAX)),
        (Projection("in", "h"), Projection("in", "h", delay_ns=5), Projection("h", "o")),
        (Sensor("s", "in", 10),),
        (Target("t", "o", 10),),
        Learning(rule),
    )
    return price(derive(network))


def bill(kind, owner, value, rule=Rule.FUTURE):
    row = table(rule).bills(np.array([kind]), np.array([owner]), np.array([float(value)]))[0]
    return {name: int(count) for name, count in zip(COUNTS, row, strict=True) if count}


@pytest.mark.parametrize(
    ("kind", "owner", "value", "expected"),
    [
        # an input spike of 1 reaches four dendrites at once (the delayed projection bills its arrival)
        (Kind.FORWARD, 0, 1, {"adds_unit": 4, "acs": 4, "weight_reads": 4, "state_reads": 4, "state_writes": 4}),
        (Kind.FORWARD, 0, -1, {"adds_unit": 4, "acs": 4, "weight_reads": 4, "state_reads": 4, "state_writes": 4}),
        # a spike of -3 counts three unit additions, but is one multiply-accumulate a synapse
        (Kind.FORWARD, 0, -3, {"adds_unit": 12, "macs": 4, "weight_reads": 4, "state_reads": 4, "state_writes": 4}),
        (
            Kind.FORWARD_ARRIVAL,
            1,
            2,
            {"adds_unit": 8, "macs": 4, "weight_reads": 4, "state_reads": 4, "state_writes": 4},
        ),
        (Kind.FORWARD, 1, 1, {"adds_unit": 2, "acs": 2, "weight_reads": 2, "state_reads": 2, "state_writes": 2}),
        # an output error spike goes back to four hidden neurons; a hidden one to nobody: sensors have no use for it
        (Kind.BACKWARD, 2, 1, {"adds_unit": 4, "acs": 4, "weight_reads": 4, "state_reads": 4, "state_writes": 4}),
        (Kind.BACKWARD, 1, 2, {}),
        # rows of 4 and 2 weights, columns of 3 and 4
        (
            Kind.ROW_UPDATE,
            0,
            2,
            {"adds_unit": 8, "macs": 4, "weight_reads": 4, "weight_writes": 4, "state_reads": 5, "state_writes": 1},
        ),
        (
            Kind.COLUMN_UPDATE,
            0,
            1,
            {"adds_unit": 3, "macs": 3, "weight_reads": 3, "weight_writes": 3, "state_reads": 4, "state_writes": 1},
        ),
        (Kind.DENSE_UPDATE, 2, 1, {"adds_unit": 8, "macs": 8, "weight_reads": 8, "weight_writes": 8, "state_reads": 6}),
        # 5 hidden neurons deciding: decode and h (2), encode and quantize (2)
        (Kind.ENCODE, 1, 5, {"neuron_ops": 20, "state_reads": 20, "state_writes": 10}),
        (Kind.ENCODE, 0, 3, {"neuron_ops": 6, "state_reads": 9, "state_writes": 6}),
        (Kind.ERROR_ENCODE, 1, 4, {"neuron_ops": 16, "state_reads": 16, "state_writes": 8}),
        (Kind.LOSS, 2, 0.7, {"neuron_ops": 4, "state_reads": 4}),
    ],
)
def test_bills_by_hand(kind, owner, value, expected):
    assert bill(kind, owner, value) == expected


def test_the_past_rule_also_reads_and_writes_a_product_at_each_synapse():
    future, past = (bill(Kind.ROW_UPDATE, 0, 1, rule) for rule in (Rule.FUTURE, Rule.PAST))
    assert past["state_reads"] - future["state_reads"] == past["state_writes"] - future["state_writes"] == 4


@pytest.mark.parametrize(
    ("kind", "owner", "value", "expected"),
    [
        # an input spike of 2 renews a row of four weights from two areas of four and its own trace
        (
            Kind.ROW_UPDATE,
            0,
            2,
            {"adds_unit": 8, "macs": 4, "weight_reads": 4, "weight_writes": 4, "state_reads": 9, "state_writes": 1},
        ),
        # the area of two targets grows by e_hat; what their dendrites and four error dendrites are due grows, and is
        # taken: 2 + 2 x 2 + 2 x 4, from e_hat, the area and twice what is due (2 each), the trace and that again (4)
        (Kind.ACCRUE, 2, 1, {"adds_unit": 14, "macs": 14, "state_reads": 20, "state_writes": 14}),
        # sensors take no errors
        (Kind.ACCRUE, 0, 1, {"adds_unit": 12, "macs": 12, "state_reads": 16, "state_writes": 12}),
        # three rows of two weights are renewed together
        (
            Kind.SETTLE,
            2,
            3,
            {"adds_unit": 6, "macs": 6, "weight_reads": 6, "weight_writes": 6, "state_reads": 15, "state_writes": 3},
        ),
        # an output error spike reads four weights and, for each, two areas and its row's trace, and how far areas go
        (
            Kind.BACKWARD,
            2,
            1,
            {"adds_unit": 4, "acs": 4, "macs": 4, "weight_reads": 4, "state_reads": 13, "state_writes": 4},
        ),
    ],
)
def test_bills_of_accrual_by_hand(kind, owner, value, expected):
    assert bill(kind, owner, value, Rule.ACCRUAL) == expected


def test_bills_looked_up_are_the_bills():
    rng = np.random.default_rng(1)
    prices = table(Rule.ACCRUAL)
    kinds, owners = rng.integers(0, len(Kind), 2000), rng.integers(0, 3, 2000)
    values = np.where(rng.random(2000) < 0.9, rng.integers(-40, 41, 2000), rng.integers(-(2**31), 2**31, 2000))
    found = np.stack(prices.columns(kinds, owners, values.astype(float)), axis=1)
    np.testing.assert_array_equal(found, prices.bills(kinds, owners, values.astype(float)))


def test_totals_are_sums_of_bills_for_any_values():
    rng = np.random.default_rng(0)
    prices, totals = table(), Totals.empty(3)
    expected = np.zeros((len(Kind), 3, len(COUNTS)), np.int64)
    for _ in range(200):
        kind, owner = rng.choice(list(Kind)), int(rng.integers(3))
        values = rng.integers(-4, 5, int(rng.integers(1, 9))).astype(float)
        totals.charge(Kind(kind), owner, values)
        n = values.size
        expected[kind, owner] += prices.bills(np.full(n, kind), np.full(n, owner), values).sum(axis=0)
    assert (totals.bills(prices) == expected).all()
    assert expected.sum() > 0
