"""Sweeps: a study of many trainings that lives in a folder, worked on by any number of processes on any machines."""
