#!/usr/bin/env python3
"""Makes picture.png, the picture of the demo: rendered text in several fonts and sizes on a textured background, turned a little.
Needs pillow, numpy and the DejaVu fonts (fonts-dejavu). The same bytes every time."""
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

FONTS = Path("/usr/share/fonts/truetype/dejavu")
LINES = [  # text, font, size, x, y, ink
    ("SLIPWAY", "DejaVuSans-Bold", 64, 70, 50, (20, 40, 90)),
    ("From training to service", "DejaVuSerif", 34, 72, 142, (60, 30, 20)),
    ("Harbour office, pier 7", "DejaVuSans", 28, 72, 216, (30, 30, 30)),
    ("Opening hours 08:30 - 17:45", "DejaVuSansMono", 26, 72, 272, (25, 60, 40)),
    ("Telephone +44 20 7946 0123", "DejaVuSans-Oblique", 26, 72, 326, (70, 20, 60)),
    ("Keep the ramp clear at all times", "DejaVuSerif-Italic", 30, 72, 384, (110, 20, 20)),
    ("Invoice No. 2048", "DejaVuSerif-Bold", 24, 480, 66, (20, 20, 60)),
    ("Total: 1,337.50 EUR", "DejaVuSansMono-Bold", 22, 480, 106, (20, 20, 60)),
]
SIZE = (832, 480)


def paper(random):
    """A light background: slow waves and a fine grain."""
    y, x = np.mgrid[0:SIZE[1], 0:SIZE[0]]
    shade = 222 + 10 * np.sin(x / 90 + y / 140) + 6 * np.sin(y / 23) + random.integers(-2, 3, (SIZE[1], SIZE[0])) * 2
    return np.clip(np.stack([shade, shade - 4, shade - 16], -1), 0, 255) // 4 * 4


def main():
    random = np.random.default_rng(7)
    ink = Image.new("RGBA", SIZE, (0, 0, 0, 0))
    draw = ImageDraw.Draw(ink)
    for text, name, size, x, y, colour in LINES:
        font = ImageFont.truetype(FONTS / f"{name}.ttf" if (FONTS / f"{name}.ttf").exists() else FONTS / "DejaVuSans.ttf", size)
        draw.text((x, y), text, font=font, fill=(*colour, 235))
    ink = ink.rotate(2.5, Image.Resampling.BICUBIC)
    picture = Image.fromarray(paper(random).astype(np.uint8), "RGB").convert("RGBA")
    picture.alpha_composite(ink)
    picture.convert("RGB").save(Path(__file__).with_name("picture.png"), optimize=True)


if __name__ == "__main__":
    main()
