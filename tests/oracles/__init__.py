"""The slow and obvious way to compute what the package computes, in plain loops."""
