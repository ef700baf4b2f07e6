"""Models of profiles as pictures: beta-VAE, context VAE, their networks and likelihoods."""
