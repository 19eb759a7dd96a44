"""A model at work on pictures of any size: weigh, specialise, pass."""
