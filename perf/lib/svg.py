"""Plots as inline SVG. Colours come from the page's style sheet: classes s0 to s7, axis, label."""

import html
import math

WIDTH = 760
LEFT = 300  # Room for names.
RIGHT = 70  # Room for the value behind a bar.
LETTER = 7.2  # Width of one letter of a label, in a wide font.
SERIES = 8


def number(value):
    return f"{value:.1f}".rstrip("0").rstrip(".")


class Canvas:
    def __init__(self, height, title):
        self.height = height
        self.title = title
        self.parts = []

    def rect(self, x, y, width, height, series, tip=""):
        self.parts.append(f'<rect x="{number(x)}" y="{number(y)}" width="{number(max(width, 0))}" height="{number(height)}"'
                          f' class="s{series % SERIES}">{tooltip(tip)}</rect>')

    def line(self, x1, y1, x2, y2, style="axis"):
        self.parts.append(f'<line x1="{number(x1)}" y1="{number(y1)}" x2="{number(x2)}" y2="{number(y2)}" class="{style}"/>')

    def circle(self, x, y, radius, series, tip=""):
        self.parts.append(f'<circle cx="{number(x)}" cy="{number(y)}" r="{number(radius)}" class="s{series % SERIES}">'
                          f'{tooltip(tip)}</circle>')

    def path(self, points, series):
        text = " ".join(f"{number(x)},{number(y)}" for x, y in points)
        self.parts.append(f'<polyline points="{text}" class="l{series % SERIES}"/>')

    def text(self, x, y, words, anchor="start"):
        self.parts.append(f'<text x="{number(x)}" y="{number(y)}" text-anchor="{anchor}" class="label">'
                          f'{html.escape(words)}</text>')

    def svg(self):
        return (f'<svg viewBox="0 0 {WIDTH} {number(self.height)}" role="img" aria-label="{html.escape(self.title)}">'
                f'<title>{html.escape(self.title)}</title>{"".join(self.parts)}</svg>')


def standalone(plot, style):
    """A plot as a file of its own, with the style sheet that it else shares with its page."""
    return (plot.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
            .replace(">", f'>\n<style>{style}</style>\n<rect width="100%" height="100%" class="paper"/>', 1) + "\n")


def tooltip(text):
    return f"<title>{html.escape(text)}</title>" if text else ""


def shortened(words, width):
    most = max(int(width / LETTER), 4)
    return words if len(words) <= most else words[:most - 1] + "…"


def ticks(highest, wanted=5):
    """Round values from 0 to just above the highest."""
    if not highest > 0 or not math.isfinite(highest):
        return [0, 1]
    rough = highest / wanted
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    return [step * count for count in range(math.ceil(highest / step - 1e-9) + 1)]


def tick_text(value):
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def horizontal_axis(canvas, values, top, bottom, unit):
    """Grid lines, and a function from value to x."""
    highest = values[-1]

    def place(value):
        return LEFT + (WIDTH - LEFT - RIGHT) * value / highest

    for value in values:
        canvas.line(place(value), top, place(value), bottom, "grid")
        canvas.text(place(value), bottom + 16, tick_text(value), "middle")
    canvas.text(WIDTH - 4, bottom + 16, unit, "end")
    return place


def legend(canvas, names, y):
    """Names of series, as many to a line as fit; returns the height that they take."""
    x = 8
    top = y
    for series, name in enumerate(names):
        width = 24 + len(name) * LETTER + 12
        if x + width > WIDTH and x > 8:
            x, y = 8, y + 18
        canvas.rect(x, y - 9, 12, 10, series)
        canvas.text(x + 17, y, shortened(name, WIDTH - x - 24))
        x += width
    return y - top + 18


def legend_height(names):
    return legend(Canvas(0, ""), names, 0)


def stacked_bars(title, rows, unit):
    """rows: (name, [(series name, value, words)]). Bars of one scale; parts of a series have its colour."""
    names = list(dict.fromkeys(part for _, parts in rows for part, _, _ in parts))
    top = legend_height(names) + 14
    canvas = Canvas(top + 30 * len(rows) + 26, title)
    legend(canvas, names, 14)
    bottom = top + 30 * len(rows)
    place = horizontal_axis(canvas, ticks(max(sum(value for _, value, _ in parts) for _, parts in rows)), top, bottom, unit)
    for index, (name, parts) in enumerate(rows):
        y = top + 30 * index + 5
        canvas.text(LEFT - 8, y + 14, shortened(name, LEFT - 12), "end")
        total = 0
        for part, value, words in parts:
            canvas.rect(place(total), y, place(total + value) - place(total), 20, names.index(part),
                        f"{name}: {words} {value:.2f} {unit}")
            total += value
        canvas.text(place(total) + 5, y + 14, f"{total:.2f}")
    return canvas.svg()


def bars(title, rows, unit):
    """rows: (name, value, text behind the bar)."""
    canvas = Canvas(8 + 26 * len(rows) + 26, title)
    bottom = 8 + 26 * len(rows)
    place = horizontal_axis(canvas, ticks(max(value for _, value, _ in rows)), 4, bottom, unit)
    for index, (name, value, words) in enumerate(rows):
        y = 8 + 26 * index
        canvas.text(LEFT - 8, y + 14, shortened(name, LEFT - 12), "end")
        canvas.rect(LEFT, y + 2, place(value) - LEFT, 18, 0, f"{name}: {words}")
        canvas.text(place(value) + 5, y + 15, shortened(words, WIDTH - place(value) - 5))
    return canvas.svg()


def strips(title, rows, unit):
    """rows: (name, values). A point for each run, and a stroke at their median."""
    canvas = Canvas(8 + 24 * len(rows) + 26, title)
    bottom = 8 + 24 * len(rows)
    place = horizontal_axis(canvas, ticks(max(max(values) for _, values, _ in rows)), 4, bottom, unit)
    for index, (name, values, middle) in enumerate(rows):
        y = 8 + 24 * index + 12
        canvas.text(LEFT - 8, y + 4, shortened(name, LEFT - 12), "end")
        canvas.line(place(min(values)), y, place(max(values)), y)
        for value in values:
            canvas.circle(place(value), y, 4, 0, f"{name}: {value:.2f} {unit}")
        canvas.line(place(middle), y - 8, place(middle), y + 8)
        canvas.text(WIDTH - 4, y + 4, f"{middle:.2f}", "end")
    return canvas.svg()


def lines(title, series, x_unit, y_unit, x_logarithmic=False, points=True):
    """series: (name, [(x, y, low, high)]). Low and high are drawn as a stroke."""
    left, right, height = 70, 20, 240
    names = [name for name, _ in series]
    top = legend_height(names) + 14
    canvas = Canvas(top + height + 40, title)
    legend(canvas, names, 14)
    every = [point for _, found in series for point in found]
    heights = ticks(max(point[3] for point in every))

    def scale(value):
        return math.log10(value) if x_logarithmic else value

    least = min(scale(point[0]) for point in every) if x_logarithmic else 0
    span = (max(scale(point[0]) for point in every) - least) or 1

    def x_of(value):
        return left + 10 + (WIDTH - left - right - 20) * (scale(value) - least) / span

    def y_of(value):
        return top + height * (1 - value / heights[-1])

    for value in heights:
        canvas.line(left, y_of(value), WIDTH - right, y_of(value), "grid")
        canvas.text(left - 6, y_of(value) + 4, tick_text(value), "end")
    marks = sorted({point[0] for point in every}) if x_logarithmic else ticks(max(point[0] for point in every))[:-1]
    for value in marks:
        canvas.text(x_of(value), top + height + 18, tick_text(value), "middle")
    canvas.text(4, top + height + 36, y_unit)
    canvas.text(WIDTH - 4, top + height + 36, x_unit, "end")
    for index, (name, found) in enumerate(series):
        canvas.path([(x_of(x), y_of(y)) for x, y, _, _ in found], index)
        for x, y, low, high in found if points else []:
            canvas.line(x_of(x), y_of(low), x_of(x), y_of(high))
            canvas.circle(x_of(x), y_of(y), 4, index, f"{name}: {x:g} {x_unit}, {y:.4g} {y_unit}")
    return canvas.svg()
