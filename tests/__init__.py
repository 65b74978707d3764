"""Tests of eventnet: each states a claim of the specification and would fail on a zero or a flipped sign."""
