"""The smallest network and the quickest training that go through every part, as overrides of ``armature train``."""

NETWORK = [
    "backbone@model.backbone=resnet18",
    "model.backbone.name=test_resnet",
    "model.head_channels=8",
    "model.neck.width=8",
]
RUN = [*NETWORK, "data.canvas=[64,64]", "data.workers=0", "trainer.precision=32-true", "trainer.threads=1"]
