"""recipe-engine: validated YAML recipes, turned into trained language models."""

__version__ = "0.1.0"
