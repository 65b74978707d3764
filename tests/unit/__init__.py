"""Small cases computed by hand, and what is said of bad input."""
