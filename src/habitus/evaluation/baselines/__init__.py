"""Methods without learning that a model must beat: at generating, completing and forecasting."""
