"""What a comparison leaves: a page, its data, Markdown and pictures in a folder, and the same tables at W&B."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from armature.comparison import disagreement, examined, text
from armature.comparison.judging import Judged
from armature.comparison.seeds import Group
from armature.reports import comparison_page
from armature.reports.comparison_words import headline
from armature.reports.embedding import embed
from armature.run_folder import write_text

Document = dict[str, Any]


@dataclass(frozen=True)
class Pair:
    """The two best systems, each by its first seed; their pictures show where they disagree."""

    names: tuple[str, str]
    judged: tuple[Judged, Judged]

    @classmethod
    def of(cls, document: Document, groups: Sequence[Group], judged: Mapping[str, Judged]) -> Pair | None:
        """The first two of the ranking; None where there is but one."""
        names = [system["name"] for system in document["systems"][:2]]
        if len(names) < 2:
            return None
        first, second = ({g.name: judged[g.members[0].name] for g in groups}[name] for name in names)
        return cls((names[0], names[1]), (first, second))


def write(folder: Path, document: Document, pair: Pair | None, pictures: int, groups: Sequence[Group] = ()) -> Path:
    """Writes comparison.html, comparison.json, comparison.md and pictures/, and returns the page's path.

    Args:
        pictures: how many images on which the pair disagrees most; a remark of the page says why there are none.
        groups: whose suites' curves are drawn.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawn: list[tuple[str, Path]] = []
    if pair is not None and pictures > 0:
        drawn, remark = _draw(folder / "pictures", pair, pictures)
        document = document | {"remarks": [*document["remarks"], *([remark] if remark else [])]}
    write_text(folder / "comparison.json", text.as_text(document, "json"))
    write_text(folder / "comparison.md", text.as_text(document, "markdown"))
    captions = {path: caption for caption, path in drawn}
    embedded = [(captions[path], address) for path, address in embed([path for _, path in drawn])]
    lines = {suite: embed([file])[0][1] for suite, file in examined.curves(groups, folder).items()}
    suites = [{**found, "curves": lines.get(found["suite"])} for found in document.get("suites") or []]
    return comparison_page.write(document | {"suites": suites}, folder, embedded)


def send(document: Document, folder: Path, project: str, page: Path | None) -> str:
    """Sends the tables (and the page, where there is one) to W&B as a run of job type ``compare``; says what it did.

    Offline where W&B is, in ``folder``/wandb; it never asks and never fails.
    """
    from armature.tracking import WandbLogger  # imports torch

    name = f"compare {len(document['systems'])} systems"
    logger = WandbLogger(folder, project=project, name=name, group="compare", job_type="compare")
    run = logger.experiment
    if run is None:
        return f"W&B: nothing was sent to '{project}' (it is disabled or cannot be reached)"
    try:
        run.log(_tables(document, page))
        run.summary["headline"] = headline(document)
    except Exception as error:  # a full disk, a service that has died: the comparison itself is done
        logger.close(1)
        return f"W&B: the tables were not sent to '{project}' ({error})"
    logger.close(0)
    return f"W&B: the tables are in project '{project}', run {logger.id}"


def _tables(document: Document, page: Path | None) -> dict[str, Any]:
    """The ranking, the pairs and the page as W&B's objects."""
    import wandb

    metrics = [document["metric"], *document["metrics"]]
    columns = ["system", "seeds", *(f"{name}{part}" for name in metrics for part in ("", " low", " high"))]
    rows = [
        [s["name"], s["n"], *(s["numbers"][name][part] for name in metrics for part in ("estimate", "low", "high"))]
        for s in document["systems"]
    ]
    pairs = ["a", "b", "metric", "difference", "low", "high", "p_corrected", "verdict"]
    compared = [[c[k] for k in pairs] for c in document["comparisons"]]
    tables = {
        "comparison/ranking": wandb.Table(columns=columns, data=rows),
        "comparison/pairs": wandb.Table(columns=pairs, data=compared),
    }
    for found in document.get("suites") or []:
        names = [f"{column}{part}" for column in found["columns"] for part in ("", " low", " high")]
        own = [[row["name"], *_ends(row["numbers"], found["columns"])] for row in found["rows"]]
        tables[f"comparison/{found['suite']}"] = wandb.Table(columns=["system", *names], data=own)
    return tables | ({"comparison/page": wandb.Html(str(page))} if page else {})


def _ends(numbers: Mapping[str, Any], columns: Sequence[str]) -> list[float | None]:
    """Estimate, low and high of each column, None for what there is not."""
    return [(numbers.get(column) or {}).get(part) for column in columns for part in ("estimate", "low", "high")]


def _draw(folder: Path, pair: Pair, count: int) -> tuple[list[tuple[str, Path]], str]:
    oks = [one.verdict.image_oks for one in pair.judged]
    chosen = disagreement.most_unlike(oks[0], oks[1], count)
    contenders = (pair.judged[0].contender, pair.judged[1].contender)
    drawn, remark = disagreement.pictures(contenders, pair.names, chosen)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("disagreement_*.jpg"):
        old.unlink()
    saved = []
    for number, (caption, picture) in enumerate(drawn, 1):
        path = folder / f"disagreement_{number:02d}.jpg"
        encoded = cv2.imencode(".jpg", picture[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, 90))[1]
        path.write_bytes(encoded.tobytes())
        saved.append((caption, path))
    return saved, remark
