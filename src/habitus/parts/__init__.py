"""What models are made of: shapes, nets, likelihoods, priors, objectives."""
