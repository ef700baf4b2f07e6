"""habitus learns the habits in event logs."""
