"""What a prediction costs, measured by one procedure for every architecture."""
