"""Training: photographs, pairs, the loop, and the three trainings: backbone with bases, encoder, one basis."""
