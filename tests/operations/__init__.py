"""What runs cost, in the sums that `eventnet ops` shows."""
