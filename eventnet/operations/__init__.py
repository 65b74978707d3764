"""What a run cost: bills per event, their totals, energy tables."""
