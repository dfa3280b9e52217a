"""The blocks of a recipe, one file a block. Importing this package builds none of them: import what is needed."""
