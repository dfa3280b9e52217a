"""TRL's trainers, as far as they must differ: rows come prepared, and prompts are cut where the recipe says so."""
