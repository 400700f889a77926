"""The networks before the stages: one feature map at stride 8."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import timm
import torch
from torch import Tensor, nn

from armature.errors import ConfigError

#: ImageNet's statistics, for RGB in [0, 1].
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
#: VGG-19's first ten convolutions by width; 0 is a pooling by 2 (Simonyan & Zisserman 2015, configuration E).
_VGG = (64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512)
#: MobileNet's separable convolutions up to conv5_5: width, stride, dilation (Osokin 2018, section 3).
_MOBILE = (
    (64, 1, 1),
    (128, 2, 1),
    (128, 1, 1),
    (256, 2, 1),
    (256, 1, 1),
    (512, 1, 1),
    (512, 1, 2),
    *((512, 1, 1),) * 4,
)


class Normalised(nn.Module):
    """Images less a mean, over a deviation.

    Networks trained with Caffe take bytes / 256 - 0.5: mean 0.50196 (128 / 255), deviation 1.00392 (256 / 255).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(tuple(mean)).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(tuple(std)).view(-1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std


class VGG(nn.Module):
    """128 channels at stride 8: VGG-19 through conv4_2, then two 3x3 convolutions (Cao et al. 2017, section 2.1).

    Args:
        activation: after conv4_2 and both that follow: ``relu``, or ``prelu`` as in BODY_25.
        pretrained: ImageNet weights of VGG-19 for the first ten (torchvision's, by timm).
        mean, std: of the images; ImageNet's by default.
    """

    channels = 128

    def __init__(
        self,
        activation: str = "relu",
        pretrained: bool = False,
        mean: Sequence[float] = _MEAN,
        std: Sequence[float] = _STD,
    ) -> None:
        super().__init__()
        self.normalised = Normalised(mean, std)
        layers: list[nn.Module] = []
        width = 3
        for out in _VGG:
            layers += [nn.Conv2d(width, out, 3, padding=1), nn.ReLU(inplace=True)] if out else [nn.MaxPool2d(2)]
            width = out or width
        self.vgg = nn.Sequential(*layers[:-1])
        reduced = (nn.Conv2d(512, 256, 3, padding=1), nn.Conv2d(256, 128, 3, padding=1))
        self.reduce = nn.Sequential(
            _rectify(activation, 512), reduced[0], _rectify(activation, 256), reduced[1], _rectify(activation, 128)
        )
        for conv in (*self.vgg, *reduced):
            if isinstance(conv, nn.Conv2d):
                nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
                nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
        if pretrained:
            given = timm.create_model("vgg19.tv_in1k", pretrained=True).features.state_dict()
            self.vgg.load_state_dict({name: given[name] for name in self.vgg.state_dict()})

    def forward(self, images: Tensor) -> Tensor:
        return self.reduce(self.vgg(self.normalised(images)))


class MobileNet(nn.Module):
    """``width`` channels at stride 8: MobileNet v1 to conv5_5, dilated instead of strided, then a residual reduction.

    (Osokin 2018, section 3: light-weight OpenPose.)
    """

    def __init__(
        self,
        width: int = 128,
        mean: Sequence[float] = (128 / 255,) * 3,
        std: Sequence[float] = (256 / 255,) * 3,
    ) -> None:
        super().__init__()
        self.channels = width
        self.normalised = Normalised(mean, std)
        layers: list[nn.Module] = [nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(inplace=True)]
        channels = 32
        for out, stride, dilation in _MOBILE:
            layers.append(_separable(channels, out, stride, dilation))
            channels = out
        self.mobile = nn.Sequential(*layers)
        self.align = nn.Sequential(nn.Conv2d(channels, width, 1), nn.ReLU(inplace=True))
        self.residual = nn.Sequential(*(_plain_separable(width) for _ in range(3)))
        self.last = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(inplace=True))

    def forward(self, images: Tensor) -> Tensor:
        x = self.align(self.mobile(self.normalised(images)))
        return self.last(x + self.residual(x))


class Pyramid(nn.Module):
    """One map of a pyramid and a neck, for networks of any size.

    Args:
        backbone: images -> levels; has ``channels``.
        neck: called with the channels; levels -> one map; has ``channels``.
    """

    def __init__(self, backbone: nn.Module, neck: Callable[[Sequence[int]], nn.Module]) -> None:
        super().__init__()
        self.backbone = backbone
        self.neck = neck(backbone.channels)  # type: ignore[arg-type]
        self.channels: int = self.neck.channels  # type: ignore[assignment]

    def forward(self, images: Tensor) -> Tensor:
        return self.neck(self.backbone(images))


def _rectify(activation: str, channels: int) -> nn.Module:
    if activation not in ("relu", "prelu"):
        raise ConfigError(f"trunk.activation={activation}: known values are relu and prelu")
    return nn.PReLU(channels) if activation == "prelu" else nn.ReLU(inplace=True)


def _separable(channels: int, out: int, stride: int, dilation: int) -> nn.Sequential:
    deep = nn.Conv2d(channels, channels, 3, stride, dilation, dilation, groups=channels, bias=False)
    point = nn.Conv2d(channels, out, 1, bias=False)
    return nn.Sequential(
        deep, nn.BatchNorm2d(channels), nn.ReLU(inplace=True), point, nn.BatchNorm2d(out), nn.ReLU(inplace=True)
    )


def _plain_separable(channels: int) -> nn.Sequential:
    deep = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
    return nn.Sequential(deep, nn.ELU(inplace=True), nn.Conv2d(channels, channels, 1, bias=False), nn.ELU(inplace=True))
