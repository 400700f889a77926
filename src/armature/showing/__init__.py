"""What the network really sees: stages of a sample, targets, twins in a mirror; as sheets, and as a page."""
