"""``python -m armature.bench [key=value ...]``: every measurement, one after another; overrides are those of train."""

from __future__ import annotations

import sys

from armature.bench import evaluation, loading, paf_decoding, pipeline, steps, suppression


def main(overrides: list[str]) -> int:
    """Prints every table; the exit code is 1 where two ways to the same result differ."""
    codes = [pipeline.main(overrides)]
    for part in (loading, evaluation, suppression, paf_decoding, steps):
        print()
        codes.append(part.main([]))
    return max(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
