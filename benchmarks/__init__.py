"""Side-by-side runs against plain Keras and plain KerasTuner; each prints ratios measured in one process, in one run."""
