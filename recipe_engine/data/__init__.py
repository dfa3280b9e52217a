"""Datasets: the ones that ship inside the package, and how rows are read and rendered."""
