"""The report as PDF, A4, in the fonts that every reader has (Helvetica; ISO 32000, 9.6.2.2)."""

import io
import textwrap
from collections.abc import Iterator

import pydyf

from cli.compliance.report import Report, Section, cells

WIDTH, HEIGHT, MARGIN = 595, 842, 42
LINE, SMALL, TEXT, HEAD, TITLE = 12, 8, 10, 12, 18
# Points of a character of Helvetica beside the size of the font, on average; a cell is cut so that it cannot reach the next.
_WIDTH = 0.52


def pdf(report: Report) -> bytes:
    """The document."""
    pages = _Pages()
    pages.write(report.title, TITLE, bold=True)
    pages.write(report.subtitle, TEXT)
    for section in report.sections:
        pages.space(LINE)
        pages.write(section.title, HEAD, bold=True)
        for line in textwrap.wrap(section.sentence, _fitting(WIDTH - 2 * MARGIN, TEXT)):
            pages.write(line, TEXT, bold=section.attention)
        for number, row in enumerate(_lines(section)):
            pages.row(row, bold=number == 0)
    return pages.document()


class _Pages:
    def __init__(self) -> None:
        self._pdf, self._streams = pydyf.PDF(), list[pydyf.Stream]()
        self._at = 0

    def write(self, text: str, size: int, *, bold: bool = False) -> None:
        """A line of text."""
        self._down(max(LINE, size + 4))
        self._text(MARGIN, text, size, bold=bold)

    def row(self, cells_of_row: list[str], *, bold: bool) -> None:
        """A line of cells, in columns of one width."""
        self._down(LINE)
        width = (WIDTH - 2 * MARGIN) / max(1, len(cells_of_row))
        for number, cell in enumerate(cells_of_row):
            self._text(MARGIN + number * width, cell, SMALL, bold=bold)

    def space(self, points: int) -> None:
        """Room above what follows."""
        self._at -= points

    def document(self) -> bytes:
        """All pages."""
        fonts = {}
        for name, font in (("F1", "Helvetica"), ("F2", "Helvetica-Bold")):
            made = pydyf.Dictionary(
                {"Type": "/Font", "Subtype": "/Type1", "BaseFont": f"/{font}", "Encoding": "/WinAnsiEncoding"}
            )
            self._pdf.add_object(made)
            fonts[name] = made.reference
        for stream in self._streams:
            self._pdf.add_object(stream)
            page = {
                "Type": "/Page",
                "Parent": self._pdf.pages.reference,
                "MediaBox": pydyf.Array([0, 0, WIDTH, HEIGHT]),
                "Contents": stream.reference,
                "Resources": pydyf.Dictionary({"Font": pydyf.Dictionary(fonts)}),
            }
            self._pdf.add_page(pydyf.Dictionary(page))
        written = io.BytesIO()
        self._pdf.write(written)
        return written.getvalue()

    def _down(self, points: int) -> None:
        self._at -= points
        if not self._streams or self._at < MARGIN:
            self._streams.append(pydyf.Stream())
            self._at = HEIGHT - MARGIN - points

    def _text(self, x: float, text: str, size: int, *, bold: bool) -> None:
        stream = self._streams[-1]
        stream.begin_text()
        stream.set_font_size("F2" if bold else "F1", size)
        stream.set_text_matrix(1, 0, 0, 1, x, self._at)
        # What the font's encoding lacks is a question mark.
        stream.show_text_string(text.encode("cp1252", "replace"))
        stream.end_text()


def _lines(section: Section) -> Iterator[list[str]]:
    """Rows, each cell cut to its column and continued in the lines below."""
    for row in cells(section):
        if not row:
            continue
        fitting = _fitting((WIDTH - 2 * MARGIN) / len(row) - 4, SMALL)
        wrapped = [textwrap.wrap(cell, fitting) or [""] for cell in row]
        for number in range(max(map(len, wrapped))):
            yield [lines[number] if number < len(lines) else "" for lines in wrapped]


def _fitting(points: float, size: int) -> int:
    return max(4, int(points / (size * _WIDTH)))
