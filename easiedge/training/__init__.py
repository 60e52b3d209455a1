"""Training: one LightningModule for dense training, the W-step and fine-tuning, its callbacks, and `fit` around them."""
