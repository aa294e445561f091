#!/usr/bin/env python3
"""Makes font.hpp: the printable ASCII characters of DejaVu Sans Mono as bitmaps, and a square for all others. Needs pillow."""
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 12, 24
font = ImageFont.truetype("/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf", 20)
rows = []
for code in range(32, 128):
    image = Image.new("1", (WIDTH, HEIGHT))
    draw = ImageDraw.Draw(image)
    draw.fontmode = "1"
    if code < 127:
        draw.text((0, 0), chr(code), font=font, fill=1)
    else:
        draw.rectangle((2, 5, 9, 18), outline=1)
    bits = [sum((image.getpixel((x, y)) != 0) << x for x in range(WIDTH)) for y in range(HEIGHT)]
    rows.append("    {" + ",".join(hex(b) if b else "0" for b in bits) + "},\n")
Path(__file__).with_name("font.hpp").write_text(f"""// Made by make_font.py from DejaVu Sans Mono (free licence): characters 32..126 and a square for all others. A row is a number,
// its lowest bit the leftmost pixel.
#pragma once

#include <cstdint>

constexpr int kGlyphs = {len(rows)}, kGlyphWidth = {WIDTH}, kGlyphHeight = {HEIGHT};
// clang-format off
constexpr uint16_t kFont[kGlyphs][kGlyphHeight] = {{
{''.join(rows)}}};
""")
