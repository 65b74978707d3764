"""The signal code of the specification's section 1, vectorised over time: the oracle for everything else."""
