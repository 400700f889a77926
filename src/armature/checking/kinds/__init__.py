"""The checks. A module here has ``CHECKS``, a tuple of ``checking.check.Check``, and is found by being here."""
