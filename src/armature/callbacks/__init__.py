"""What watches a run and writes it down: Lightning callbacks, one file each."""
