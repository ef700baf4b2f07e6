"""Distributions of counts of one or more: whether anything happened at all is another matter (a hurdle)."""
