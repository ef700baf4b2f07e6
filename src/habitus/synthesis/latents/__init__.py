"""What the latents of a run hold: encodings, traversals, explanations and cohorts."""
