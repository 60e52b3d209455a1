"""Who calls scoring, projection and training, when."""
