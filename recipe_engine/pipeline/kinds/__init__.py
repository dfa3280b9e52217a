"""The kinds of stages that need no torch, one file a kind: what the process of a stage does."""
