"""VGG-19's convolutions, each with batch normalisation, and a classifier on top of them."""
import torch
import torch.nn as nn
import torch.nn.functional as F

BLOCKS = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))  # convolutions and their channels
NAMES = [f"conv{block}_{i}" for block, (convs, _) in enumerate(BLOCKS, 1)
         for i in range(1, convs + 1)]
WIDTHS = [width for convs, width in BLOCKS for _ in range(convs)]
NARROWEST = min(WIDTHS)

MEAN = (123.68, 116.779, 103.939)  # R, G, B: what Caffe's VGG-19 has subtracted
SCALE = 57.5                       # about the deviation of photographs, so that learning sees +-1


def centred(pictures):
    """uint8 RGB [n, 3, height, width] -> float, minus the mean."""
    return pictures.float() - torch.tensor(MEAN, device=pictures.device).view(1, 3, 1, 1)


def activations(x, convolve):
    """Every layer after its ReLU, in turn. convolve(i, x) does convolution i."""
    for i, name in enumerate(NAMES):
        x = F.relu(convolve(i, x), inplace=True)
        yield x
        if i + 1 < len(NAMES) and NAMES[i + 1].endswith("_1"):
            x = F.max_pool2d(x, 2)


class Network(nn.Module):
    """narrow divides the channels of every layer."""

    def __init__(self, classes, narrow=1):
        super().__init__()
        widths = [3] + [width // narrow for width in WIDTHS]
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1, bias=False)
                                   for a, b in zip(widths, widths[1:]))
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths[1:])
        self.drop = nn.Dropout(.3)
        self.classify = nn.Linear(widths[-1], classes)
        for conv in self.convs:
            nn.init.kaiming_normal_(conv.weight, mode="fan_out")

    def forward(self, x):
        """Pictures, centred and divided by SCALE -> a score for each class."""
        for layer in activations(x, lambda i, x: self.norms[i](self.convs[i](x))):
            last = layer
        return self.classify(self.drop(last.mean((2, 3))))
