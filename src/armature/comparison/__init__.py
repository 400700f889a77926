"""Several runs, or anybody's results, on the same images: who is better, by how much, and how sure that is."""
