"""Pipelines: stages read, checked as a graph, compiled, run in processes of their own, and never run twice in vain."""
