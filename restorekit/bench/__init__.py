"""The benchmark: protocols, datasets, methods, scores, results and reports. Importing this loads no torch."""
