"""A trained run as a file that runs without this framework, and the proof that its numbers stayed the same."""
