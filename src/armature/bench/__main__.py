"""``python -m armature.bench [key=value ...]``: every measurement, one after another; overrides are those of train."""

from __future__ import annotations

import sys

from armature.bench import evaluation, pipeline

if __name__ == "__main__":
    pipeline.main(sys.argv[1:])
    print()
    sys.exit(evaluation.main([]))
