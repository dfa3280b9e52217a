"""Spellings of other programs, a file each, in the form of ``spelling.py``. ``lint/renames.py`` puts them together."""
