"""What a person sees: drawn people, curves, terminal tables and the page of a run."""
