"""Spellings of other frameworks, one file each: ``RENAMES``, ``REMOVED``, and what takes several keys at once."""
