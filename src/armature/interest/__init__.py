"""Interest points: classical detectors, pairs of pictures whose geometry is known, and how often a point comes back."""
