"""Data sets that users fetch or have, and the streams that show them to a network.

Nothing is imported here, so that the command line starts fast: take `read_idx` from `.idx`, `load_mnist` and
`load_mnist_subset` from `.mnist`, `fetch_mnist` from `.fetching`, `temporal_order` from `.ordering`, `fade` from
`.fading`, `ImageStream` and `LabelStream` from `.streams`.
"""
