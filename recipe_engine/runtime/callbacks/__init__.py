"""What is written down and shown while training."""
