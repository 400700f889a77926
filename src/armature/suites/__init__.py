"""What a detector does when the picture changes and the scene does not: suites of changes, one file each."""
