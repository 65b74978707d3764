"""The paper's experiments, run by our engines: each a function from settings to numbers, and a table of them."""
