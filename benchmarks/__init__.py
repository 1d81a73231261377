"""Benchmarks against plain Keras and plain KerasTuner. Each alternates both sides in one process and prints ratios."""
