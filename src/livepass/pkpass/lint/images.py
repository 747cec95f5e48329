"""Images: whole PNGs, each scale a multiple of the plain one, and no larger or wider than Wallet shows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from livepass.pkpass.image_sizes import is_cropped, is_larger, scale_of, sizes_of
from livepass.pkpass.limits import MIB
from livepass.pkpass.lint.package_files import IMAGE_FILES
from livepass.pkpass.lint.problem import Problems, Severity, problem
from livepass.pkpass.png import PngProblem, check_pixels, read_png

Sides = Mapping[str, tuple[int, int]]

_RULE = {"none": "image", "large": "image-size", "damaged": "image-damaged"}
_MOST_INFLATED = 128 * MIB  # of all images of a pass together: enough for every honest one


def sides(files: Mapping[str, bytes]) -> tuple[dict[str, tuple[int, int]], Problems]:
    """Width and height in pixels of every image that is whole, and what is wrong with the others."""
    found: dict[str, tuple[int, int]] = {}
    problems = []
    left = _MOST_INFLATED
    for name in sorted(files):
        if name.rpartition("/")[2] not in IMAGE_FILES:
            continue
        try:
            png = read_png(files[name])
            if png.raw_size <= left:
                left -= png.raw_size
                check_pixels(png)
            if png.trailing:
                raise PngProblem(f"{png.trailing} bytes follow its end", "livepass template images FOLDER --force cuts")
        except PngProblem as fault:
            severity: Severity | None = "fatal" if fault.kind == "none" and name == "icon.png" else None
            problems.append(problem(_RULE[fault.kind], name, f"{name}: {fault}", fault.hint, severity))
            continue
        found[name] = png.width, png.height
    return found, iter(problems)


def check(styles: Sequence[str], found: Sides) -> Problems:
    """The sizes of images against the styles of the pass, and of the scales against each other."""
    for name, (width, height) in found.items():
        image, scale = scale_of(name.rpartition("/")[2])
        rows = sizes_of(image, styles)
        points = width / scale, height / scale
        if rows and all(is_larger(row, *points) for row in rows):
            widest = max(rows, key=lambda row: row.width * row.height)
            yield problem(
                "image-larger",
                name,
                f"{name} has {width} by {height} pixels, and Wallet shows {_area(widest.width, widest.height, scale)}",
                "scale it down: every phone fetches every byte of it",
            )
        if rows and all(is_cropped(row, *points) for row in rows):
            shapes = " or ".join(f"{row.width} to {row.height}" for row in rows)
            yield problem(
                "image-cropped",
                name,
                f"{name} has {width} by {height} pixels, and loses its edges: it is shown {shapes}",
                "cut it to that shape yourself",
            )
    yield from _scales(found)


def _area(width: int, height: int, scale: int) -> str:
    return f"{width * scale} by {height * scale}"


def _scales(found: Sides) -> Problems:
    for name, (width, height) in found.items():
        for times, plain in _smaller(name):
            if plain not in found:
                continue
            # Half a pixel of rounding in the plain size is that many here.
            plain_width, plain_height = found[plain]
            if max(abs(width - times * plain_width), abs(height - times * plain_height)) > times / 2:
                wanted = " by ".join(str(round(times * side)) for side in found[plain])
                yield problem(
                    "image-scale",
                    name,
                    f"{name} has {width} by {height} pixels, where {plain} makes {wanted}",
                    "make all sizes of one picture: livepass template images FOLDER --force",
                )
            break


def _smaller(name: str) -> Iterator[tuple[float, str]]:
    """The files that hold the same picture smaller, and how many times smaller: the plain one first."""
    folder, slash, base = name.rpartition("/")
    image, scale = scale_of(base)
    for other, mark in ((1, ""), (2, "@2x")):
        if other < scale:
            yield scale / other, f"{folder}{slash}{image}{mark}.png"
