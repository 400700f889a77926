"""``python -m armature`` is ``armature``."""

from armature.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
