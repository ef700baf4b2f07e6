"""The context mixture: a mixture over whole users that fills whatever is missing."""
