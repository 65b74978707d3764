"""Claims that hold for every input, over generated ones."""
