"""What a run will do, worked out without running it."""
