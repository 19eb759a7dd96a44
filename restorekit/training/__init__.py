"""Training: photographs, pairs, the loop around the steps, and the trainings: backbone with bases, encoder, one
basis, natural sharpness."""

__all__: list[str] = []
