"""No picture is seen twice: cut out, turned, mirrored and tinted anew each time, on the device."""
import math

import torch
import torch.nn.functional as F

from network import centred

TURN = .2              # radians to either side
STRETCH = .8 * math.log(4 / 3)
CONTRAST, BRIGHTNESS, SATURATION, CAST = .4, 30, 1.6, 12


def between(low, high, *shape, device):
    return low + (high - low) * torch.rand(*shape, device=device)


def windows(count, least, device):
    """Which part of a picture becomes the new one, as affine maps: from `least` to all of its area,
    a little stretched, turned, half of them mirrored."""
    area = between(least, 1, count, device=device)
    ratio = between(-STRETCH, STRETCH, count, device=device).exp()
    width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    x = between(-1, 1, count, device=device) * (1 - width)
    y = between(-1, 1, count, device=device) * (1 - height)
    mirror = (torch.rand(count, device=device) < .5).float() * 2 - 1
    angle = between(-TURN, TURN, count, device=device)
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([torch.stack([width * mirror * cos, -height * sin, x], 1),
                        torch.stack([width * mirror * sin, height * cos, y], 1)], 1)


def tint(x):
    """Another contrast, brightness, saturation and cast for each picture."""
    n, device = len(x), x.device
    x = x * between(1 - CONTRAST, 1 + CONTRAST, n, 1, 1, 1, device=device)
    x = x + between(-BRIGHTNESS, BRIGHTNESS, n, 1, 1, 1, device=device)
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * between(0, SATURATION, n, 1, 1, 1, device=device)
    return x + between(-CAST, CAST, n, 3, 1, 1, device=device)


def augment(pictures, size, strong=True):
    """uint8 [n, 3, side, side] -> float [n, 3, size, size], centred. Draws from torch's generator.
    Not strong: at least .6 of a picture, in its own colours."""
    n = len(pictures)
    grid = F.affine_grid(windows(n, .25 if strong else .6, pictures.device), (n, 3, size, size),
                         align_corners=False)
    x = F.grid_sample(centred(pictures), grid, mode="bilinear", padding_mode="reflection",
                      align_corners=False)
    return tint(x) if strong else x
