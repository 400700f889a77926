"""Measurements that are run by hand and print what they find."""
