"""Who is who from frame to frame, and how well that is known."""
