"""What Appendix F of the paper says: the sixteen rows of its table, and those of its numbers that are known here.

Source: P. O'Connor, E. Gavves, M. Reisser, M. Welling, "Temporally Efficient Deep Learning with Spikes", 2017,
arXiv 1706.04159. Networks of one to four hidden layers of 200 learn MNIST and Temporal MNIST, once as the paper's
spiking network (PDNN) and once as an ordinary one (MLP), online, one image at a time.

The authors' code (github.com/petered/pdnn, commit 3c0a63c) says how such rows were trained and counted:

- `pdnn/helpers/demo_pdnn_mnist.py`: layers of 200, ReLU, softmax with cross-entropy, learning rate 0.01, 50 epochs,
  Xavier weights, k_p = 0.1 and k_d = 1 (k_alpha = 0.91) with scales that adapt at 0.001, the rule `past`; the ordinary
  network begins with the same weights and learns at the same rate. Tests are made twice an epoch on the training and
  the test images, and the best of each is printed. Forward and update operations are counted over all layers; the
  backward ones are set to zero. An ordinary network is charged one operation a weight and pass there.
- `pdnn/helpers/measure_mnist_results.py`: energy, from Horowitz 2014 in 32-bit integers: 0.1 pJ for each addition of a
  spiking network, and for an ordinary one half of an addition and a multiplication (3.1 pJ) for each operation, where
  operations are additions and multiplications together.

So an operation is one thing in the first file and another in the second. Here an ordinary layer costs 2 d_in d_out
operations a pass, d_in d_out of each kind (docs/semantics.md, section 7), which is what the second file means; the
first would give half as many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

DataName = Literal["mnist", "temporal-mnist"]
NetworkName = Literal["pdnn", "mlp"]

HIDDEN_SIZE = 200
MAX_HIDDEN_LAYERS = 4
AUTHORS_EPOCHS = 50


class Span(NamedTuple):
    """The least and the greatest of what is told; equal where it is one number."""

    low: float
    high: float


@dataclass(frozen=True)
class Published:
    """The paper's numbers of one row, None where this project does not know them.

    Right answers in percent to training and test images; operations a training image, forward and update; the paper's
    estimate of their energy, in joules an image.
    """

    train_percent: Span | None = None
    test_percent: Span | None = None
    operations: float | None = None
    energy_j: float | None = None


@dataclass(frozen=True)
class Row:
    """A row of the table: which data, which kind of network, how many hidden layers of `HIDDEN_SIZE`."""

    data: DataName
    network: NetworkName
    hidden_layers: int

    @property
    def name(self) -> str:
        """What the row is called on the command line and on the disk: mnist-pdnn-1, temporal-mnist-mlp-4."""
        return f"{self.data}-{self.network}-{self.hidden_layers}"


ROWS = tuple(
    Row(data, network, hidden_layers)
    for data in get_args(DataName)
    for hidden_layers in range(1, MAX_HIDDEN_LAYERS + 1)
    for network in get_args(NetworkName)
)

_PUBLISHED = {
    Row("mnist", "pdnn", 1): Published(test_percent=Span(98.36, 98.36), operations=711e3),
    Row("temporal-mnist", "pdnn", 1): Published(test_percent=Span(97.99, 98.39), operations=484e3),
}
"""The paper's results for MNIST and Temporal MNIST as this project's specification quotes them, beside its own figures
for one hidden layer of 200: 98.36 %, 97.99 to 98.39 %, 711k and 484k operations. It does not say what the range is
over. The table itself was not at hand, so all other numbers are left out.
"""


def published(row: Row) -> Published:
    """The paper's numbers of a row."""
    return _PUBLISHED.get(row, Published())
