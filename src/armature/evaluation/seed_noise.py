"""Several seeds of one config as one result: how far its mean may lie from that of all seeds and all images.

Two things vary: which images were drawn for the test set, and which seeds for the training. With three seeds neither
common practice is honest. Resampling the images alone forgets the seeds. Resampling seeds too (the hierarchical
bootstrap) knows the spread of three values only through resamples of three, which is too small by (n - 1) / n and
takes no account of how little three values tell of a spread (Davison & Hinkley 1997, *Bootstrap Methods and their
Application*, sec. 3.8; Colas, Sigaud & Oudeyer 2018, *How Many Random Seeds?*, found bootstrap tests of few seeds to
call equal methods different too often). And a t-test between seeds forgets the images, which all seeds share.

So the variances are added: of the mean over seeds under resampled images, and between seeds,

    V = V_images + max(0, s^2 - V_own) / n

where s^2 is the variance between the seeds' numbers, and V_own what of it the images explain, since every seed has its
own luck with them: the mean variance, over resamples, of a seed's distance from the seeds' mean. V_images holds that
part already. The degrees of freedom are those of Welch (1947) and Satterthwaite (1946), with s^2 / n on n - 1.

V_images is the bootstrap's variance, or the jackknife's where that is larger: for a ratio of sums or an AP from few
images the first is too small on average, the second never (Efron & Stein 1981). It is asked only where each image can
be left out by itself; with more images than that the two differ by less than half a per cent. And few images decide:
what they add is long-tailed, so the variance itself is known worse than that of as many normal numbers. By its own
variance, sigma^4 (2 / (I - 1) + k / I) with k the excess kurtosis of what the images add (0 where negative), it
rests on 2 / (2 / (I - 1) + k / I) degrees of freedom.

How often two equal systems with 80 images are called different at the 5 % level, in 4,000 simulations each; noise has
parts of the seed, of the system in an image, and of the run in an image:

    seeds   seed  system  run    this rule   hierarchical   t-test of seeds   images alone
      2      0.3     0    0.3      2.9 %        28.8 %            2.5 %          83.0 %
      3      0       0    1        1.6 %         2.1 %            3.4 %           5.8 %
      3      0.1     0    1        3.0 %         4.4 %            3.3 %          15.2 %
      3      0       1    1        3.4 %         3.8 %           18.7 %           5.5 %
      3      0.1     1    1        4.0 %         4.6 %           12.3 %           8.1 %
      3      0.3     1    1        4.9 %         9.2 %            5.2 %          24.5 %
      3      0.3     0    0.3      3.4 %        18.3 %            3.1 %          82.5 %
      5      0.3     1    1        4.3 %         7.2 %           10.5 %          20.2 %
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from armature.evaluation.bootstrap import Interval, Sample, bca, plain, student


@dataclass(frozen=True)
class Spread:
    """What is known of an estimate's uncertainty.

    Attributes:
        variance: of the estimate. degrees_of_freedom: what the variance itself rests on.
        seeds_covered: whether it holds the noise of the seeds on every side. resamples: how many gave a number.
    """

    variance: float
    degrees_of_freedom: float
    seeds_covered: bool
    resamples: int

    @property
    def standard_error(self) -> float:
        """The square root of the variance."""
        return math.sqrt(self.variance) if self.variance >= 0 else math.nan


@dataclass(frozen=True)
class Summary:
    """A group's metric over its seeds.

    Attributes:
        n: seeds. mean: over them. standard_deviation: between them (n - 1 in the denominator), NaN for one seed.
        interval: of the mean; for one seed over draws of images only, for several over draws of seeds too.
        seeds_covered: whether the interval holds the noise of the seeds. values: n numbers.
    """

    name: str
    metric: str
    n: int
    mean: float
    standard_deviation: float
    interval: Interval
    seeds_covered: bool
    values: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON, with None for NaN."""
        found = plain(asdict(self))
        return found | {"values": [v if math.isfinite(v) else None for v in self.values]}


def summarise(samples: Sequence[Sample], level: float = 0.95) -> list[Summary]:
    """Mean, standard deviation, n and interval of every group and metric."""
    return [_summary(sample, column, level) for sample in samples for column in range(len(sample.names))]


def spread(*sides: tuple[Sample, int, int]) -> Spread:
    """The spread of a sum of means, by this module's rule.

    Args:
        sides: (sample, column, sign): one for a mean, two with signs 1 and -1 for a difference.
    """
    resampled = _summed([(sign, s.resampled[:, :, column]) for s, column, sign in sides])
    kept = np.isfinite(resampled)
    images = sides[0][0].images
    if kept.sum() < 2 or images < 2:
        return Spread(math.nan, math.nan, False, int(kept.sum()))
    parts = _summed([(sign, s.parts[:, :, column]) for s, column, sign in sides])
    all_images = sides[0][0].group.systems[0].images
    of_images, freedom_of_images = _of_images(resampled[kept], parts, all_images)
    between = [_between(s.estimates[:, column], s.resampled[:, kept, column]) for s, column, _ in sides]
    variance = of_images + sum(added for added, _ in between)
    loose = of_images**2 / freedom_of_images + sum(term for _, term in between)
    freedom = min(variance**2 / loose, images - 1) if loose > 0 else images - 1
    return Spread(variance, freedom, all(s.group.n > 1 for s, _, _ in sides), int(kept.sum()))


def _summed(sides: Sequence[tuple[int, NDArray[np.float64]]]) -> NDArray[np.float64]:
    """(k,) the sum of signed means over seeds, from (n, k) of each side."""
    return np.sum([sign * values.mean(0) for sign, values in sides], axis=0)


def _of_images(resampled: NDArray[np.float64], parts: NDArray[np.float64], images: int) -> tuple[float, float]:
    """Variance under other images, and the degrees of freedom that it rests on."""
    variance, count = float(resampled.var(ddof=1)), len(parts)
    if count < 2 or not np.isfinite(parts).all():
        return variance, images - 1
    apart = parts - parts.mean()
    squares = float((apart**2).sum())
    if count == images:
        variance = max(variance, squares * (count - 1) / count)
    kurtosis = max(0.0, count * float((apart**4).sum()) / squares**2 - 3) if squares > 0 else 0.0
    return variance, 2 / (2 / (images - 1) + kurtosis / count)


def _between(estimates: NDArray[np.float64], resampled: NDArray[np.float64]) -> tuple[float, float]:
    """What (n,) seeds add to the variance of their mean, and to the sum under the degrees of freedom."""
    n = len(estimates)
    if n < 2:
        return 0.0, 0.0
    between = float(estimates.var(ddof=1))
    own = float((resampled - resampled.mean(0)).var(axis=1, ddof=1).sum()) / (n - 1)
    return max(0.0, between - own) / n, (between / n) ** 2 / (n - 1)


def _summary(sample: Sample, column: int, level: float) -> Summary:
    values = sample.estimates[:, column]
    mean = float(values.mean())
    if sample.group.n == 1:
        interval = bca(mean, sample.resampled[0, :, column], sample.parts[0, :, column], level)
    else:
        found = spread((sample, column, 1))
        interval = student(mean, found.standard_error, found.degrees_of_freedom, found.resamples, level)
    deviation = float(values.std(ddof=1)) if len(values) > 1 else math.nan
    several, each = sample.group.n > 1, tuple(values.tolist())
    return Summary(sample.group.name, sample.names[column], len(values), mean, deviation, interval, several, each)
