"""A model in the paper's words: backbone, bases and their mixtures, encoder; and how they lie on disk."""
