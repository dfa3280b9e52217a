"""The worker: the only place that knows torch. It is started as a process and given a compiled run, nothing else."""
