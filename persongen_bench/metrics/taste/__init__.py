"""Does the user like the images? By a known truth, by the held-out part, or by a verifier."""
