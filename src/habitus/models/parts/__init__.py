"""Parts that at least two models share."""
